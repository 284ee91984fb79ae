//! What the page can do: send, replay and forge deliveries of this session, and take the embedded Kafka away. Every request goes to the session's own
//! webhook port, and nowhere else.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
};

use axum::http::StatusCode;

use super::{Inspected, commands::had_right_token, forge};
use crate::{
    command::{
        dev::seen::{ACTION_HEADER, SeenRequest},
        send::{self, Request, is_sent_again},
    },
    http::SAMPLE_HEADER,
    provider::{CredentialSource, Provider, by_name},
};

/// How often one action may send its request.
pub(super) const REPEATS_MAX: u32 = 50;
/// How many actions may run at once.
pub(super) const RUNNING_MAX: usize = 8;
/// The number of the embedded broker.
const BROKER: i32 = 1;

/// Why an action was not done.
#[derive(Debug)]
pub(super) struct NotDone {
    pub(super) status: StatusCode,
    pub(super) why: String,
}

impl NotDone {
    pub(super) fn bad(why: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, why: why.to_owned() }
    }

    pub(super) fn gone() -> Self {
        Self { status: StatusCode::NOT_FOUND, why: "this request is no longer kept".into() }
    }

    fn conflict(why: &str) -> Self {
        Self { status: StatusCode::CONFLICT, why: why.to_owned() }
    }
}

/// Returns the number of the request that an action was made from.
pub(super) fn made_from(action: &str) -> Option<u64> {
    let (_, after) = action.split_once("-of-")?;
    after.split('-').next()?.parse().ok()
}

/// Returns whether a person must agree before something is written to Kafka.
pub(super) fn needs_consent(inspected: &Inspected) -> bool {
    !inspected.may_send.load(Ordering::Relaxed)
}

/// Notes that a person agrees.
pub(super) fn consent(inspected: &Inspected) {
    inspected.may_send.store(true, Ordering::Relaxed);
}

/// Sends a sample of a type. Returns the name of the action.
pub(super) fn send(
    inspected: &Inspected,
    provider: &'static Provider,
    event_type: &str,
    times: Option<u32>,
) -> Result<String, NotDone> {
    let body = send::sample(provider, event_type).map_err(|why| NotDone::bad(&why))?;
    let request = signed(inspected, provider, body)?;
    start(inspected, request, times, |number| format!("send-{number}"))
}

/// Sends the headers and the body of a request again. A token in its URL was not kept, so that of the session takes its place.
pub(super) fn replay(inspected: &Inspected, request: &Arc<SeenRequest>, times: Option<u32>) -> Result<String, NotDone> {
    let provider = replayable(request)?;
    let what = &request.what.request;
    if what.method != "POST" {
        return Err(NotDone::conflict("only a POST is sent again"));
    }
    if provider.credential == CredentialSource::UrlToken && !had_right_token(request) {
        let why = "the token or the signature in the URL of this request was not kept, so it cannot be sent again as it was; send a sample, or \
                   forge one";
        return Err(NotDone::conflict(why));
    }
    let mut headers = what.header_texts();
    // Where only a sign of a value was kept, nothing is sent.
    headers.retain(|(name, value)| is_sent_again(name, value.as_bytes()));
    let again = match provider.credential {
        CredentialSource::UrlToken => Request { headers, ..signed(inspected, provider, what.body.to_vec())? },
        CredentialSource::Hmac(_) => Request::of(&url(inspected, provider), headers, what.body.to_vec()),
    };
    let from = request.number;
    start(inspected, again, times, |number| format!("replay-{number}-of-{from}"))
}

/// Sends a request again with something wrong.
pub(super) fn forge(inspected: &Inspected, request: &Arc<SeenRequest>, name: &str) -> Result<String, NotDone> {
    let provider = replayable(request)?;
    let forgery = forge::by_name(name).ok_or_else(|| NotDone::bad("there is no such forgery"))?;
    if !forgery.suits(provider) {
        return Err(NotDone::conflict("this provider's proof has nothing of the kind"));
    }
    let secret = secret(inspected, provider)?;
    let body = &request.what.request.body;
    let forged =
        forge::make(forgery, provider, &url(inspected, provider), secret, body).map_err(|why| NotDone::conflict(&why))?;
    let from = request.number;
    start(inspected, forged, None, |number| format!("forge-{number}-of-{from}-{name}"))
}

/// Returns the provider of a request that can be sent again.
fn replayable(request: &SeenRequest) -> Result<&'static Provider, NotDone> {
    if !request.what.has_body() {
        return Err(NotDone::conflict("the body of this request is not known, so it cannot be sent again"));
    }
    by_name(&request.endpoint)
        .ok_or_else(|| NotDone::conflict("this request was for no endpoint, so there is nowhere to send it"))
}

fn url(inspected: &Inspected, provider: &Provider) -> String {
    format!("http://{}/webhooks/{}", inspected.webhooks, provider.name)
}

fn secret<'a>(inspected: &'a Inspected, provider: &Provider) -> Result<&'a str, NotDone> {
    inspected.secret(provider.name).map(|it| it.text.as_str()).ok_or_else(|| NotDone::bad("there is no such endpoint"))
}

fn signed(inspected: &Inspected, provider: &'static Provider, body: Vec<u8>) -> Result<Request, NotDone> {
    let secret = secret(inspected, provider)?;
    Request::signed(provider, &url(inspected, provider), secret, body).map_err(|why| NotDone::bad(&why))
}

/// Sends a request so many times, on a thread of its own. Returns the name of the action, which its requests carry.
fn start(
    inspected: &Inspected,
    request: Request,
    times: Option<u32>,
    name: impl FnOnce(u64) -> String,
) -> Result<String, NotDone> {
    let times = times.unwrap_or(1);
    if !(1..=REPEATS_MAX).contains(&times) {
        return Err(NotDone::bad(&format!("a request is sent 1 to {REPEATS_MAX} times")));
    }
    if needs_consent(inspected) {
        return Err(NotDone::conflict("this would write to your own Kafka: agree first"));
    }
    let Ok(permit) = Arc::clone(&inspected.permits).try_acquire_owned() else {
        return Err(NotDone { status: StatusCode::TOO_MANY_REQUESTS, why: "wait until earlier ones have their answers".into() });
    };
    let action = name(inspected.actions.fetch_add(1, Ordering::Relaxed) + 1);
    let request = request.with_header(SAMPLE_HEADER, &inspected.key).with_header(ACTION_HEADER, &action);
    let send = move || {
        for _ in 0..times {
            // The answer is seen where every request is seen.
            let _seen = request.send(send::TIMEOUT_SECONDS, None);
        }
        drop(permit);
    };
    let started = thread::Builder::new().name("action".into()).spawn(send);
    started.map_err(|error| NotDone { status: StatusCode::SERVICE_UNAVAILABLE, why: error.to_string() })?;
    Ok(action)
}

/// Takes the embedded Kafka away, or brings it back. Returns whether it is away.
pub(super) fn take_kafka_away(inspected: &Inspected, away: bool) -> Result<bool, NotDone> {
    let mock = inspected.mock.as_ref().ok_or_else(|| NotDone::conflict("only the embedded Kafka can be taken away"))?;
    if inspected.is_away.swap(away, Ordering::Relaxed) != away {
        let done = mock.run(move |cluster| if away { cluster.broker_down(BROKER) } else { cluster.broker_up(BROKER) });
        if !matches!(done, Some(Ok(()))) {
            inspected.is_away.store(!away, Ordering::Relaxed);
            return Err(NotDone { status: StatusCode::SERVICE_UNAVAILABLE, why: "the embedded Kafka does not answer".into() });
        }
    }
    Ok(is_away(inspected))
}

/// Returns whether the embedded Kafka is away.
pub(super) fn is_away(inspected: &Inspected) -> bool {
    inspected.is_away.load(Ordering::Relaxed)
}
