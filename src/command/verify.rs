//! `hookgate verify`: explains offline why a captured delivery passes or fails. It never prints a secret.

mod early;
mod explain;
mod given;
mod signed;
mod token;

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use clap::Args;
use serde_json::{Value, json};

pub(super) use self::{
    explain::{AT_ANOTHER_TIME, cause, respaced},
    given::GivenDelivery,
};
use super::{
    CommandResult, ConfigSource, Failure,
    colour::Paint,
    output::counted,
    target::{self, Target},
};
use crate::{
    clock,
    config::{
        Environment, Http, TOLERANCE_RANGE,
        units::{parse_duration, show_duration},
    },
    delivery::{Credential, Delivery},
    encode::{Encoding, Framing, TopicTable, delivery_id, encode},
    event::{Event, parse_time},
    http,
    logged::printable,
    proto::Origin,
    provider::Provider,
    signature::{Keys, Verified},
};

/// Explain offline why a captured delivery passes or fails.
///
/// Give the whole HTTP request as a file; or the body as a file, exactly as it was received, and the signature headers or the URL. Exits with 0
/// if the delivery verifies.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate verify --request captures/20261129T203549.123Z-00001.http --at 2026-11-29T20:35:49Z
  hookgate verify uploadcare --body captured.bin --header 'X-Uc-Signature: v1=…'
  hookgate verify frameio --body b.json --header 'X-Frameio-Signature: v0=…' --header 'X-Frameio-Request-Timestamp: 1760000000' \\
      --secret env:FRAMEIO_SECRET --at 2025-10-09T08:53:20Z
  hookgate verify avatars --body b.json --url 'https://hooks.example.com/webhooks/avatars?token=…'
  hookgate verify uploadcare --body captured.bin --header 'X-Uc-Signature: v1=…' --json | jq .refused")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ConfigSource,
    #[command(flatten)]
    target: target::Arguments,
    /// The whole HTTP request, as `capture` or a proxy writes it; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body", "header"])]
    request: Option<PathBuf>,
    /// The body, byte for byte as it was received; `-` is standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "request")]
    body: Option<PathBuf>,
    /// A request header, `Name: value`. May be repeated; others than the signature's are ignored.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// The URL that was called, for providers whose token is in it. With --request it takes the place of the one in the file, of which `hookgate
    /// dev` has not kept the token.
    #[arg(long)]
    url: Option<String>,
    /// When the delivery arrived, RFC 3339; by default now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How far the signed time may be from that, such as 1d. By default it is the `tolerance` of the configured endpoint, or else 300s.
    #[arg(long, value_name = "DURATION", value_parser = tolerance)]
    tolerance: Option<Duration>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The verdict on a delivery: what it becomes, or the label of the answer that refuses it.
type Verdict = Result<Passed, &'static str>;

/// The event that a verified delivery becomes.
struct Passed {
    slot: u32,
    event: Event,
    id: String,
    /// The size of the record's value. A schema id and the fraction of the second of arrival are not in it.
    value_bytes: usize,
    /// How many seconds after the signed time the delivery arrived, where a time is signed.
    seconds_after_signing: Option<i64>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> CommandResult {
    let given = GivenDelivery::read(arguments)?;
    if given.whole().is_some_and(http::is_health_check) {
        return Err(Failure::Failed("this is a health check, and no delivery: the daemon answers it itself".into()));
    }
    let target = target::resolve_for(&arguments.target, given.path(), &arguments.source, environment)?;
    let provider = target.endpoint.provider;
    given.has_its_token(provider)?;
    let received_at = arguments.at.as_deref().map_or_else(|| Ok(whole_seconds(clock::system())), time)?;
    let keys = target.ring.keys();
    if arguments.tolerance.is_some() && !provider.signs_time() {
        return Err(Failure::Usage(format!("--tolerance has no effect: {} signs no timestamp", provider.title)));
    }
    let keys = Keys { tolerance: arguments.tolerance.unwrap_or(keys.tolerance), ..keys };
    let slots: Vec<u32> = keys.secrets.iter().map(|(slot, _)| *slot).collect();

    let endpoint = called(&target, given.url.as_deref());
    // In the place of a name people put a token.
    let shown = if target.is_configured { endpoint.to_string() } else { http::shown_name(&endpoint) };
    let name = Some(&*target.endpoint.name).filter(|_| target.is_configured);
    if arguments.target.is_given() {
        given.is_for(&target.endpoint.name, &target.names)?;
    }
    let asked = ToExplain { provider, name, endpoint, keys: &keys, limits: target.http.as_ref(), received_at };
    let Explanation { text: mut explanation, verdict } = explain(&asked, &given)?;
    if verdict.is_err() {
        for (remark, keys) in target.ring.cleaned() {
            let keys = Keys { tolerance: explain::ANY_TIME, ..keys };
            let asked = ToExplain { keys: &keys, ..asked.clone() };
            let fits = |credential| provider.verify(asked.delivery(&given, credential), &keys).is_ok();
            if given.proof_at_the_endpoint(&asked).is_ok_and(fits) {
                explanation.push_str("but the secret would fit without what is around it: ");
                explanation.push_str(&remark);
                explanation.push_str("; write the secret alone\n");
            }
        }
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        let report = report((&target, &shown), &given, &slots, &verdict, &explanation);
        writeln!(out, "{}", printable(&report.to_string()))?;
    } else {
        let slots = slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        writeln!(out, "provider: {}, endpoint {shown}, secrets tried by slot: {slots}", provider.title)?;
        given.tell(&mut out)?;
        for missing in &target.missing {
            writeln!(out, "not tried: {missing}")?;
        }
        let mut text = explanation.into_bytes();
        if let Ok(passed) = &verdict {
            passed.tell(&target, &mut text)?;
        }
        let paint = Paint::of_output(environment);
        String::from_utf8_lossy(&text).lines().try_for_each(|line| writeln!(out, "{}", paint.line(line)))?;
    }
    Ok(verdict.is_ok())
}

/// What a delivery is judged by.
#[derive(Clone)]
pub(super) struct ToExplain<'a> {
    pub(super) provider: &'static Provider,
    /// The name of a configured endpoint; without it, the URL may name any.
    pub(super) name: Option<&'a str>,
    /// The endpoint that was called.
    pub(super) endpoint: Arc<str>,
    pub(super) keys: &'a Keys,
    /// The daemon's limits, where they are known.
    pub(super) limits: Option<&'a Http>,
    pub(super) received_at: SystemTime,
}

impl ToExplain<'_> {
    fn delivery(&self, given: &GivenDelivery, credential: Credential) -> Delivery {
        Delivery {
            endpoint: Arc::clone(&self.endpoint),
            credential,
            content_type: given.header("content-type").to_owned(),
            body: given.body.clone(),
            received_at: self.received_at,
        }
    }
}

/// Why a delivery passes or fails, in lines for a person.
pub(super) struct Explanation {
    pub(super) text: String,
    verdict: Verdict,
}

/// Explains a delivery: first what the daemon refuses whatever the proof is, and then the proof.
pub(super) fn explain(asked: &ToExplain<'_>, given: &GivenDelivery) -> Result<Explanation, Failure> {
    let mut out = Vec::new();
    let verdict = match early::refusal(&mut out, asked, given)? {
        None => proof(&mut out, asked, given, "")?,
        Some((label, is_proof_of_interest)) => {
            if is_proof_of_interest {
                let _other_verdict = proof(&mut out, asked, given, APART)?;
            }
            Err(label)
        }
    };
    Ok(Explanation { text: String::from_utf8_lossy(&out).into_owned(), verdict })
}

/// What comes before a verdict on the proof of a delivery that is refused for another reason.
const APART: &str = "apart from that, ";

/// Verifies what is offered as proof, and explains it.
fn proof(out: &mut Vec<u8>, asked: &ToExplain<'_>, given: &GivenDelivery, apart: &str) -> Result<Verdict, Failure> {
    let (provider, keys) = (asked.provider, asked.keys);
    let error = match given.proof_at_the_endpoint(asked) {
        // The daemon reads a body without a length until it is too long.
        Ok(credential) if apart.is_empty() && asked.limits.is_some_and(|it| given.body.len() > it.max_body_bytes) => {
            let label = early::too_large(out, asked.limits, given)?;
            let _other_verdict = judge((out, APART), provider, &asked.delivery(given, credential), keys)?;
            return Ok(Err(label));
        }
        Ok(credential) => return judge((out, apart), provider, &asked.delivery(given, credential), keys),
        Err(error) => error,
    };
    let label = error.answer().label();
    let cause = explain::cause(provider, &given.headers, &error);
    writeln!(out, "{apart}refused before the body is read: {label} ({cause})")?;
    explain::offered(out, provider, given, keys, &error)?;
    Ok(Err(label))
}

/// Returns the name of the endpoint that was called. Without a configuration, only the URL says it. It is signed in a signed URL, and a part
/// of the id.
fn called(target: &Target, url: Option<&str>) -> Arc<str> {
    let named = url.filter(|_| !target.is_configured).and_then(http::endpoint_of);
    named.map_or_else(|| Arc::clone(&target.endpoint.name), Arc::from)
}

/// Verifies as the daemon does, and writes an explanation of the bytes.
fn judge(
    (explanation, apart): (&mut impl Write, &str),
    provider: &'static Provider,
    delivery: &Delivery,
    keys: &Keys,
) -> Result<Verdict, Failure> {
    explain::signed_bytes(explanation, provider, delivery)?;
    match provider.verify(delivery.clone(), keys) {
        Ok(verified) => {
            let id = delivery_id(&delivery.endpoint, verified.timestamp_text(), &delivery.body);
            let (slot, seconds_after_signing) = (verified.proof().secret_slot, verified.clock_offset());
            let event = (provider.classify)(&verified);
            let value_bytes = value_bytes(verified, provider);
            if !apart.is_empty() {
                writeln!(explanation, "{apart}the proof is good: the secret in slot {slot} matches")?;
            }
            Ok(Ok(Passed { slot, event, id, value_bytes, seconds_after_signing }))
        }
        Err(error) => {
            let label = error.answer().label();
            writeln!(explanation, "{apart}refused: {label} ({error})")?;
            explain::refusal(explanation, provider, delivery, keys, &error)?;
            Ok(Err(label))
        }
    }
}

/// Returns the size of the value of the record that a delivery becomes, whatever its topic may hold.
fn value_bytes(verified: Verified, provider: &'static Provider) -> usize {
    let event = (provider.classify)(&verified);
    let topics = TopicTable::new([provider], |kind| kind.name().into_owned());
    let encoding = Encoding { topics, framing: Framing::default(), record_bytes_max: usize::MAX, origin: Origin::Webhook };
    encode(verified, provider, event, &encoding).value.len()
}

/// Returns the same verdict as JSON, for programs.
fn report(
    (target, endpoint): (&Target, &str),
    given: &GivenDelivery,
    slots: &[u32],
    verdict: &Verdict,
    explanation: &str,
) -> Value {
    json!({
        "provider": target.endpoint.provider.name,
        "endpoint": endpoint,
        "request": given.shown(),
        "slots_tried": slots,
        "not_tried": target.missing,
        "refused": verdict.as_ref().err(),
        "event": verdict.as_ref().ok().map(|passed| passed.shown(target)),
        "explanation": explanation.lines().collect::<Vec<_>>(),
    })
}

impl Passed {
    fn key(&self) -> &str {
        self.event.subject.as_deref().unwrap_or(&self.id)
    }

    /// Returns the topic of the event, where the configuration says it.
    fn topic(&self, target: &Target) -> Option<String> {
        target.topics.as_ref().map(|topics| topics.name_of(&target.endpoint, self.event.kind))
    }

    fn tell(&self, target: &Target, out: &mut impl Write) -> io::Result<()> {
        let source = target.ring.source(self.slot).map_or_else(String::new, |source| format!(", {}", printable(&source)));
        writeln!(out, "verified: the secret in slot {} matches{source}", self.slot)?;
        if let Some(seconds) = self.seconds_after_signing {
            let side = if seconds < 0 { "after" } else { "before" };
            writeln!(out, "signed {} s {side} the arrival", seconds.unsigned_abs())?;
        }
        writeln!(out, "kind: {}", self.event.kind.name())?;
        if let Some(fault) = &self.event.fault {
            writeln!(out, "quarantined: {}: {}", fault.reason.label(), fault.detail)?;
        }
        if let Some(topic) = self.topic(target) {
            writeln!(out, "topic: {topic}")?;
        }
        writeln!(out, "type: {}", printable(&self.event.event_type))?;
        writeln!(out, "key: {}", printable(self.key()))?;
        writeln!(out, "id: {}", self.id)?;
        writeln!(out, "record: about {} of value", counted(self.value_bytes as u64, "byte"))
    }

    fn shown(&self, target: &Target) -> Value {
        let fault = self.event.fault.as_ref();
        json!({
            "slot": self.slot,
            "seconds_after_signing": self.seconds_after_signing,
            "kind": self.event.kind.name(),
            "topic": self.topic(target),
            "quarantined": fault.map(|fault| json!({ "reason": fault.reason.label(), "detail": fault.detail })),
            "type": self.event.event_type,
            "key": self.key(),
            "id": self.id,
            "value_bytes": self.value_bytes,
        })
    }
}

/// Returns a time as `--at` would give it.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Reads a tolerance as the configuration does.
fn tolerance(text: &str) -> Result<Duration, String> {
    parse_duration(text).filter(|it| TOLERANCE_RANGE.contains(it)).ok_or_else(|| {
        let [least, most] = [TOLERANCE_RANGE.start(), TOLERANCE_RANGE.end()].map(|it| show_duration(*it));
        format!("a duration is a number and a unit, such as 5m or 1d, from {least} to {most}")
    })
}

fn time(text: &str) -> Result<SystemTime, String> {
    let time = parse_time(text).and_then(|time| u64::try_from(time.seconds).ok());
    let seconds = time.ok_or_else(|| format!("--at takes a time like 2026-01-31T12:00:00Z, not {text:?}"))?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
