//! From FileSafety's body to an event.

use crate::{
    event::{Event, EventKind, parse_time, subject},
    proto::{
        FilesafetyNsfw, FilesafetyPii, FilesafetyScan, FilesafetySentiment, FilesafetyText, FilesafetyToxic, FilesafetyVerdict,
        FilesafetyVirus, event::Payload,
    },
    provider::json::{self, text},
};

use super::{
    PROVIDER, SCAN_COMPLETE,
    wire::{Body, Nsfw, Pii, Sentiment, Text, Toxic, Virus},
};

/// The longest verdict in bytes that becomes a record header.
const VERDICT_BYTES_MAX: usize = 64;

/// Reads any body.
pub(super) fn classify(body: &[u8]) -> Event {
    json::classify(body, read)
}

fn read(body: &[u8]) -> Event {
    let mut body: Body<'_> = match json::object(body) {
        Ok(body) => body,
        Err(fault) => return Event::quarantined(fault),
    };
    // FileSafety's guide does not mention `event`, and at first scan.complete was the only type.
    let event_type = body.event.0.take().filter(|name| !name.is_empty()).unwrap_or_else(|| SCAN_COMPLETE.to_owned());
    let kind = PROVIDER.kind(&event_type);
    match (kind, subject(body.scan_id.0.as_deref(), PROVIDER.subject)) {
        (EventKind::Named { .. }, Ok(subject)) => {
            let scan = scan(body);
            Event {
                subject: Some(subject),
                occurred_at: scan.completed_at,
                verdict: header(&scan.verdict_text),
                payload: Some(Payload::FilesafetyScan(scan)),
                ..Event::new(kind, event_type)
            }
        }
        (EventKind::Named { .. }, Err(fault)) => Event { event_type, ..Event::quarantined(fault) },
        (kind, subject) => {
            Event { subject: subject.ok(), verdict: body.verdict.0.as_deref().and_then(header), ..Event::new(kind, event_type) }
        }
    }
}

/// Reads a scan as the API describes it, as an event of this type. It has the form of a webhook without the event's name.
pub(super) fn recovered(event_type: &str, scan: &[u8]) -> Event {
    let event = classify(scan);
    match event.kind {
        EventKind::Named { .. } => Event { kind: PROVIDER.kind(event_type), event_type: event_type.to_owned(), ..event },
        _ => event,
    }
}

/// Returns the verdict as a record header: only text that every client reads alike.
fn header(verdict: &str) -> Option<String> {
    let fits = (1..=VERDICT_BYTES_MAX).contains(&verdict.len()) && verdict.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| verdict.to_owned())
}

fn scan(body: Body<'_>) -> FilesafetyScan {
    // For a failed scan, the API writes in `status` what a webhook writes in `verdict`.
    let failed = || body.status.0.filter(|status| status == "failed");
    let verdict_text = body.verdict.0.or_else(failed).unwrap_or_default();
    FilesafetyScan {
        scan_id: body.scan_id.0.unwrap_or_default(),
        verdict: verdict(&verdict_text).into(),
        verdict_text,
        virus: body.virus.into_inner().map(virus),
        nsfw: body.nsfw.into_inner().map(nsfw),
        text: body.text.into_inner().map(text_scan),
        file_hash: body.file_hash.0.unwrap_or_default(),
        metadata_json: text(body.metadata),
        completed_at: body.completed_at.0.as_deref().and_then(parse_time),
    }
}

/// Returns the typed verdict, for exact values only: a text that is only similar to `clean` must not count as clean.
fn verdict(text: &str) -> FilesafetyVerdict {
    match text {
        "clean" => FilesafetyVerdict::Clean,
        "infected" => FilesafetyVerdict::Infected,
        "nsfw" => FilesafetyVerdict::Nsfw,
        "toxic" => FilesafetyVerdict::Toxic,
        "mixed" => FilesafetyVerdict::Mixed,
        "failed" => FilesafetyVerdict::Failed,
        _ => FilesafetyVerdict::Unspecified,
    }
}

fn virus(wire: Virus) -> FilesafetyVirus {
    FilesafetyVirus {
        clean: wire.clean.0,
        engine: wire.engine.0.unwrap_or_default(),
        signature: wire.signature.0.unwrap_or_default(),
    }
}

fn nsfw(wire: Nsfw) -> FilesafetyNsfw {
    FilesafetyNsfw { clean: wire.clean.0, categories: wire.categories.0.unwrap_or_default(), confidence: wire.confidence.0 }
}

fn text_scan(wire: Text<'_>) -> FilesafetyText {
    FilesafetyText {
        clean: wire.clean.0,
        toxic: wire.toxic.into_inner().map(self::toxic),
        pii: wire.pii.into_inner().map(self::pii),
        sentiment: wire.sentiment.into_inner().map(sentiment),
    }
}

fn toxic(wire: Toxic<'_>) -> FilesafetyToxic {
    FilesafetyToxic {
        labels: wire.labels.value.unwrap_or_default(),
        labels_json: text(wire.labels.text),
        max_score: wire.max_score.0,
    }
}

fn pii(wire: Pii<'_>) -> FilesafetyPii {
    FilesafetyPii {
        entities: wire.entities.value.unwrap_or_default(),
        entities_json: text(wire.entities.text),
        count: wire.count.0,
    }
}

fn sentiment(wire: Sentiment) -> FilesafetySentiment {
    FilesafetySentiment { dominant: wire.dominant.0.unwrap_or_default(), scores: wire.scores.0.unwrap_or_default() }
}
