//! The page itself, in one piece. Its policy allows only the script and the style that are in it.

use axum::http::HeaderValue;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

const INDEX: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
/// One module of several files, in the order that the comment of `index.html` names.
const SCRIPT: &str = concat!(
    include_str!("page/api.js"),
    include_str!("page/text.js"),
    include_str!("page/json.js"),
    include_str!("page/filter.js"),
    include_str!("page/list.js"),
    include_str!("page/strip.js"),
    include_str!("page/start.js"),
    include_str!("page/detail.js"),
    include_str!("page/tabs.js"),
    include_str!("page/menu.js"),
    include_str!("page/actions.js"),
    include_str!("page/help.js"),
    include_str!("page/app.js"),
);

/// Returns the page.
pub(super) fn html() -> String {
    let (before, after) = INDEX.split_once("<!-- script:").unwrap_or((INDEX, ""));
    let (_names, after) = after.split_once("-->").unwrap_or_default();
    let before = before.replace("<!-- style -->", &format!("<style>{STYLE}</style>"));
    format!("{before}<script type=\"module\">{SCRIPT}</script>{after}")
}

/// Returns the value of its `Content-Security-Policy`.
pub(super) fn policy() -> HeaderValue {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The browser refuses a script or a style whose hash is another one: a page that shows nothing.
    #[test]
    fn the_policy_is_that_of_the_page() {
        let html = html();
        let between = |begin: &str, end: &str| {
            let (_, after) = html.split_once(begin).expect("the begin");
            let (text, after) = after.split_once(end).expect("the end");
            assert!(!after.contains(begin), "{begin} once");
            BASE64_STANDARD.encode(Sha256::digest(text))
        };
        let policy = policy();
        let policy = policy.to_str().expect("text");
        for (part, hash) in
            [("script", between("<script type=\"module\">", "</script>")), ("style", between("<style>", "</style>"))]
        {
            assert!(policy.contains(&format!("; {part}-src 'sha256-{hash}';")), "{policy}");
        }
        assert!(!html.contains("<!-- s"), "nothing is left to replace");
    }

    #[test]
    fn the_files_are_those_that_the_page_names() {
        let (_, after) = INDEX.split_once("<!-- script: ").expect("the comment");
        let (names, _) = after.split_once(" -->").expect("its end");
        let source = include_str!("page.rs");
        let joined: Vec<&str> =
            source.lines().filter_map(|line| line.trim().strip_prefix("include_str!(\"page/")?.strip_suffix("\"),")).collect();
        assert_eq!(names.split(' ').collect::<Vec<_>>(), joined);
    }
}
