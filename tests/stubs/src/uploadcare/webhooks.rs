//! Uploadcare's webhooks: one subscription for each event.

use serde_json::{Map, Value, json};

use super::{MEDIA_TYPE, Project, fault};
use crate::http::{Reply, Request};

/// The events that there are.
pub(super) const EVENTS: [&str; 5] = ["file.uploaded", "file.stored", "file.deleted", "file.info_updated", "file.infected"];
const CREATED: &str = "2026-11-01T10:00:00.123456Z";

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The id.
    pub id: u64,
    /// The event.
    pub event: String,
    /// Where deliveries go.
    pub target_url: String,
    /// Whether there are deliveries.
    pub is_active: bool,
    /// What signs them, if they are signed.
    pub signing_secret: Option<String>,
    /// When it was changed last.
    pub updated: String,
}

impl Webhook {
    fn object(&self) -> Value {
        json!({
            "id": self.id, "project": 13, "created": CREATED, "updated": self.updated, "event": self.event,
            "target_url": self.target_url, "is_active": self.is_active, "signing_secret": self.signing_secret, "version": "0.7",
        })
    }
}

fn of_field(name: &str, text: &str) -> Reply {
    Reply::json(400, &json!({ name: [text] }))
}

impl Project {
    pub(crate) fn answer_webhooks(&mut self, request: &Request) -> Reply {
        let mut reply = self.refusal(request).unwrap_or_else(|| self.webhooks_of(request));
        reply.headers = vec![("content-type", MEDIA_TYPE.into())];
        reply
    }

    fn webhooks_of(&mut self, request: &Request) -> Reply {
        if let Some(reason) = &self.no_webhooks {
            return fault(400, reason);
        }
        let Some(fields) = request.fields() else { return fault(400, "JSON parse error") };
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/webhooks/") => Reply::json(200, &self.webhooks.iter().map(Webhook::object).collect()),
            ("POST", "/webhooks/") => self.subscribe(&fields),
            ("DELETE", "/webhooks/unsubscribe/") => {
                let Some(target) = fields.get("target_url") else { return fault(400, "`target_url` is missing.") };
                self.webhooks.retain(|webhook| *target != webhook.target_url);
                Reply { status: 204, ..Reply::default() }
            }
            (method, path) => {
                let id = path.strip_prefix("/webhooks/").and_then(|rest| rest.strip_suffix('/')).and_then(|id| id.parse().ok());
                let Some(place) = self.webhooks.iter().position(|webhook| Some(webhook.id) == id) else {
                    return fault(404, "Not found.");
                };
                match method {
                    "GET" => Reply::json(200, &self.webhooks[place].object()),
                    "PUT" => self.change(place, &fields),
                    "DELETE" => {
                        self.webhooks.remove(place);
                        Reply { status: 204, ..Reply::default() }
                    }
                    _ => fault(405, "Method not allowed."),
                }
            }
        }
    }

    fn subscribe(&mut self, fields: &Map<String, Value>) -> Reply {
        for name in ["target_url", "event"] {
            if !fields.contains_key(name) {
                return of_field(name, "This field is required.");
            }
        }
        if fields.get("version").is_some_and(|version| version != "0.7") {
            return fault(400, "Invalid version");
        }
        let id = self.webhooks.iter().map(|webhook| webhook.id).max().unwrap_or(1_473_150) + 1;
        let empty = Webhook {
            id,
            event: String::new(),
            target_url: String::new(),
            is_active: true,
            signing_secret: None,
            updated: CREATED.into(),
        };
        match self.changed(&empty, fields) {
            Ok(webhook) => {
                self.webhooks.push(webhook.clone());
                Reply::json(201, &webhook.object())
            }
            Err(refusal) => *refusal,
        }
    }

    /// Changes what is given and keeps the rest.
    fn change(&mut self, place: usize, fields: &Map<String, Value>) -> Reply {
        if fields.contains_key("version") {
            return fault(400, "WebHook version updates are not allowed.");
        }
        match self.changed(&self.webhooks[place], fields) {
            Ok(webhook) => {
                self.webhooks[place] = Webhook { updated: "2026-11-02T10:00:00.12345Z".into(), ..webhook };
                Reply::json(200, &self.webhooks[place].object())
            }
            Err(refusal) => *refusal,
        }
    }

    /// Returns a webhook with these fields, or why there can be none.
    fn changed(&self, webhook: &Webhook, fields: &Map<String, Value>) -> Result<Webhook, Box<Reply>> {
        let mut webhook = webhook.clone();
        let text = |name: &str| fields.get(name).map(|value| value.as_str().unwrap_or_default().to_owned());
        if let Some(target) = text("target_url") {
            if let Some(refusal) = self.target_is_wrong(&target) {
                return Err(Box::new(refusal));
            }
            webhook.target_url = target;
        }
        if let Some(event) = text("event") {
            if !EVENTS.contains(&event.as_str()) {
                return Err(Box::new(of_field("event", &format!("{event:?} is not a valid choice."))));
            }
            webhook.event = event;
        }
        if let Some(active) = fields.get("is_active") {
            // A form has words for it.
            webhook.is_active =
                active.as_bool().unwrap_or_else(|| active.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")));
        }
        if let Some(secret) = fields.get("signing_secret") {
            // A null takes the secret away.
            webhook.signing_secret = secret.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            if webhook.signing_secret.as_ref().is_some_and(|secret| secret.len() > 32) {
                return Err(Box::new(of_field("signing_secret", "Ensure this field has no more than 32 characters.")));
            }
        }
        let same = |it: &&Webhook| it.id != webhook.id && it.event == webhook.event && it.target_url == webhook.target_url;
        if self.webhooks.iter().find(same).is_some() {
            return Err(Box::new(of_field("non_field_errors", "This project is already subscribed on this event")));
        }
        Ok(webhook)
    }

    fn target_is_wrong(&self, target: &str) -> Option<Reply> {
        let rest = target.strip_prefix("http://").or_else(|| target.strip_prefix("https://"));
        let host = rest.map_or("", |rest| rest.split(['/', ':', '?']).next().unwrap_or_default());
        // The true one looks the name up; this one knows the usual private names.
        let private = ["localhost", "127.", "10.", "192.168."].iter().any(|start| host.starts_with(start));
        if host.is_empty() || target.len() > 255 {
            return Some(of_field("target_url", "Enter a valid URL."));
        }
        if private {
            return Some(of_field("target_url", "The host must have a public address."));
        }
        self.forbidden_targets.iter().any(|it| it == target).then(|| fault(403, "Webhooks are not available for this target."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(project: &mut Project, method: &str, path: &str, body: &str, content_type: &str) -> (u16, Value) {
        let date = "Mon, 05 Nov 2018 13:14:41 GMT";
        let signature = super::super::sign(&project.secret_key, method, body.as_bytes(), content_type, date, path);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            method: method.into(),
            target: path.into(),
            path: path.into(),
            query: Vec::new(),
            headers: vec![
                header("Accept", MEDIA_TYPE),
                header("Authorization", &format!("Uploadcare {}:{signature}", project.public_key)),
                header("Content-Type", content_type),
                header("X-Uploadcare-Date", date),
            ],
            body: body.into(),
        };
        let reply = project.answer_webhooks(&request);
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn webhooks_are_made_changed_and_removed() {
        let mut project = Project::default();
        let form = "target_url=https%3A%2F%2Fhooks.example.com%2Fu&event=file.uploaded&is_active=true&signing_secret=s";
        let (status, made) = ask(&mut project, "POST", "/webhooks/", form, FORM);
        assert_eq!((status, &made["signing_secret"]), (201, &json!("s")));
        let path = format!("/webhooks/{}/", made["id"]);
        let (status, changed) = ask(&mut project, "PUT", &path, r#"{"is_active":false}"#, JSON);
        assert_eq!((status, &changed["is_active"], &changed["signing_secret"]), (200, &json!(false), &json!("s")));
        // What older clients send takes the secret away.
        let (_, changed) = ask(&mut project, "PUT", &path, r#"{"is_active":true,"signing_secret":null}"#, JSON);
        assert_eq!((&changed["is_active"], &changed["signing_secret"]), (&json!(true), &Value::Null));
        assert_eq!(ask(&mut project, "GET", "/webhooks/", "", JSON).1, json!([changed]));
        assert_eq!(ask(&mut project, "GET", &path, "", JSON).1, changed);
        assert_eq!(ask(&mut project, "DELETE", &path, "", JSON).0, 204);
        assert_eq!(ask(&mut project, "GET", &path, "", JSON).0, 404);
        assert_eq!(ask(&mut project, "DELETE", "/webhooks/unsubscribe/", r#"{"target_url":"https://a.example/"}"#, JSON).0, 204);
    }

    #[test]
    fn refusals_have_three_shapes() {
        let mut project = Project { forbidden_targets: vec!["https://no.example/".into()], ..Project::default() };
        let body = r#"{"target_url":"https://a.example/","event":"file.stored"}"#;
        let (_, made) = ask(&mut project, "POST", "/webhooks/", body, JSON);
        let path = format!("/webhooks/{}/", made["id"]);
        let mut check = |method: &str, path: &str, body: &str, status: u16, key: &str| {
            let answer = ask(&mut project, method, path, body, JSON);
            assert_eq!(answer.0, status, "{body}: {answer:?}");
            assert!(answer.1.get(key).is_some(), "{body}: {answer:?}");
        };
        check("POST", "/webhooks/", body, 400, "non_field_errors");
        check("POST", "/webhooks/", r#"{"event":"file.stored"}"#, 400, "target_url");
        check("POST", "/webhooks/", r#"{"target_url":"http://127.0.0.1/","event":"file.stored"}"#, 400, "target_url");
        check("POST", "/webhooks/", r#"{"target_url":"https://a.example/","event":"file.seen"}"#, 400, "event");
        check("POST", "/webhooks/", r#"{"target_url":"https://no.example/","event":"file.stored"}"#, 403, "detail");
        check(
            "POST",
            "/webhooks/",
            r#"{"target_url":"https://b.example/","event":"file.stored","version":"0.6"}"#,
            400,
            "detail",
        );
        check("POST", "/webhooks/", "{", 400, "detail");
        check("PUT", &path, r#"{"version":"0.7"}"#, 400, "detail");
        check("PUT", "/webhooks/7/", "{}", 404, "detail");
        check("DELETE", "/webhooks/unsubscribe/", "{}", 400, "detail");
        project.no_webhooks = Some("You can't use webhooks".into());
        assert_eq!(ask(&mut project, "GET", "/webhooks/", "", JSON).1, json!({ "detail": "You can't use webhooks" }));
    }
}
