//! A file as Uploadcare's REST API describes it: when what has happened to it, and the events of that.

use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

use super::{DELETED, INFECTED, STORED, UPLOADED};
use crate::event::{instant, parse_time};

/// When what has happened to a file, as far as the API still knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHistory {
    /// The id of the file.
    pub uuid: String,
    /// When the file was uploaded.
    pub uploaded: SystemTime,
    /// When the file was stored for the last time; a file that was removed since does not say so any more.
    pub stored: Option<SystemTime>,
    /// When the file was removed.
    pub removed: Option<SystemTime>,
    /// When the last scan found malware in the file.
    pub infected: Option<SystemTime>,
    /// Whether the answer would have a scan: the results of add-ons are there, if only empty.
    pub has_scans: bool,
}

// These fields are read strictly, unlike those of webhooks: a time that cannot be read must not count as "has not happened".
#[derive(Deserialize)]
struct FileTimes {
    uuid: String,
    datetime_uploaded: String,
    datetime_stored: Option<String>,
    datetime_removed: Option<String>,
    #[serde(default, deserialize_with = "there")]
    appdata: Option<AddOns>,
}

/// The results of add-ons, which may be null.
#[derive(Deserialize)]
struct AddOns(Option<ScanResults>);

/// Reads a field that is there, also one that is null.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AddOns>, D::Error> {
    AddOns::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct ScanResults {
    uc_clamav_virus_scan: Option<LastScan>,
}

#[derive(Deserialize)]
struct LastScan {
    data: Option<LastScanData>,
    datetime_updated: Option<String>,
}

#[derive(Deserialize)]
struct LastScanData {
    infected: Option<bool>,
}

impl FileHistory {
    /// Reads a file of the API's answer. The error names no value.
    pub fn of(file: &str) -> Result<Self, &'static str> {
        let read = |text: &str| parse_time(text).and_then(instant).ok_or("a time cannot be read");
        let times: FileTimes = serde_json::from_str(file).map_err(|_| "a field is missing or of the wrong type")?;
        let uploaded = read(&times.datetime_uploaded)?;
        let has_scans = times.appdata.is_some();
        let scan = times.appdata.and_then(|add_ons| add_ons.0?.uc_clamav_virus_scan);
        let infected = match scan {
            Some(LastScan { data: Some(LastScanData { infected: Some(true) }), datetime_updated }) => {
                // As in webhooks: a scan without a time counts as part of the upload.
                Some(datetime_updated.as_deref().map_or(Ok(uploaded), read)?)
            }
            _ => None,
        };
        Ok(Self {
            uuid: times.uuid,
            uploaded,
            stored: times.datetime_stored.as_deref().map(read).transpose()?,
            removed: times.datetime_removed.as_deref().map(read).transpose()?,
            infected,
            has_scans,
        })
    }

    /// Returns what has happened to the file: the type of each event, and its time.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, SystemTime)> {
        [(UPLOADED, Some(self.uploaded)), (STORED, self.stored), (DELETED, self.removed), (INFECTED, self.infected)]
            .into_iter()
            .filter_map(|(name, time)| Some((name, time?)))
    }
}

#[cfg(test)]
mod tests;
