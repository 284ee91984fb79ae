//! Who may talk to the page's port. Every page that a browser of this machine shows can send requests to it, and a tunnel that leads to it by mistake
//! lets everybody in. The rules stand before the routes and look at no path.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::command::session_file::KEY_HEADER;

/// Headers of proxies and tunnels.
const FORWARDED: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
    "cf-connecting-ip",
    "cf-ray",
    "via",
];

/// What the guard knows.
pub(super) struct Guard {
    /// The names of the port.
    hosts: [String; 3],
    webhooks: SocketAddr,
    key: String,
    policy: HeaderValue,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, webhooks: SocketAddr, key: &str, policy: HeaderValue) -> Self {
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{}", address.port()));
        Self { hosts, webhooks, key: key.to_owned(), policy }
    }

    /// Returns why a request is refused.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, String)> {
        let headers = request.headers();
        let is_ours = request.uri().authority().is_none() && one(headers, &HOST).is_some_and(|host| self.is_host(host));
        if !is_ours {
            return Some((StatusCode::MISDIRECTED_REQUEST, "this port is for a browser of this machine".into()));
        }
        if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
            let why = format!("a tunnel or a proxy leads to the port of the page; let it lead to {} instead", self.webhooks);
            return Some((StatusCode::FORBIDDEN, why));
        }
        if *request.method() != Method::GET && *request.method() != Method::POST {
            return Some((StatusCode::METHOD_NOT_ALLOWED, "the page uses GET and POST".into()));
        }
        if !self.is_same_site(request) {
            return Some((StatusCode::FORBIDDEN, "another page may not talk to this one".into()));
        }
        let is_json = one(headers, &CONTENT_TYPE) == Some("application/json");
        if *request.method() == Method::POST && !is_json {
            return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json".into()));
        }
        None
    }

    fn is_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|ours| ours == host)
    }

    /// Returns whether a request comes from this page itself, from the address bar, or from no browser at all.
    fn is_same_site(&self, request: &Request) -> bool {
        let headers = request.headers();
        let is_from_bar = *request.method() == Method::GET;
        let site = match all(headers, "sec-fetch-site").as_slice() {
            [] => true,
            [site] => *site == "same-origin" || *site == "none" && is_from_bar,
            _ => false,
        };
        let is_own = |origin: &str| origin.strip_prefix("http://").is_some_and(|host| self.is_host(host));
        let origin = match all(headers, ORIGIN.as_str()).as_slice() {
            [] => true,
            [origin] => is_own(origin),
            _ => false,
        };
        site && origin
    }

    fn has_key(&self, headers: &HeaderMap) -> bool {
        one(headers, &HeaderName::from_static(KEY_HEADER)).is_some_and(|key| key.as_bytes().ct_eq(self.key.as_bytes()).into())
    }
}

/// Lets a request pass that keeps the rules, and gives each answer the headers of the page.
pub(super) async fn all_requests(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(&request) {
        Some((status, why)) => failure(status, &why),
        None => next.run(request).await,
    };
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        (CONTENT_SECURITY_POLICY, guard.policy.clone()),
    ];
    response.headers_mut().extend(fixed);
    response
}

/// Lets a request pass that has the key of the session.
pub(super) async fn with_key(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if guard.has_key(request.headers()) {
        next.run(request).await
    } else {
        failure(
            StatusCode::FORBIDDEN,
            "this session has ended, or the link was not complete: open the link that hookgate dev prints",
        )
    }
}

/// Returns an answer that says why something was not done.
pub(super) fn failure(status: StatusCode, why: &str) -> Response {
    (status, answer(&json!({ "error": why }))).into_response()
}

/// Returns an answer of JSON.
pub(super) fn answer(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect()
}

/// Returns the value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}
