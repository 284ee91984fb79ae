//! FileSpin's reissue of callbacks, its settings, and one asset.

use serde_json::{Value, json};

use super::{Account, object};
use crate::{
    http::{Reply, Request},
    time::{Micros, SECOND, read},
};

/// The events that the settings switch on and off, all of which an update must name.
pub(super) const EVENTS: [&str; 6] =
    ["file-saved", "file-processed", "file-data-updated", "file-deleted", "file-undeleted", "addon-processed"];

/// A reissue that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reissue {
    /// The first instant of upload.
    pub start: Micros,
    /// The last instant of upload.
    pub end: Micros,
    /// The assets whose callbacks would come again.
    pub assets: Vec<String>,
}

fn refused(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({ "message": text }))
}

impl Account {
    pub(super) fn manage(&mut self, request: &Request) -> Reply {
        let path: Vec<&str> = request.path.trim_start_matches("/api/v1/").split('/').collect();
        match (request.method.as_str(), path.as_slice()) {
            ("POST", ["callbacks", "reissue"]) => self.reissue(&request.body),
            ("GET", ["user", "settings"]) => self.settings(),
            ("PATCH", ["user", "settings", "update"]) => self.update(&request.body),
            ("GET", ["assets", id, "data"]) => {
                let asset = self.assets.iter().find(|asset| asset.id == *id && !asset.trashed);
                asset.map_or_else(|| refused(404, "No such asset"), |asset| Reply::json(200, &object(asset)))
            }
            _ => refused(405, "Not allowed"),
        }
    }

    fn reissue(&mut self, body: &[u8]) -> Reply {
        if !self.administrator {
            return refused(403, "ASSET_ADMIN is needed");
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let (start, end) = (&body["start_date"], &body["end_date"]);
        // Whole seconds in UTC and nothing else.
        let time = |value: &Value| value.as_str().filter(|text| text.len() == 20 && text.ends_with('Z')).and_then(read);
        let (Some(from), Some(to)) = (time(start), time(end)) else { return refused(400, "Invalid date") };
        if to <= from || to - from > 7 * 86_400 * SECOND {
            return refused(400, "Invalid range");
        }
        let within = self.assets.iter().filter(|asset| !asset.trashed && (from..=to).contains(&asset.uploaded));
        let assets = within.map(|asset| asset.id.clone()).collect();
        self.reissued.push(Reissue { start: from, end: to, assets });
        let (start, end) = (start.as_str().unwrap_or_default(), end.as_str().unwrap_or_default());
        Reply::json(202, &json!(format!("Re-issue callbacks started for assets uploaded from {start} to {end}")))
    }

    /// The settings are not only about webhooks, and show what nobody else should see.
    fn settings(&self) -> Reply {
        let webhook = json!({ "web_urls": self.web_urls, "callback_events": self.callback_events });
        let auth = json!({ "api_key": self.api_key, "dropbox_secret": "dropbox-secret" });
        Reply::json(200, &json!({ "status": "OK", "data": { "webhook": webhook, "auth": auth } }))
    }

    fn update(&mut self, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let (urls, events) = (&body["value"]["web_urls"], &body["value"]["callback_events"]);
        let whole = EVENTS.iter().all(|event| events[event].is_boolean());
        let Some(urls) = urls.as_str().filter(|_| whole && body["key"] == "webhook") else {
            return refused(400, "All keys are mandatory");
        };
        if urls.split(',').count() > 3 {
            return refused(400, "At most three URLs");
        }
        (self.web_urls, self.callback_events) = (urls.to_owned(), events.clone());
        Reply::json(200, &json!({ "status": "OK" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(account: &mut Account, method: &str, path: &str, body: &str, key: &str) -> (u16, Value) {
        let request = Request {
            method: method.into(),
            target: path.into(),
            path: path.into(),
            query: Vec::new(),
            headers: vec![("X-FileSpin-Api-Key".into(), key.into())],
            body: body.into(),
        };
        let reply = account.answer(&request);
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    #[test]
    fn a_reissue_is_about_the_time_of_upload() {
        let mut account = Account::default();
        let day = read("2017-06-02").expect("a date");
        let inside = account.upload("OK", day, day);
        account.upload("OK", day - 30 * 86_400 * SECOND, day);
        let key = account.api_key.clone();
        let mut check = |start: &str, end: &str, status: u16| {
            let body = json!({ "start_date": start, "end_date": end }).to_string();
            let answer = ask(&mut account, "POST", "/api/v1/callbacks/reissue", &body, &key);
            assert_eq!(answer.0, status, "{start} {end}");
            answer.1
        };
        let text = "Re-issue callbacks started for assets uploaded from 2017-06-01T00:00:00Z to 2017-06-08T00:00:00Z";
        assert_eq!(check("2017-06-01T00:00:00Z", "2017-06-08T00:00:00Z", 202), json!(text));
        check("2017-06-01T00:00:00Z", "2017-06-08T00:00:01Z", 400);
        check("2017-06-01T00:00:00Z", "2017-06-01T00:00:00Z", 400);
        check("2017-06-01", "2017-06-02", 400);
        check("2017-06-01T00:00:00.5Z", "2017-06-02T00:00:00Z", 400);
        assert_eq!(account.reissued.iter().map(|it| it.assets.clone()).collect::<Vec<_>>(), [[inside.clone()]]);
        let path = format!("/api/v1/assets/{inside}/data");
        assert_eq!(ask(&mut account, "GET", &path, "", &key).1["id"], inside);
        account.administrator = false;
        let body = r#"{"start_date":"2017-06-01T00:00:00Z","end_date":"2017-06-02T00:00:00Z"}"#;
        assert_eq!(ask(&mut account, "POST", "/api/v1/callbacks/reissue", body, &key).0, 403);
    }

    #[test]
    fn settings_are_replaced_as_a_whole() {
        let mut account = Account::default();
        let (key, path) = (account.api_key.clone(), "/api/v1/user/settings/update");
        let (_, before) = ask(&mut account, "GET", "/api/v1/user/settings", "", &key);
        assert_eq!(before["data"]["auth"]["api_key"], key, "the settings show secrets");
        let mut value = before["data"]["webhook"].clone();
        let mut check = |value: &Value, status: u16| {
            let body = json!({ "key": "webhook", "value": value }).to_string();
            assert_eq!(ask(&mut account, "PATCH", path, &body, &key).0, status, "{body}");
        };
        check(&value, 200);
        value["web_urls"] = "https://a.example/,https://b.example/,https://c.example/".into();
        check(&value, 200);
        value["web_urls"] = "https://a.example/,https://b.example/,https://c.example/,https://d.example/".into();
        check(&value, 400);
        check(&json!({ "web_urls": "" }), 400);
        let urls = ask(&mut account, "GET", "/api/v1/user/settings", "", &key).1["data"]["webhook"]["web_urls"].clone();
        assert_eq!(urls, "https://a.example/,https://b.example/,https://c.example/");
    }

    #[test]
    fn three_wrong_keys_close_the_account() {
        let mut account = Account::default();
        let key = account.api_key.clone();
        for _ in 0..3 {
            assert_eq!(ask(&mut account, "GET", "/api/v1/user/settings", "", "wrong").0, 401);
        }
        assert_eq!(ask(&mut account, "GET", "/api/v1/user/settings", "", &key).0, 429);
    }
}
