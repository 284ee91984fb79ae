//! The pages of docs/runbooks. The links of the alerts lead here, so they open wherever this port can be reached, and each page is that of
//! the running version.

use axum::{
    extract::Path,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};

/// Each page with the name of its alert, in the order of the names.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/runbooks.rs"));

/// Returns the names of all pages, one on each line.
pub(super) async fn names() -> Response {
    let names: Vec<&str> = PAGES.iter().map(|(name, _)| *name).collect();
    plain(StatusCode::OK, names.join("\n") + "\n")
}

/// Returns the page of an alert, as Markdown, which every browser shows as text. The name may end in `.md`, like the file's.
pub(super) async fn page(Path(name): Path<String>) -> Response {
    let alert = name.strip_suffix(".md").unwrap_or(&name);
    match PAGES.iter().find(|(name, _)| *name == alert) {
        Some((_, text)) => plain(StatusCode::OK, (*text).to_owned()),
        None => plain(StatusCode::NOT_FOUND, "there is no such page; /runbooks lists them\n".to_owned()),
    }
}

/// Returns an answer that a browser shows only as text.
fn plain(status: StatusCode, text: String) -> Response {
    let headers = [(CONTENT_TYPE.as_str(), "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff")];
    (status, headers, text).into_response()
}
