//! An asset as FileSpin's search describes it.

use std::time::SystemTime;

use serde::Deserialize;

use super::{FILE_ARCHIVED, FILE_ERROR, FILE_PROCESSED, FILE_SAVED};
use crate::event::{instant, parse_time};

/// What the search says of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetState {
    /// The id of the asset.
    pub id: String,
    /// The event type that the asset's status stands for.
    pub event_type: &'static str,
    /// When the asset was uploaded.
    pub uploaded: SystemTime,
    /// When the asset was changed last; the upload, where the search does not say.
    pub changed: SystemTime,
}

// These fields are read strictly, unlike those of webhooks: an asset that cannot be read must not count as one without changes.
#[derive(Deserialize)]
struct FoundAsset {
    id: String,
    status: String,
    upload_time: String,
    update_time: Option<String>,
}

impl AssetState {
    /// Reads an asset of the search's answer. The error names no value.
    pub fn of(asset: &str) -> Result<Self, &'static str> {
        let wire: FoundAsset = serde_json::from_str(asset).map_err(|_| "a field is missing or of the wrong type")?;
        let read = |text: &str| parse_time(text).and_then(instant).ok_or("a time cannot be read");
        let event_type = match &*wire.status {
            "NOT_READY" => FILE_SAVED,
            "OK" => FILE_PROCESSED,
            "ERROR" => FILE_ERROR,
            "ARCHIVED" => FILE_ARCHIVED,
            _ => return Err("the status is unknown"),
        };
        let uploaded = read(&wire.upload_time)?;
        let changed = wire.update_time.as_deref().map_or(Ok(uploaded), read)?;
        Ok(Self { id: wire.id, event_type, uploaded, changed: changed.max(uploaded) })
    }
}

#[cfg(test)]
mod tests;
