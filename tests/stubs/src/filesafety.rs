//! FileSafety's API: one scan, and the usage.

use serde_json::json;

use crate::{
    http::{Reply, Request},
    time::{Micros, write},
};

/// A scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The id.
    pub scan_id: String,
    /// `awaiting_upload`, `pending`, `scanning`, `complete` or `failed`.
    pub status: String,
    /// The verdict of a complete scan.
    pub verdict: String,
    /// When it was complete.
    pub completed: Micros,
}

/// An account.
#[derive(Debug)]
pub struct Account {
    /// The key.
    pub api_key: String,
    /// The scans.
    pub scans: Vec<Scan>,
    /// How many scans were submitted in the period.
    pub scans_used: u64,
}

impl Default for Account {
    fn default() -> Self {
        Self { api_key: "fs_live_0123456789abcdef0123456789abcdef".into(), scans: Vec::new(), scans_used: 0 }
    }
}

impl Account {
    /// Adds a complete scan and returns its id.
    pub fn scan(&mut self, verdict: &str, at: Micros) -> String {
        self.scans_used += 1;
        let scan_id = format!("scn_{:08}", self.scans_used);
        let scan = Scan { scan_id: scan_id.clone(), status: "complete".into(), verdict: verdict.into(), completed: at };
        self.scans.push(scan);
        scan_id
    }

    /// Returns a scan.
    ///
    /// # Panics
    ///
    /// Panics if there is no such scan.
    pub fn of(&mut self, scan_id: &str) -> &mut Scan {
        self.scans.iter_mut().find(|scan| scan.scan_id == scan_id).expect("the scan is there")
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let fault = |status, text: &str| Reply::json(status, &json!({ "error": text }));
        // The documentation says that names of headers are compared with their case.
        if !request.headers.iter().any(|(name, value)| name == "x-api-key" && *value == self.api_key) {
            return fault(401, "Invalid or missing API key");
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v1/usage") => Reply::json(
                200,
                &json!({ "plan": "pro", "scans_used": self.scans_used, "scans_quota": 4000, "overage_scans": 0, "period_ends": "2026-12-01" }),
            ),
            ("GET", path) => {
                match path.strip_prefix("/v1/scan/").and_then(|id| self.scans.iter().find(|scan| decoded(id) == scan.scan_id)) {
                    Some(scan) => Reply::json(200, &state(scan)),
                    None => fault(404, "Scan not found"),
                }
            }
            _ => fault(404, "Not found"),
        }
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn state(scan: &Scan) -> serde_json::Value {
    let mut answer = json!({ "scan_id": scan.scan_id, "status": scan.status });
    if scan.status == "complete" {
        answer["verdict"] = scan.verdict.as_str().into();
        answer["virus"] = json!({ "clean": scan.verdict != "infected", "engine": "clamav", "signature": null });
        answer["file_hash"] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into();
        answer["completed_at"] = write(scan.completed, 3).into();
    }
    answer
}
