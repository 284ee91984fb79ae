//! From FileSpin's body to an event.

use serde_json::value::RawValue;

use crate::{
    event::{Event, EventKind, subject},
    proto::{
        FilespinAddon, FilespinAsset, FilespinAssetStatus, FilespinConversion, FilespinDeletion, FilespinDeletionStatus,
        FilespinMetadata, event::Payload,
    },
    provider::json::{self, Object, text},
};

use super::{
    FILE_ARCHIVED, FILE_DELETED, FILE_ERROR, FILE_PROCESSED, FILE_SAVED, FILE_UNDELETED, PROVIDER,
    wire::{Addons, Body, Conversion, KeyList, Metadata},
};

/// The key of the asset itself, beside the keys of its conversions.
const ORIGINAL: &str = "original";

/// Reads any body.
pub(super) fn classify(body: &[u8]) -> Event {
    json::classify(body, read)
}

/// Reads an asset as the search describes it. Its status is its type, as in webhooks without the event's name.
pub(super) fn recovered(_event_type: &str, asset: &[u8]) -> Event {
    classify(asset)
}

fn read(body: &[u8]) -> Event {
    let mut body: Body<'_> = match json::object(body) {
        Ok(body) => body,
        Err(fault) => return Event::quarantined(fault),
    };
    let (event_type, type_inferred) = event_type(&mut body);
    let kind = PROVIDER.kind(&event_type);
    let subject = subject(body.id.0.as_deref(), PROVIDER.subject);
    match (kind, subject) {
        (EventKind::Named { name, .. }, Ok(subject)) => {
            let (payload, occurred_at) = if matches!(name, FILE_DELETED | FILE_UNDELETED) {
                (Payload::FilespinDeletion(deletion(body)), None)
            } else {
                // If the time of an update cannot be read, the time of the upload must not replace it: consumers would take the event for
                // an old one.
                let occurred_at = body.update_time.0.map_or(body.upload_time.time(), |time| time.0);
                (Payload::FilespinAsset(asset(body)), occurred_at)
            };
            Event { subject: Some(subject), occurred_at, type_inferred, payload: Some(payload), ..Event::new(kind, event_type) }
        }
        (EventKind::Named { .. }, Err(fault)) => Event { event_type, type_inferred, ..Event::quarantined(fault) },
        (kind, subject) => Event { subject: subject.ok(), ..Event::new(kind, event_type) },
    }
}

/// Returns the event's type, and whether it was inferred. FileSpin's guide says to go by `status`, but its API reference also lists `event`
/// in assets: both are supported here. The type is empty if the body names none and none can be inferred.
fn event_type(body: &mut Body<'_>) -> (String, bool) {
    if let Some(name) = body.event.0.take().filter(|name| !name.is_empty()) {
        return (name, false);
    }
    if is_deletion(body) {
        // Its status `OK` would look like an asset's, and a deletion cannot be distinguished from its reversal.
        return (String::new(), false);
    }
    let inferred = match asset_status(body.status.0.as_deref()) {
        FilespinAssetStatus::NotReady => FILE_SAVED,
        FilespinAssetStatus::Ok => FILE_PROCESSED,
        FilespinAssetStatus::Error => FILE_ERROR,
        FilespinAssetStatus::Archived => FILE_ARCHIVED,
        FilespinAssetStatus::Unspecified => return (String::new(), false),
    };
    (inferred.to_owned(), true)
}

/// Returns whether a body that names no event has the format of deletions: it has `keys`, and nothing that describes a file.
fn is_deletion(body: &Body<'_>) -> bool {
    let describes_file = body.name.0.is_some()
        || body.size.0.is_some()
        || body.checksum.0.is_some()
        || body.content_type.0.is_some()
        || body.upload_time.0.is_some();
    body.keys.text.is_some() && !describes_file
}

fn asset_status(text: Option<&str>) -> FilespinAssetStatus {
    match text {
        Some("NOT_READY") => FilespinAssetStatus::NotReady,
        Some("OK") => FilespinAssetStatus::Ok,
        Some("ERROR") => FilespinAssetStatus::Error,
        Some("ARCHIVED") => FilespinAssetStatus::Archived,
        _ => FilespinAssetStatus::Unspecified,
    }
}

fn asset(body: Body<'_>) -> FilespinAsset {
    FilespinAsset {
        id: body.id.0.unwrap_or_default(),
        status: asset_status(body.status.0.as_deref()).into(),
        status_text: body.status.0.unwrap_or_default(),
        name: body.name.0.unwrap_or_default(),
        size: body.size.0,
        checksum: body.checksum.0.unwrap_or_default(),
        provider: body.provider.0.unwrap_or_default(),
        storage_type: body.storage_type.0.unwrap_or_default(),
        bucket: body.bucket.0.unwrap_or_default(),
        key: body.key.0.unwrap_or_default(),
        public: body.public.0,
        content_type: body.content_type.0.unwrap_or_default(),
        creator_id: body.creator_id.0,
        upload_time: body.upload_time.time(),
        update_user_id: body.update_user_id.0,
        update_time: body.update_time.time(),
        upload_source: body.upload_source.0.unwrap_or_default(),
        data_schema_id: body.data_schema_id.0,
        metadata: body.metadata.value.map(|Object(metadata)| self::metadata(&metadata)),
        metadata_json: text(body.metadata.text),
        data_json: text(body.data),
        conversions: (body.conversions.0.unwrap_or_default().into_iter())
            .map(|(name, Object(wire))| conversion(name, wire))
            .collect(),
        addons: body.addons_info.0.map(addons).unwrap_or_default(),
        urls_json: text(body.urls),
        errors_json: text(body.errors.text),
    }
}

fn metadata(wire: &Metadata) -> FilespinMetadata {
    FilespinMetadata { width: wire.width.0, height: wire.height.0, duration: wire.duration.0 }
}

fn conversion(name: String, wire: Conversion) -> FilespinConversion {
    FilespinConversion {
        name,
        storage_type: wire.storage_type.0.unwrap_or_default(),
        bucket: wire.bucket.0.unwrap_or_default(),
        key: wire.key.0.unwrap_or_default(),
        width: wire.width.0,
        height: wire.height.0,
        duration: wire.duration.0,
        size: wire.size.0,
        public: wire.public.0,
        watermarked: wire.watermarked.0,
    }
}

fn addons(Addons(entries): Addons<'_>) -> Vec<FilespinAddon> {
    (entries.into_iter())
        .map(|(name, entry)| FilespinAddon {
            name,
            available: entry.value.and_then(|addon| addon.0.available.0),
            json: entry.text.map_or("null", RawValue::get).to_owned(),
        })
        .collect()
}

fn deletion(body: Body<'_>) -> FilespinDeletion {
    let (keys, original_affected) = keys(body.keys.value);
    let status = match body.status.0.as_deref() {
        Some("OK") => FilespinDeletionStatus::Ok,
        Some("MAYBE") => FilespinDeletionStatus::Maybe,
        Some("ERROR") => FilespinDeletionStatus::Error,
        _ => FilespinDeletionStatus::Unspecified,
    };
    FilespinDeletion {
        id: body.id.0.unwrap_or_default(),
        keys,
        keys_json: text(body.keys.text),
        original_affected,
        status: status.into(),
        status_text: body.status.0.unwrap_or_default(),
        message: body.message.0.filter(|text| !text.is_empty()).or(body.status_msg.0).unwrap_or_default(),
        errors: body.errors.value.unwrap_or_default(),
        errors_json: text(body.errors.text),
    }
}

/// Returns the names in `keys`, and whether the original is among them: `None` if `keys` could not be read, or only in part.
fn keys(keys: Option<KeyList>) -> (Vec<String>, Option<bool>) {
    let Some(KeyList(elements)) = keys else {
        return (Vec::new(), None);
    };
    // A replacement character stands for broken text, which may have been any name.
    let complete = elements.iter().all(|name| name.as_ref().is_some_and(|name| !name.contains(char::REPLACEMENT_CHARACTER)));
    let names: Vec<String> = elements.into_iter().flatten().collect();
    let original = names.iter().any(|name| name == ORIGINAL);
    (names, (original || complete).then_some(original))
}
