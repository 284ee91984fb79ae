//! `Record`: an event as it is stored on a topic. Everything here is pure: no clock, no I/O, no Kafka.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;
use prost::Message as _;
use prost_types::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{
    delivery::{Delivery, Recovered},
    event::{Event, EventKind, Fault, SUBJECT_BYTES_MAX, milliseconds, timestamp},
    proto::{self, Origin},
    provider::Provider,
    signature::Verified,
};

/// The `ce_dataschema` of every record: the message that the value holds.
pub const DATA_SCHEMA: &str = "urn:hookgate:schema:hookgate.v1.Event";

/// The header that names the run of a command.
pub const RUN_HEADER: &str = "hookgate-run";

/// A record header, as the documents for consumers describe it.
#[derive(Debug)]
pub struct Header {
    /// The name of the header.
    pub name: &'static str,
    /// Whether every record has the header.
    pub always: bool,
    /// What the header's value says. The value is UTF-8.
    pub meaning: &'static str,
}

/// Every header that a record may have, in order.
pub static HEADERS: &[Header] = &[
    Header { name: "ce_specversion", always: true, meaning: "The version of CloudEvents." },
    Header { name: "ce_id", always: true, meaning: "The id of the delivery: `Event.id`." },
    Header { name: "ce_source", always: true, meaning: "`/hookgate/` and the endpoint that the delivery came in on." },
    Header { name: "ce_type", always: true, meaning: "The kind of the event, which decides its topic." },
    Header { name: "ce_subject", always: true, meaning: "What the event is about: `Event.subject`, and the record key." },
    Header { name: "ce_time", always: false, meaning: "The provider's time: `Event.occurred_at`; absent where it sends none." },
    Header { name: "ce_dataschema", always: true, meaning: "The message that the value holds." },
    Header { name: "content-type", always: true, meaning: "How the value is encoded." },
    Header {
        name: "traceparent",
        always: false,
        meaning: "W3C trace context: the sender's, or that of the span that published the record; absent where there is neither.",
    },
    Header { name: "tracestate", always: false, meaning: "What the sender's tracing systems put beside its `traceparent`." },
    Header {
        name: RUN_HEADER,
        always: false,
        meaning: "The run of a command that published the record; absent where the daemon did.",
    },
    Header { name: "hookgate-verdict", always: false, meaning: "The verdict of a scan, to filter without decoding." },
    Header { name: "hookgate-reason", always: false, meaning: "Why the delivery is in quarantine." },
    Header { name: "hookgate-detail", always: false, meaning: "Where in the body the fault is, and what was expected there." },
];

/// The most bytes of a record beside its value: headers, key and Kafka's own framing, rounded up. The headers' names and fixed values are
/// about 250 bytes, endpoint and type are bounded, and a subject appears in the key and in one header.
const OVERHEAD_BYTES_MAX: usize = 4 * 1024;

/// One Kafka record, ready to be published.
#[derive(Debug)]
pub struct Record {
    /// The id of the event.
    pub id: String,
    /// The kind of the event.
    pub kind: EventKind,
    /// The topic that the record goes to.
    pub topic: Arc<str>,
    /// The record key: the subject, or the id where there is none.
    pub key: String,
    /// The record headers in order: CloudEvents 1.0, binary mode, and Hookgate's own.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The serialized `hookgate.v1.Event`. With a schema registry, the frame with the schema id of the topic comes before it.
    pub value: Vec<u8>,
    /// The record timestamp in milliseconds since the epoch: when the delivery was received.
    pub timestamp_ms: i64,
    /// Whether the typed payload was left out because body and payload together would not fit.
    pub payload_omitted: bool,
}

/// The topic of every kind that the configured providers can produce.
#[derive(Clone, Debug, Default)]
pub struct TopicTable {
    /// The topics of all endpoints that have none of their own.
    shared: HashMap<EventKind, Arc<str>>,
    /// The topics of the endpoints that have their own, by the endpoint's name.
    own: HashMap<Arc<str>, HashMap<EventKind, Arc<str>>>,
}

impl TopicTable {
    /// Returns the table for every kind of these providers and for quarantine; `name` returns the topic of a kind.
    pub fn new(providers: impl IntoIterator<Item = &'static Provider>, name: impl Fn(EventKind) -> String) -> Self {
        Self { shared: topics_of(providers, name), own: HashMap::new() }
    }

    /// Gives an endpoint topics of its own.
    pub fn give(&mut self, endpoint: &Arc<str>, provider: &'static Provider, name: impl Fn(EventKind) -> String) {
        self.own.insert(Arc::clone(endpoint), topics_of([provider], name));
    }

    /// Returns the topic of a kind that came in on an endpoint. Every provider of an endpoint is in the table. Any other kind would go to
    /// quarantine, which is always in the table.
    pub fn topic(&self, endpoint: &str, kind: EventKind) -> Arc<str> {
        let topics = self.own.get(endpoint).unwrap_or(&self.shared);
        let topic = topics.get(&kind).or_else(|| topics.get(&EventKind::Quarantine));
        topic.map_or_else(|| Arc::from(""), Arc::clone)
    }

    /// Returns every topic once, in order, with the kinds that go there.
    pub fn by_topic(&self) -> BTreeMap<Arc<str>, Vec<EventKind>> {
        let mut topics = BTreeMap::<Arc<str>, Vec<EventKind>>::new();
        for (kind, topic) in self.own.values().chain([&self.shared]).flatten() {
            topics.entry(Arc::clone(topic)).or_default().push(*kind);
        }
        for kinds in topics.values_mut() {
            kinds.sort();
            kinds.dedup();
        }
        topics
    }
}

fn topics_of(
    providers: impl IntoIterator<Item = &'static Provider>,
    name: impl Fn(EventKind) -> String,
) -> HashMap<EventKind, Arc<str>> {
    let kinds = providers.into_iter().flat_map(Provider::kinds).chain([EventKind::Quarantine]);
    kinds.map(|kind| (kind, name(kind).into())).collect()
}

/// The bytes before each value of a topic, in Confluent's wire format: a zero, the schema id, and the path of the message within its file,
/// which is a single zero for the first message.
type Frame = [u8; 6];

/// The frame of each topic. By default there is none: values are plain protobuf. Ids become known while the daemon runs, and then never
/// change. Clones share the ids.
#[derive(Clone, Debug, Default)]
pub struct Framing(Option<Arc<HashMap<Arc<str>, OnceLock<Frame>>>>);

impl Framing {
    /// Returns the framing for these topics, whose ids are not known yet.
    pub fn awaiting(topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self(Some(Arc::new(topics.into_iter().map(|topic| (topic, OnceLock::new())).collect())))
    }

    /// Sets the id of a topic's schema. Later calls for the topic change nothing.
    pub fn know(&self, topic: &str, id: u32) {
        if let Some(frame) = self.0.as_ref().and_then(|frames| frames.get(topic)) {
            frame.get_or_init(|| frame_of(id));
        }
    }

    /// Returns the bytes before each value of a topic: an empty slice by default, `None` while the id is not known.
    pub fn prefix(&self, topic: &str) -> Option<&[u8]> {
        match &self.0 {
            None => Some(&[]),
            Some(frames) => frames.get(topic)?.get().map(<[u8; 6]>::as_slice),
        }
    }

    /// Returns the topics whose ids are not known yet, in order.
    pub fn missing(&self) -> Vec<Arc<str>> {
        let frames = self.0.iter().flat_map(|frames| frames.iter());
        let mut missing: Vec<_> = frames.filter(|(_, id)| id.get().is_none()).map(|(topic, _)| Arc::clone(topic)).collect();
        missing.sort();
        missing
    }
}

fn frame_of(id: u32) -> Frame {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d, 0]
}

/// Everything that decides how events are encoded, beside the event itself.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// The topic of each kind.
    pub topics: TopicTable,
    /// The bytes before each value.
    pub framing: Framing,
    /// The largest record that the topics accept, in bytes.
    pub record_bytes_max: usize,
    /// The `origin` of every event: how it came to be published.
    pub origin: Origin,
}

/// Turns an event into the record to publish.
pub fn encode(verified: Verified, provider: &'static Provider, event: Event, encoding: &Encoding) -> Record {
    let id = delivery_id(&verified.delivery().endpoint, verified.timestamp_text(), &verified.delivery().body);
    let (delivery, proof) = verified.into_parts();
    let Delivery { endpoint, content_type, body, received_at, .. } = delivery;
    let reference = proof.reference.clone();
    record(id, Carrier { endpoint, received_at, proof: Some(proof), reference, content_type, body }, provider, event, encoding)
}

/// Turns an event that a provider's API knows of into the record to publish. Its id depends on what has happened and not on the bytes of
/// the answer, so that a second look makes the same id.
pub fn encode_recovered(found: Recovered, provider: &'static Provider, event: Event, encoding: &Encoding) -> Record {
    let Recovered { endpoint, body, received_at, twin, reference } = found;
    let subject = event.subject.as_deref().unwrap_or_default();
    let id = recovered_id(&endpoint, &event.event_type, subject, event.occurred_at, twin);
    let carrier = Carrier { endpoint, received_at, proof: None, reference, content_type: "application/json".into(), body };
    record(id, carrier, provider, event, encoding)
}

/// What an event came with.
struct Carrier {
    endpoint: Arc<str>,
    received_at: SystemTime,
    proof: Option<proto::Proof>,
    /// The caller's reference; empty where there is none.
    reference: String,
    content_type: String,
    body: Bytes,
}

/// Returns the record of an event.
fn record(id: String, carrier: Carrier, provider: &'static Provider, event: Event, encoding: &Encoding) -> Record {
    let Carrier { endpoint, received_at, proof, reference, content_type, body } = carrier;
    let key = event.subject.unwrap_or_else(|| id.clone());
    let mut message = proto::Event {
        id: id.clone(),
        provider: provider.name.into(),
        endpoint: endpoint.to_string(),
        r#type: bounded(event.event_type),
        subject: key.clone(),
        received_at: Some(timestamp(received_at)),
        occurred_at: event.occurred_at,
        origin: encoding.origin.into(),
        proof,
        body,
        content_type,
        type_inferred: event.type_inferred,
        payload_omitted: false,
        text_repaired: event.text_repaired,
        reference,
        payload: event.payload,
    };
    let topic = encoding.topics.topic(&message.endpoint, event.kind);
    let prefix = encoding.framing.prefix(&topic).unwrap_or_default();
    let mut value = framed(prefix, &message);
    if message.payload.is_some() && value.len() + OVERHEAD_BYTES_MAX > encoding.record_bytes_max {
        message.payload = None;
        message.payload_omitted = true;
        value = framed(prefix, &message);
    }
    Record {
        topic,
        kind: event.kind,
        payload_omitted: message.payload_omitted,
        headers: headers(message, event.kind, event.verdict, event.fault),
        timestamp_ms: milliseconds(received_at),
        value,
        id,
        key,
    }
}

fn framed(prefix: &[u8], message: &proto::Event) -> Vec<u8> {
    let mut value = Vec::with_capacity(prefix.len() + message.encoded_len());
    value.extend_from_slice(prefix);
    message.encode_raw(&mut value);
    value
}

/// Returns the headers of a record. They take the texts of the message, which has been encoded by now.
fn headers(
    message: proto::Event,
    kind: EventKind,
    verdict: Option<String>,
    fault: Option<Fault>,
) -> Vec<(&'static str, Cow<'static, str>)> {
    let mut headers = Vec::<(_, Cow<'static, str>)>::with_capacity(11);
    headers.push(("ce_specversion", "1.0".into()));
    headers.push(("ce_id", message.id.into()));
    headers.push(("ce_source", format!("/hookgate/{}", message.endpoint).into()));
    // The type of a custom action is `hookgate.frameio.action`, whatever its author called it.
    headers.push(("ce_type", format!("hookgate.{}", kind.name()).into()));
    headers.push(("ce_subject", message.subject.into()));
    if let Some(time) = message.occurred_at {
        headers.push(("ce_time", time.to_string().into()));
    }
    headers.push(("ce_dataschema", DATA_SCHEMA.into()));
    headers.push(("content-type", "application/protobuf".into()));
    if let Some(verdict) = verdict {
        headers.push(("hookgate-verdict", verdict.into()));
    }
    if let Some(fault) = fault {
        headers.push(("hookgate-reason", fault.reason.label().into()));
        headers.push(("hookgate-detail", fault.detail.into()));
    }
    headers
}

/// Returns an event type, or an empty text if it is longer than a subject may be. An unknown type is text from the payload, of any length;
/// it could fill the record, and a text as long as that names nothing.
fn bounded(event_type: String) -> String {
    if event_type.len() > SUBJECT_BYTES_MAX { String::new() } else { event_type }
}

/// Returns the deterministic id of a delivery, a `UUIDv8`. The length of each part is hashed before the part, so that no two triples
/// collide.
pub fn delivery_id(endpoint: &str, timestamp_text: &str, body: &[u8]) -> String {
    let mut hash = hash_of_parts(b"hookgate.id.v1\0", &[endpoint, timestamp_text]);
    hash.update(body);
    uuid_of(first_half(hash))
}

/// Returns the deterministic id of an event that was got back from a provider's API, a `UUIDv8`: over its endpoint, type, subject, time
/// (RFC 3339 in UTC with nine digits, empty if there is none) and a counter of events that are equal in all of these, from 0.
pub fn recovered_id(endpoint: &str, event_type: &str, subject: &str, at: Option<Timestamp>, twin: u32) -> String {
    let at = at.map(|at| {
        let seconds = Timestamp { nanos: 0, ..at }.to_string();
        format!("{}.{:09}Z", seconds.trim_end_matches('Z'), at.nanos)
    });
    let parts = [endpoint, event_type, subject, &at.unwrap_or_default(), &twin.to_string()];
    uuid_of(digest_of_parts(b"hookgate.recovered.v1\0", &parts))
}

/// Returns the first 16 bytes of SHA-256 over a domain and texts, the length of each before it, so that no two lists of texts collide.
pub fn digest_of_parts(domain: &[u8], parts: &[&str]) -> [u8; 16] {
    first_half(hash_of_parts(domain, parts))
}

fn hash_of_parts(domain: &[u8], parts: &[&str]) -> Sha256 {
    let mut hash = Sha256::new_with_prefix(domain);
    for part in parts {
        hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(part);
    }
    hash
}

fn first_half(hash: Sha256) -> [u8; 16] {
    let digest: [u8; 32] = hash.finalize().into();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    first
}

fn uuid_of(bytes: [u8; 16]) -> String {
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests;
