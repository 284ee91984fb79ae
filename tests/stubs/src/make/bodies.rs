//! The bodies of the webhooks, in the shape that the providers document.

use serde_json::{Value, json};

use super::Happened;
use crate::{Provider, filesafety, filespin, frameio, time, time::Micros, uploadcare};

fn happened(provider: Provider, kind: &str, subject: &str, at: Micros, body: Option<&Value>) -> Happened {
    let body = body.map(|body| body.to_string().into_bytes());
    Happened { provider, kind: kind.into(), subject: subject.into(), at, body }
}

pub(super) fn uploadcare(kind: &str, file: &uploadcare::File, at: Micros) -> Happened {
    let data = uploadcare::object(file, true);
    let mut body = json!({
        "initiator": { "type": "api", "detail": { "request_id": null, "addon_name": null } },
        "hook": {
            "id": 1_446_695, "project_id": 13, "project_pub_key": "demopublickey", "target": "https://hooks.example.com/", "event": kind,
            "is_active": true, "version": "0.7", "created_at": "2023-01-18T10:34:05.246676Z", "updated_at": "2023-01-18T10:34:05.246676Z",
        },
        "file": data["original_file_url"],
        "data": data,
    });
    if kind == "file.info_updated" {
        body["previous_values"] = json!({ "metadata": { "album": "old" } });
    }
    happened(Provider::Uploadcare, kind, &file.uuid, at, Some(&body))
}

pub(super) fn frameio(kind: &str, entry: &frameio::Entry, account: &frameio::Account) -> Happened {
    let resource = if entry.resource_type == "asset" { "file" } else { &entry.resource_type };
    let mut body = json!({
        "account": { "id": account.id }, "project": { "id": account.project_id },
        "resource": { "id": entry.resource_id, "type": resource }, "type": kind,
    });
    for (name, id) in [("user", &entry.user_id), ("workspace", &entry.workspace_id)] {
        if let Some(id) = id {
            body[name] = json!({ "id": id });
        }
    }
    // Bulk operations and the like have no webhook.
    if kind.is_empty() {
        return happened(Provider::Frameio, &entry.event_type, &entry.resource_id, entry.at, None);
    }
    happened(Provider::Frameio, kind, &entry.resource_id, entry.at, Some(&body))
}

pub(super) fn filespin(kind: &str, asset: &filespin::Asset, at: Micros) -> Happened {
    let body = if matches!(kind, "file-deleted" | "file-undeleted") {
        json!({ "event": kind, "id": asset.id, "keys": ["original"], "status": "OK", "message": "" })
    } else {
        let mut body = filespin::object(asset);
        body["event"] = kind.into();
        body
    };
    happened(Provider::Filespin, kind, &asset.id, at, Some(&body))
}

pub(super) fn filesafety(kind: &str, scan: &filesafety::Scan, at: Micros) -> Happened {
    let infected = scan.verdict == "infected";
    let mut body = json!({
        "event": kind, "scan_id": scan.scan_id, "verdict": scan.verdict, "metadata": { "upload_id": format!("upl_{}", scan.scan_id) },
        "completed_at": time::write(scan.completed, 3),
    });
    // A scan that has failed has found nothing.
    if scan.verdict != "failed" {
        body["virus"] = json!({ "clean": !infected, "signature": infected.then_some("Win.Test.EICAR_HDB-1") });
        body["file_hash"] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into();
    }
    debug_assert_eq!(scan.completed, at);
    happened(Provider::Filesafety, kind, &scan.scan_id, at, Some(&body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::shortest;

    #[test]
    fn times_stand_in_the_bodies() {
        let file = uploadcare::File { uuid: "u".into(), uploaded: 1_230, stored: None, removed: None, infected: Some(4_567) };
        let body = uploadcare("file.infected", &file, 4_567).body.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["data"]["datetime_uploaded"], shortest(1_230));
        assert_eq!(body["data"]["appdata"]["uc_clamav_virus_scan"]["datetime_updated"], "1970-01-01T00:00:00.004567Z");
    }
}
