//! One request: what came, the proof step by step, and what landed on Kafka.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{Inspected, actions, commands, proof, report, rows};
use crate::{
    command::{
        dev::seen::{Fate, KnownBody, SeenRequest, hidden, without},
        output::counted,
        tail::Printer,
    },
    config,
    http::{SHOWN_BYTES_MAX, refused_answer, stored_answer},
    kafka::read::StoredRecord,
    provider,
};

/// Returns everything that is known of a request.
pub(super) fn detail(inspected: &Inspected, request: &Arc<SeenRequest>) -> Value {
    let (what, row) = (&request.what, rows::row(request));
    let body = &what.request.body;
    let shown = &body[..body.len().min(SHOWN_BYTES_MAX)];
    let steps = proof::steps(inspected, request);
    let others = inspected.history.kept().after(0);
    let became = others.iter().filter(|it| actions::made_from(&it.what.action) == Some(request.number)).map(|it| it.number);
    // Headers are a part of the event, and strangers write anything into them.
    let secrets = inspected.hidden();
    let event = request.record.as_ref().map(|record| without(event_text(record), &secrets));
    let answer = answer(inspected, request);
    let verify = |program: &str, file: &str| commands::verify(inspected, request, (program, file));
    let report =
        report::markdown(request, &row, &steps, (&verify("hookgate", &format!("{}.md", request.number)), event.as_deref()));
    json!({
        "row": row,
        "request": {
            "method": what.request.method,
            "path": what.request.target,
            "version": format!("{:?}", what.request.version),
            "headers": what.request.header_texts(),
        },
        "body": {
            "bytes": what.body_bytes(),
            "kept": body.len(),
            "whole": what.known != KnownBody::Beginning,
            "base64": BASE64_STANDARD.encode(shown),
            "read_for_you_only": what.is_body_extra && what.known != KnownBody::Nothing,
        },
        "proof": steps.iter().map(proof::ProofStep::shown).collect::<Vec<_>>(),
        "event": event.map(|text| json!({ "text": text })),
        "kafka": request.record.as_ref().map(|record| kafka(inspected, request, (record, &secrets))),
        "times": times(request),
        "answer": answer,
        "made_from": actions::made_from(&what.action),
        "became": became.collect::<Vec<_>>(),
        "commands": {
            "curl": commands::curl(inspected, request),
            "verify": verify(&config::program(), &commands::fixture_name(request.number)),
            "send": commands::send(inspected, request),
            "report": report,
        },
    })
}

/// Returns a record as `hookgate tail` prints it.
fn event_text(record: &StoredRecord) -> String {
    let mut text = Vec::new();
    let _in_memory = Printer::plain().print(&mut text, record);
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

/// Returns where a record is, and what is in it beside the event, without these secrets.
fn kafka(inspected: &Inspected, request: &SeenRequest, (record, secrets): (&StoredRecord, &[String])) -> Value {
    let text = |value: &Option<Vec<u8>>| value.as_ref().map(|it| String::from_utf8_lossy(it).into_owned());
    let shown = |value| text(value).map(|value| hidden(value, secrets));
    let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name, shown(value))).collect();
    json!({
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": String::from_utf8_lossy(record.key_bytes()),
        "headers": headers,
        "value_bytes": record.value_bytes().len(),
        "ack_ms": request.what.sent.map(|sent| milliseconds(request.took.saturating_sub(sent))),
        "command": commands::tail(inspected, record),
    })
}

/// Returns how long the parts of a delivery's path took.
fn times(request: &SeenRequest) -> Option<Value> {
    let (read, sent) = (request.what.read?, request.what.sent?);
    Some(json!({
        "read_ms": milliseconds(read),
        "prepare_ms": milliseconds(sent.saturating_sub(read)),
        "kafka_ms": milliseconds(request.took.saturating_sub(sent)),
    }))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns the answer, and what the provider does next.
fn answer(inspected: &Inspected, request: &SeenRequest) -> Value {
    let response = match (&request.fate, request.error()) {
        (Fate::Stored { id, .. }, _) => Some(stored_answer(id)),
        (_, Some(error)) => Some(refused_answer(&error, &inspected.config.http)),
        _ => None,
    };
    let headers = response.as_ref().map(|it| it.headers().iter().collect::<Vec<_>>()).unwrap_or_default();
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
    json!({
        "status": request.status(),
        "headers": headers,
        "body": response.as_ref().map_or("", |it| it.body()),
        "next": next(request),
    })
}

/// Returns what the provider does after this answer.
fn next(request: &SeenRequest) -> String {
    let Some(provider) = provider::by_name(&request.endpoint) else {
        return "A provider takes this for a failure, and tries the same URL again until it gives up.".into();
    };
    let title = provider.title;
    if request.status() == 200 {
        return format!("{title} is done with this delivery.");
    }
    let attempts = provider.attempts.map_or_else(String::new, |number| format!(", {number} times in all"));
    let span = span(provider.gives_up_after);
    format!(
        "{title} takes this for a failure and tries again{attempts}, until about {span} after its first attempt. Then the delivery is lost."
    )
}

/// Returns a time in hours, or in minutes where it has fewer than two hours.
fn span(time: Duration) -> String {
    let minutes = (time.as_secs() + 30) / 60;
    if minutes >= 120 { counted(minutes / 60, "hour") } else { counted(minutes, "minute") }
}
