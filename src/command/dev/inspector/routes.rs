//! The routes of the page.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{
        StatusCode, Uri,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    middleware::{from_fn_with_state, map_response},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Inspected, actions, commands, detail, forge,
    guard::{self, Guard, answer, failure},
    page, rows,
};
use crate::{command::dev::setup::setup, provider};

/// How long an answer waits for a request, so that the page need not ask often. The port ends every connection after 10 s.
const WAIT: Duration = Duration::from_secs(5);

type SharedState = State<Arc<Inspected>>;

/// Returns the routes of a page with this address.
pub(super) fn router(inspected: &Arc<Inspected>, address: SocketAddr) -> Router {
    let guard = Arc::new(Guard::new(address, inspected.webhooks, &inspected.key, page::policy()));
    let html = page::html();
    let with_data = Router::new()
        .route("/api/session", get(session))
        .route("/api/requests", get(requests))
        .route("/api/requests/{number}", get(request))
        .route("/api/requests/{number}/body", get(body))
        .route("/api/requests/{number}/fixture", get(fixture))
        .route("/api/requests/{number}/replay", post(replay))
        .route("/api/requests/{number}/forge", post(forged))
        .route("/api/send", post(send))
        .route("/api/kafka", post(kafka))
        .route("/api/clear", post(clear))
        .with_state(Arc::clone(inspected))
        .route_layer(from_fn_with_state(Arc::clone(&guard), guard::with_key));
    Router::new()
        // The page has no data in it, so it needs no key.
        .route("/", get(async move || ([(CONTENT_TYPE, "text/html; charset=utf-8")], html)))
        .merge(with_data)
        .layer(map_response(named))
        .layer(from_fn_with_state(guard, guard::all_requests))
}

/// Gives an answer of the router itself our words, as JSON.
async fn named(response: Response) -> Response {
    let is_ours = response.headers().get(CONTENT_TYPE).is_some_and(|it| it == "application/json");
    match response.status() {
        _ if is_ours => response,
        status @ (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => failure(status, "the page has no such route"),
        status @ StatusCode::BAD_REQUEST => failure(status, "the number of a request is a whole number, such as 41"),
        _ => response,
    }
}

async fn session(State(inspected): SharedState) -> Response {
    let local = format!("http://{}", inspected.webhooks);
    let base = inspected.public_url.as_ref().unwrap_or(&local).trim_end_matches('/');
    let endpoints = inspected.secrets.iter().map(|secret| {
        let provider = secret.provider;
        let url = format!("{base}/webhooks/{}", provider.name);
        let mut setup = setup(provider, &url, &secret.reference());
        // With the place of its token, if it has one.
        let url = setup.get(1).cloned().unwrap_or(url);
        if inspected.public_url.is_none() {
            // Nobody at a provider can use an address of this machine.
            setup = provider.register.lines().map(str::to_owned).collect();
        }
        let types: Vec<_> = provider.names().filter(|name| (provider.sample)(name).is_some()).collect();
        json!({
            "name": provider.name,
            "provider": provider.name,
            "title": provider.title,
            "url": url,
            "secret": secret.reference(),
            "types": types,
            "setup": setup,
        })
    });
    answer(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "webhooks": local,
        "public_url": inspected.public_url,
        "kafka": { "brokers": inspected.config.kafka.brokers.join(","), "embedded": inspected.mock.is_some() },
        "samples_need_consent": actions::needs_consent(&inspected),
        "endpoints": endpoints.collect::<Vec<_>>(),
        "forgeries": forge::ALL.iter().map(forge::Forgery::shown).collect::<Vec<_>>(),
        "repeats_max": actions::REPEATS_MAX,
    }))
}

async fn requests(State(inspected): SharedState, uri: Uri) -> Response {
    let parts = || uri.query().unwrap_or_default().split('&').filter_map(|part| part.split_once('='));
    let number = |name: &str| parts().find(|(it, _)| *it == name).and_then(|(_, value)| value.parse::<u64>().ok());
    let after = number("after").unwrap_or(0);
    if number("wait").is_some() {
        let _nothing_new = tokio::time::timeout(WAIT, inspected.history.wait_for_more(after)).await;
    }
    answer(&rows::rows(&inspected, after))
}

async fn request(State(inspected): SharedState, Path(number): Path<u64>) -> Response {
    let found = inspected.history.kept().get(number);
    found.map_or_else(gone, |request| answer(&detail::detail(&inspected, &request)))
}

async fn body(State(inspected): SharedState, Path(number): Path<u64>) -> Response {
    let found = inspected.history.kept().get(number);
    found.map_or_else(gone, |request| file(&format!("{number}.bin"), request.what.request.body.clone()))
}

async fn fixture(State(inspected): SharedState, Path(number): Path<u64>) -> Response {
    let found = inspected.history.kept().get(number);
    found.map_or_else(gone, |request| {
        if !request.what.has_body() {
            return failure(StatusCode::CONFLICT, "the whole body of this request is not known, so it cannot be saved");
        }
        file(&commands::fixture_name(number), request.what.whole().to_bytes().into())
    })
}

/// Returns bytes that a browser saves and never shows. We make the name.
fn file(name: &str, bytes: Bytes) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, disposition)], bytes).into_response()
}

fn gone() -> Response {
    failure(StatusCode::NOT_FOUND, "this request is no longer kept")
}

/// What an action may be told.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Order {
    endpoint: String,
    #[serde(rename = "type")]
    event_type: String,
    forgery: String,
    times: Option<u32>,
    away: bool,
    consent: bool,
}

/// Reads an order, and does what it says. The number is that of the request that it is about.
fn with_order(
    inspected: &Inspected,
    body: &Bytes,
    act: impl FnOnce(&Order) -> Result<(StatusCode, Value), actions::NotDone>,
) -> Response {
    let Ok(order) = serde_json::from_slice::<Order>(body) else {
        return failure(
            StatusCode::BAD_REQUEST,
            "the body must be a JSON object of at most 4 KiB, with values as the page sends them",
        );
    };
    if order.consent {
        actions::consent(inspected);
    }
    match act(&order) {
        Ok((status, value)) => (status, answer(&value)).into_response(),
        Err(not_done) => failure(not_done.status, &not_done.why),
    }
}

fn started(action: &str) -> (StatusCode, Value) {
    (StatusCode::ACCEPTED, json!({ "action": action }))
}

async fn send(State(inspected): SharedState, body: Bytes) -> Response {
    with_order(&inspected, &body, |order| {
        let provider = provider::by_name(&order.endpoint).ok_or_else(|| actions::NotDone::bad("there is no such endpoint"))?;
        actions::send(&inspected, provider, &order.event_type, order.times).map(|action| started(&action))
    })
}

async fn replay(State(inspected): SharedState, Path(number): Path<u64>, body: Bytes) -> Response {
    with_order(&inspected, &body, |order| {
        let request = inspected.history.kept().get(number).ok_or_else(actions::NotDone::gone)?;
        actions::replay(&inspected, &request, order.times).map(|action| started(&action))
    })
}

async fn forged(State(inspected): SharedState, Path(number): Path<u64>, body: Bytes) -> Response {
    with_order(&inspected, &body, |order| {
        let request = inspected.history.kept().get(number).ok_or_else(actions::NotDone::gone)?;
        actions::forge(&inspected, &request, &order.forgery).map(|action| started(&action))
    })
}

async fn kafka(State(inspected): SharedState, body: Bytes) -> Response {
    with_order(&inspected, &body, |order| {
        let away = actions::take_kafka_away(&inspected, order.away)?;
        Ok((StatusCode::OK, json!({ "away": away, "state": rows::kafka_state(&inspected) })))
    })
}

async fn clear(State(inspected): SharedState) -> Response {
    let cleared = inspected.history.kept().clear();
    answer(&json!({ "cleared": cleared }))
}
