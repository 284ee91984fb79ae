//! `hookgate verify`: explains offline why a captured delivery passes or fails. It never prints a secret.

mod explain;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::Args;

use super::{Failure, Outcome, Source, target};
use crate::{
    config::Environment, delivery::Delivery, encode::delivery_id, error::Error, event::parse_time, http, printable::printable,
    provider::Provider, signature::Verified,
};

/// Explain offline why a captured delivery passes or fails.
///
/// Give the body as a file, exactly as it was received, and the signature headers or the URL. Exits with 0 if the delivery verifies.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookgate verify uploadcare --body captured.bin --header 'X-Uc-Signature: v1=…'
  hookgate verify frameio --body b.json --header 'X-Frameio-Signature: v0=…' --header 'X-Frameio-Request-Timestamp: 1760000000' \\
      --secret env:FRAMEIO_SECRET --at 2025-10-09T08:53:20Z
  hookgate verify avatars --body b.json --url 'https://hooks.example.com/webhooks/avatars?token=…'")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    target: target::Arguments,
    /// The body, byte for byte as it was received.
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// A request header, `Name: value`. May be repeated; others than the signature's are ignored.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// The URL that was called, for providers whose token is in it.
    #[arg(long)]
    url: Option<String>,
    /// When it arrived, RFC 3339; by default now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Outcome {
    let target = target::resolve(&arguments.target, &arguments.source, environment)?;
    let provider = target.endpoint.provider;
    let body = fs::read(&arguments.body).map_err(|error| format!("{}: {error}", arguments.body.display()))?;
    let headers = arguments.header.iter().map(|line| header(line)).collect::<Result<Vec<_>, _>>()?;
    let received_at = arguments.at.as_deref().map_or(Ok(SystemTime::now()), time)?;
    let keys = target.ring.keys();

    let mut out = io::stdout().lock();
    let slots = keys.secrets.iter().map(|(slot, _)| slot.to_string()).collect::<Vec<_>>().join(", ");
    writeln!(out, "provider: {}, endpoint {}, secrets tried by slot: {slots}", provider.title, target.endpoint.name)?;
    for missing in &target.missing {
        writeln!(out, "not tried: {missing}")?;
    }
    let credential = match http::offered_proof(provider, arguments.url.as_deref(), &headers, &keys) {
        Ok(credential) => credential,
        // What it was called with decides nothing else here.
        Err(Error::UnknownEndpoint) => {
            return Err(Failure::Failed("--url takes a URL as it was called, https://<host>/webhooks/<endpoint>?token=…".into()));
        }
        Err(error) => {
            writeln!(out, "refused before the body is read: {} ({error})", error.answer().label)?;
            return explain::proof(&mut out, provider, &headers, &error).map(|()| false);
        }
    };
    let delivery = Delivery {
        endpoint: target.endpoint.name,
        credential,
        content_type: String::new(),
        traceparent: None,
        body: body.into(),
        received_at,
    };
    explain::signed_bytes(&mut out, provider, &delivery)?;
    match provider.verify(delivery.clone(), &keys) {
        Ok(verified) => passed(&mut out, provider, &verified).map(|()| true),
        Err(error) => {
            writeln!(out, "refused: {} ({error})", error.answer().label)?;
            explain::refusal(&mut out, provider, &delivery, &keys, &error).map(|()| false)
        }
    }
}

/// What a delivery that verifies becomes.
fn passed(out: &mut impl Write, provider: &'static Provider, verified: &Verified) -> Result<(), Failure> {
    let delivery = verified.delivery();
    let event = (provider.classify)(verified);
    writeln!(out, "verified: the secret in slot {} matches", verified.proof().secret_slot)?;
    writeln!(out, "kind: {}", event.kind.name())?;
    if let Some(fault) = &event.fault {
        writeln!(out, "quarantined: {}: {}", fault.reason.label(), fault.detail)?;
    }
    writeln!(out, "type: {}", printable(&event.event_type))?;
    let id = delivery_id(&delivery.endpoint, verified.timestamp_text(), &delivery.body);
    writeln!(out, "key: {}", printable(event.subject.as_deref().unwrap_or(&id)))?;
    writeln!(out, "id: {id}")?;
    Ok(())
}

fn header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| "--header takes `Name: value`".to_owned())?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn time(text: &str) -> Result<SystemTime, String> {
    let time = parse_time(text).and_then(|time| u64::try_from(time.seconds).ok());
    let seconds = time.ok_or_else(|| format!("--at takes a time like 2026-01-31T12:00:00Z, not {text:?}"))?;
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
