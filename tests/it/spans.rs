//! Spans: what is exported about a delivery, and what never is. `make otel` tests the same with a real collector.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::harness::Stored;
use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};

use crate::{
    binary::{Folder, Process},
    collector::{Collector, HANGS},
    harness::{Answer, Daemon, Setup, hmac_hex, keep_secret, leak, request, secret, signed, wait_until},
    lifecycle::{mock, serve_configuration},
    providers::names,
    request_table::header,
    tls,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const BODY: &[u8] = br#"{"hook":{"event":"file.uploaded"},"data":{"uuid":"the-subject"}}"#;

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    of.iter().map(|it| (it.key.clone(), text(it.value.as_ref().unwrap().value.as_ref().unwrap()))).collect()
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Sends a signed delivery with these headers beside the signature.
fn deliver(daemon: &Daemon, more: &[(&str, &str)]) -> Answer {
    let (path, headers) = signed("uploadcare", BODY);
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more.iter().copied()).collect();
    daemon.post(&path, &headers, BODY)
}

fn traced(collector: &Collector, keys: &str) -> Daemon {
    Daemon::with(Setup { tables: &collector.table(keys), ..Setup::default() })
}

fn the_record(daemon: &Daemon) -> Stored {
    let mut records = daemon.records_of(&["hookgate.uploadcare.file.uploaded"]);
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn a_delivery_has_two_spans_between_the_sender_and_the_record() {
    let collector = Collector::start();
    let daemon = traced(&collector, "service_name = \"hooks\"\nresource = [\"deployment.environment.name=test\"]\n");
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let answer = deliver(&daemon, &[("traceparent", &traceparent), ("tracestate", "rojo=1,congo=2")]);
    let id = answer.body.split('"').nth(3).unwrap().to_owned();
    let record = the_record(&daemon);
    daemon.stop();

    let (delivery, publish) = (collector.span(SpanKind::Server), collector.span(SpanKind::Producer));
    assert_eq!((hex::encode(&delivery.trace_id), hex::encode(&delivery.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!((&publish.trace_id, &publish.parent_span_id), (&delivery.trace_id, &delivery.span_id));
    assert_eq!(header(&record, "traceparent"), format!("00-{TRACE}-{}-01", hex::encode(&publish.span_id)));
    assert_eq!((header(&record, "tracestate"), &*publish.trace_state), ("rojo=1,congo=2", "rojo=1,congo=2"));
    assert!(delivery.start_time_unix_nano <= publish.start_time_unix_nano);
    assert!(publish.end_time_unix_nano <= delivery.end_time_unix_nano);

    // The list is complete, so that nobody adds an attribute without a look at what it exports.
    assert_eq!(delivery.name, "POST /webhooks/{endpoint}");
    let of_delivery = [
        ("hookgate.endpoint", "uploadcare"),
        ("hookgate.outcome", "published"),
        ("hookgate.provider", "uploadcare"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("http.route", "/webhooks/{endpoint}"),
        ("url.scheme", "http"),
    ];
    assert_eq!(attributes(&delivery.attributes), expected(&of_delivery));
    assert_eq!(publish.name, "send hookgate.uploadcare.file.uploaded");
    let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
    let mut of_publish = attributes(&publish.attributes);
    assert!(of_publish.remove("messaging.message.body.size").unwrap().parse::<usize>().unwrap() > BODY.len());
    let of_record = [
        ("messaging.destination.name", "hookgate.uploadcare.file.uploaded"),
        ("messaging.destination.partition.id", &partition),
        ("messaging.kafka.offset", &offset),
        ("messaging.message.id", &id),
        ("messaging.operation.name", "send"),
        ("messaging.operation.type", "send"),
        ("messaging.system", "kafka"),
    ];
    assert_eq!(of_publish, expected(&of_record));
    for span in [&delivery, &publish] {
        assert_eq!(span.status.as_ref().unwrap().code(), StatusCode::Unset);
        assert!(span.events.is_empty() && span.links.is_empty());
    }
    let export = &collector.exports()[0];
    assert!(export.head.starts_with("post /v1/traces http/1.1") && export.head.contains("content-type: application/x-protobuf"));
    let resource = attributes(&export.request.resource_spans[0].resource.as_ref().unwrap().attributes);
    let about =
        [("deployment.environment.name", "test"), ("service.name", "hooks"), ("service.version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(resource, expected(&about));
}

/// The sender's trace decides whether a delivery is traced. Without one the configured share decides. The record says the same.
#[test]
fn the_trace_of_the_sender_decides_or_else_the_sample() {
    let check = |sample: u32, flags: Option<&str>, traced_here: bool| {
        let collector = Collector::start();
        let daemon = traced(&collector, &format!("sample = {sample}\n"));
        let sent = flags.map(|flags| format!("00-{TRACE}-{PARENT}-{flags}"));
        let headers: Vec<_> = sent.iter().map(|text| ("traceparent", text.as_str())).collect();
        assert_eq!(deliver(&daemon, &headers).status, 200);
        let record = the_record(&daemon);
        daemon.stop();
        let case = format!("sample {sample}, {flags:?}");
        assert_eq!(collector.spans().len(), if traced_here { 2 } else { 0 }, "{case}");
        let stored: Vec<&str> = header(&record, "traceparent").split('-').collect();
        assert_eq!(stored[1] == TRACE, flags.is_some(), "{case}: {stored:?}");
        assert_ne!(stored[2], PARENT, "{case}");
        assert_eq!(stored[3], if traced_here { "01" } else { "00" }, "{case}");
    };
    check(1, None, true);
    check(1, Some("01"), true);
    check(1, Some("00"), false);
    check(0, None, false);
    check(0, Some("01"), true);
    check(0, Some("00"), false);
}

#[test]
fn without_tracing_the_trace_of_the_sender_is_stored_as_it_came() {
    let check = |parent: &str, state: &str, kept: (&str, &str)| {
        let daemon = Daemon::start();
        assert_eq!(deliver(&daemon, &[("traceparent", parent), ("tracestate", state)]).status, 200);
        let record = the_record(&daemon);
        let stored = |name: &str| {
            let found = record.headers.iter().find(|(it, _)| it == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        assert_eq!((&*stored("traceparent"), &*stored("tracestate")), kept, "{parent} {state}");
        assert!(daemon.metric("hookgate_spans_total{result=\"exported\"}").is_some_and(|spans| spans < 0.5));
    };
    let parent = format!("00-{TRACE}-{PARENT}-01");
    check(&parent, "rojo=1", (&parent, "rojo=1"));
    check(&parent, "no state", (&parent, ""));
    check("no parent", "rojo=1", ("", ""));
}

/// A stranger can send any `traceparent`, so a request without a proof has no span.
#[test]
fn a_request_without_proof_is_not_traced() {
    let collector = Collector::start();
    let daemon = traced(&collector, "");
    let parent = format!("00-{TRACE}-{PARENT}-01");
    for (method, path, headers) in [
        (
            "POST",
            "/webhooks/uploadcare",
            vec![("x-uc-signature", "v1=0000000000000000000000000000000000000000000000000000000000000000")],
        ),
        ("POST", "/webhooks/uploadcare", vec![]),
        ("POST", "/webhooks/filespin?token=wrong-token", vec![]),
        ("GET", "/webhooks/uploadcare", vec![]),
        ("POST", "/webhooks/nobody", vec![]),
    ] {
        let mut headers = headers;
        headers.push(("traceparent", &parent));
        assert!((400..500).contains(&request(daemon.webhooks, method, path, &headers, BODY).status), "{path}");
    }
    daemon.stop();
    assert_eq!(collector.spans(), Vec::<Span>::new());
}

#[test]
fn a_record_that_kafka_refuses_is_an_error() {
    let collector = Collector::start();
    let mock = Arc::new(hookgate::kafka::mock::Mock::start(&["another".to_owned()]).unwrap());
    let daemon = Daemon::with(Setup { tables: &collector.table(""), mock: Some(mock), wait: false, ..Setup::default() });
    daemon.wait_until("ready", |it| it.unready().is_none() && !it.missing_topics().is_empty());
    let answer = deliver(&daemon, &[]);
    // It depends on the broker whether the delivery fails or times out.
    assert!(answer.status == 503 && answer.label().starts_with("publish_"), "{answer:?}");
    daemon.stop();
    for kind in [SpanKind::Server, SpanKind::Producer] {
        let span = collector.span(kind);
        assert_eq!(span.status.as_ref().unwrap().code(), StatusCode::Error, "{kind:?}");
        assert_eq!(attributes(&span.attributes)["error.type"], answer.label(), "{kind:?}");
    }
}

/// A delivery without a schema id is proven, so it has a span. It is not sent to Kafka, so it has only one.
#[test]
fn a_delivery_without_a_schema_id_is_an_error() {
    let collector = Collector::start();
    let tables = format!("{}\n[schema_registry]\nurls = [\"http://127.0.0.1:1\"]\n", collector.table(""));
    let daemon = Daemon::with(Setup { tables: &tables, wait: false, ..Setup::default() });
    let answer = deliver(&daemon, &[]);
    assert_eq!((answer.status, &*answer.label()), (503, "publish_failed"));
    daemon.stop();
    assert_eq!(attributes(&collector.span(SpanKind::Server).attributes)["error.type"], "publish_failed");
    assert_eq!(collector.spans().len(), 1);
}

#[test]
fn no_secret_token_signature_or_body_is_exported() {
    let collector = Collector::start();
    let daemon = traced(&collector, "");
    let body = br#"{"id":"the-payload","scan_id":"the-payload","hook":{"event":"the-payload"},"type":"the-payload"}"#;
    let mut hidden = vec!["the-payload".to_owned(), "token=".into(), hex::encode(body)];
    for endpoint in names() {
        let (path, headers) = signed(endpoint, body);
        hidden.extend(headers.iter().map(|(_, value)| value.rsplit('=').next().unwrap().to_owned()).filter(|it| it.len() > 32));
        let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.extend([("user-agent", "the-payload"), ("content-type", "the-payload"), ("baggage", "a=the-payload")]);
        assert_eq!(daemon.post(&path, &headers, body).status, 200, "{endpoint}");
    }
    let in_path = format!("/webhooks/filesafety/{}", secret("FILESAFETY"));
    assert_eq!(daemon.post(&in_path, &[], body).status, 200);
    daemon.stop();
    // Each delivery has two spans.
    assert_eq!(collector.spans().len(), 2 * (names().count() + 1));
    for export in collector.exports() {
        let exported = format!("{:?}", export.request);
        for it in &hidden {
            assert!(!exported.contains(it.as_str()), "{it}: {exported}");
        }
        assert_eq!(leak(&exported), None);
    }
}

/// The exporter sends its credentials in a header. They come from a file, which it reads again.
#[test]
fn headers_come_from_files_and_variables() {
    let (collector, folder) = (Collector::start(), Folder::new());
    for token in ["Bearer first-of-the-exporter", "Bearer second-of-the-exporter"] {
        keep_secret(token);
    }
    let file = folder.write("token", "Bearer first-of-the-exporter\n");
    let daemon = traced(&collector, &format!("headers = [\"Authorization=file:{file}\", \"x-scope=env:UPLOADCARE\"]\n"));
    assert_eq!(deliver(&daemon, &[]).status, 200);
    wait_until("exported", || daemon.metric("hookgate_spans_total{result=\"exported\"}") > Some(1.5));
    folder.replace("token", "Bearer second-of-the-exporter\n");
    assert_eq!(deliver(&daemon, &[]).status, 200);
    let shown = daemon.admin("/configz").body;
    assert!(shown.contains(&format!("authorization=file:{file}")), "{shown}");
    daemon.stop();
    let heads: Vec<String> = collector.exports().into_iter().map(|export| export.head).collect();
    assert!(heads[0].contains("authorization: bearer first-of-the-exporter\r\n"));
    assert!(heads[0].contains(&format!("x-scope: {}\r\n", secret("UPLOADCARE").to_lowercase())));
    assert!(heads.last().unwrap().contains("authorization: bearer second-of-the-exporter\r\n"));
}

/// Only a collector whose certificate is signed by a configured authority gets the headers. The file of authorities is read again.
#[test]
fn only_a_collector_with_a_trusted_certificate_gets_spans() {
    let (folder, pair) = (Folder::new(), tls::pair());
    let collector = Collector::encrypted(&pair);
    let file = folder.write("ca.pem", tls::pair().certificate);
    let daemon = traced(&collector, &format!("ca_file = '{file}'\nheaders = [\"x-scope=env:UPLOADCARE\"]\n"));
    let export = |result: &str| {
        assert_eq!(deliver(&daemon, &[]).status, 200);
        wait_until(result, || daemon.metric(&format!("hookgate_spans_total{{result=\"{result}\"}}")) > Some(1.5));
    };
    export("failed");
    assert!(collector.exports().is_empty(), "another authority's certificate");
    folder.replace("ca.pem", &pair.certificate);
    export("exported");
    assert!(collector.exports()[0].head.contains(&format!("x-scope: {}\r\n", secret("UPLOADCARE").to_lowercase())));
    daemon.stop();
    // Without `ca_file` only the built-in authorities count.
    let daemon = traced(&collector, "");
    let before = collector.spans().len();
    assert_eq!(deliver(&daemon, &[]).status, 200);
    wait_until("failed", || daemon.metric("hookgate_spans_total{result=\"failed\"}") > Some(1.5));
    assert_eq!(collector.spans().len(), before);
}

#[test]
fn a_collector_that_hangs_delays_nothing() {
    let collector = Collector::start();
    collector.answers(HANGS);
    let daemon = traced(&collector, "timeout = \"60s\"\n[shutdown]\nflush = \"300ms\"\n");
    assert_eq!(deliver(&daemon, &[]).status, 200);
    wait_until("the exporter waits", || !collector.exports().is_empty());
    for _ in 0..20 {
        assert_eq!(deliver(&daemon, &[]).status, 200);
    }
    assert_eq!(collector.exports().len(), 1, "meanwhile nothing else is exported");
    let begin = Instant::now();
    let ending = daemon.stop();
    assert_eq!((ending.cut_off, ending.unflushed), (0, 0));
    assert!(begin.elapsed() < Duration::from_secs(30), "the flush has 300 ms, and the export 60 s: {:?}", begin.elapsed());
}

/// An outage of the collector leads to two lines in the log, and every span is counted.
#[test]
fn an_outage_of_the_collector_is_logged_once() {
    let (collector, folder, mock) = (Collector::start(), Folder::new(), mock());
    collector.answers(503);
    let tables = format!("[shutdown]\npre_stop = \"0s\"\n{}", collector.table("headers = [\"x-key=env:FRAMEIO\"]\n"));
    folder.write("hookgate.toml", serve_configuration(mock.brokers(), &tables));
    let process = Process::spawn(&folder, &["serve"]);
    let (webhooks, admin) = process.addresses();
    wait_until("ready", || request(admin, "GET", "/readyz", &[], b"").status == 200);
    let signature = format!("v1={}", hmac_hex(secret("UPLOADCARE"), &[BODY]));
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let count = |result: &str| {
        let metrics = request(admin, "GET", "/metrics", &[], b"").body;
        let series = format!("hookgate_spans_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u32>().ok()).unwrap()
    };
    let traced = |spans: u32, result: &str| {
        let headers = [("x-uc-signature", signature.as_str()), ("traceparent", &parent)];
        assert_eq!(request(webhooks, "POST", "/webhooks/uploadcare", &headers, BODY).status, 200);
        wait_until(result, || count(result) == spans);
    };
    traced(2, "failed");
    traced(4, "failed");
    collector.answers(200);
    traced(2, "exported");
    process.signal("TERM");
    let log = process.finish().err;
    for text in ["spans cannot be exported", "the collector answered 503", "spans are exported again"] {
        assert_eq!(log.matches(text).count(), 1, "{text}: {log}");
    }
    assert!(
        log.lines().any(|line| line.contains("stored a delivery") && line.contains(&format!("\"trace_id\":\"{TRACE}\""))),
        "{log}"
    );
}
