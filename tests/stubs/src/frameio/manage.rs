//! Frame.io's webhooks, workspaces and files.

use serde_json::{Value, json};

use super::{Account, fault};
use crate::http::{Reply, Request};

const CREATED: &str = "2026-11-01T10:00:00.123456Z";

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The id.
    pub id: String,
    /// The workspace.
    pub workspace_id: String,
    /// The name.
    pub name: String,
    /// Where deliveries go.
    pub url: String,
    /// The events.
    pub events: Vec<String>,
    /// Whether there are deliveries.
    pub active: bool,
    /// What signs them; only the answer to its creation shows it.
    pub secret: String,
}

impl Webhook {
    fn object(&self) -> Value {
        json!({
            "id": self.id, "workspace_id": self.workspace_id, "name": self.name, "url": self.url, "events": self.events,
            "active": self.active, "created_at": CREATED, "updated_at": CREATED,
        })
    }
}

impl Account {
    /// Answers what is below the account: `path` are its parts.
    pub(super) fn manage(&mut self, request: &Request, path: &[&str]) -> Reply {
        match (request.method.as_str(), path) {
            ("GET", ["workspaces"]) => {
                let object = |id: &String| json!({ "id": id, "name": "Workspace", "account_id": self.id, "created_at": CREATED, "updated_at": CREATED });
                page(request, &format!("/v4/accounts/{}/workspaces", self.id), self.workspaces.iter().map(object).collect())
            }
            (method, ["workspaces", workspace, "webhooks"]) => {
                if !self.workspaces.iter().any(|it| it == workspace) {
                    return fault(404, "Not found");
                }
                match method {
                    "GET" => {
                        let own = self.webhooks.iter().filter(|webhook| webhook.workspace_id == *workspace);
                        let path = format!("/v4/accounts/{}/workspaces/{workspace}/webhooks", self.id);
                        page(request, &path, own.map(Webhook::object).collect())
                    }
                    "POST" => self.create(request, workspace),
                    _ => fault(405, "Method not allowed"),
                }
            }
            (method, ["webhooks", id]) => {
                let Some(place) = self.webhooks.iter().position(|webhook| webhook.id == *id) else {
                    return fault(404, "Not found");
                };
                match method {
                    "GET" => Reply::json(200, &json!({ "data": self.webhooks[place].object() })),
                    "PATCH" => self.patch(request, place),
                    "DELETE" => {
                        self.webhooks.remove(place);
                        Reply { status: 204, ..Reply::default() }
                    }
                    _ => fault(405, "Method not allowed"),
                }
            }
            ("GET", ["files", id]) => {
                let file = self.files.iter().find(|(it, _)| it == id);
                let object = |(id, status): &(String, String)| {
                    json!({ "data": {
                        "id": id, "type": "file", "status": status, "name": "sample.mov", "file_size": 8_836_363,
                        "media_type": "video/quicktime", "project_id": self.project_id, "parent_id": self.project_id,
                        "created_at": CREATED, "updated_at": CREATED, "view_url": format!("https://next.frame.io/project/p/view/{id}"),
                    } })
                };
                file.map_or_else(|| fault(404, "Not found"), |file| Reply::json(200, &object(file)))
            }
            _ => fault(404, "Not found"),
        }
    }

    fn create(&mut self, request: &Request, workspace: &str) -> Reply {
        let number = self.webhooks_made + 1;
        let mut webhook = Webhook {
            id: format!("b0000000-0000-4000-8000-{number:012x}"),
            workspace_id: workspace.into(),
            name: String::new(),
            url: String::new(),
            events: Vec::new(),
            active: true,
            secret: format!("webhook-secret-{number}"),
        };
        if let Some(refusal) = change(&mut webhook, request, true) {
            return refusal;
        }
        self.webhooks_made = number;
        let mut object = webhook.object();
        object["secret"] = webhook.secret.as_str().into();
        self.webhooks.push(webhook);
        Reply::json(201, &json!({ "data": object }))
    }

    fn patch(&mut self, request: &Request, place: usize) -> Reply {
        let mut webhook = self.webhooks[place].clone();
        if let Some(refusal) = change(&mut webhook, request, false) {
            return refusal;
        }
        self.webhooks[place] = webhook;
        Reply::json(200, &json!({ "data": self.webhooks[place].object() }))
    }
}

/// Changes what is given and keeps the rest. Returns why that cannot be.
fn change(webhook: &mut Webhook, request: &Request, whole: bool) -> Option<Reply> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(data) = body["data"].as_object() else { return Some(fault(422, "Missing field: data")) };
    if let Some(missing) = ["events", "name", "url"].iter().find(|name| whole && !data.contains_key(**name)) {
        return Some(fault(422, &format!("Missing field: {missing}")));
    }
    for (name, value) in data {
        match (name.as_str(), value) {
            ("name", Value::String(text)) => webhook.name.clone_from(text),
            ("url", Value::String(text)) => webhook.url.clone_from(text),
            // There is none in a creation.
            ("active", Value::Bool(active)) if !whole => webhook.active = *active,
            ("events", Value::Array(events)) => {
                let known =
                    |event: &&Value| event.as_str().is_some_and(|it| super::EVENTS.iter().any(|(name, _, _)| *name == it));
                if let Some(wrong) = events.iter().find(|event| !known(event)) {
                    return Some(fault(422, &format!("Invalid value for enum: {wrong}")));
                }
                webhook.events = events.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
            _ => return Some(fault(422, &format!("Unexpected field: {name}"))),
        }
    }
    None
}

/// Returns a page of a listing, whose link has nothing of the question but its place.
fn page(request: &Request, path: &str, all: Vec<Value>) -> Reply {
    let size = request.parameter("page_size").map_or(Some(50), |text| text.parse::<usize>().ok());
    let Some(size) = size.filter(|size| (1..=100).contains(size)) else { return fault(422, "page_size must be at most 100") };
    let place = request.parameter("after").and_then(|text| text.strip_prefix("place-")?.parse().ok()).unwrap_or(0_usize);
    let (total, end) = (all.len(), place.saturating_add(size));
    let next = (end < total).then(|| format!("{path}?after=place-{end}"));
    let data: Vec<Value> = all.into_iter().skip(place).take(size).collect();
    let mut answer = json!({ "data": data, "links": { "next": next } });
    if request.parameter("include_total_count") == Some("true") {
        answer["total_count"] = total.into();
    }
    Reply::json(200, &answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(account: &mut Account, method: &str, path: &str, body: &str) -> (u16, Value) {
        let target = format!("/v4/accounts/{}{path}", account.id);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = Request {
            method: method.into(),
            path: path.into(),
            query: query.split('&').filter_map(pair).collect(),
            headers: vec![("Authorization".into(), "Bearer t".into())],
            body: body.into(),
            target: target.clone(),
        };
        let reply = account.answer(&request);
        assert!(reply.status == 401 || reply.headers.iter().any(|(name, _)| *name == "x-ratelimit-window"));
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or_default())
    }

    #[test]
    fn a_secret_is_shown_once_and_a_change_keeps_the_rest() {
        let mut account = Account { tokens: vec!["t".into()], ..Account::default() };
        let webhooks = format!("/workspaces/{}/webhooks", account.workspaces[0]);
        let body = r#"{"data":{"name":"n","url":"https://a.example/","events":["file.ready"]}}"#;
        let (status, made) = ask(&mut account, "POST", &webhooks, body);
        assert_eq!((status, made["data"]["secret"].is_string()), (201, true));
        let own = format!("/webhooks/{}", made["data"]["id"].as_str().expect("an id"));
        let (status, changed) = ask(&mut account, "PATCH", &own, r#"{"data":{"active":false}}"#);
        assert_eq!((status, &changed["data"]["active"], &changed["data"]["name"]), (200, &json!(false), &json!("n")));
        assert_eq!(ask(&mut account, "GET", &own, "").1, changed);
        assert!(changed["data"].get("secret").is_none());
        assert_eq!(ask(&mut account, "POST", &webhooks, body).0, 201);
        let (_, first) = ask(&mut account, "GET", &format!("{webhooks}?page_size=1&include_total_count=true"), "");
        assert_eq!((first["data"].as_array().map(Vec::len), &first["total_count"]), (Some(1), &json!(2)));
        assert!(first["links"]["next"].as_str().expect("a link").ends_with("webhooks?after=place-1"));
        assert_eq!(ask(&mut account, "DELETE", &own, "").0, 204);
        assert_eq!(ask(&mut account, "DELETE", &own, "").0, 404);
        account.files.push(("f".into(), "transcoded".into()));
        assert_eq!(ask(&mut account, "GET", "/files/f", "").1["data"]["status"], "transcoded");
        assert_eq!(ask(&mut account, "GET", "/workspaces", "").1["data"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn tokens_are_made_and_expire() {
        let mut account = Account::default();
        let mut check = |expires_in: u64, secret: &str, status: u16, then: u16| {
            account.expires_in = expires_in;
            let body = format!(
                "grant_type=client_credentials&client_id=client&client_secret={secret}&scope=openid+AdobeID%2Cframe.s2s.all"
            );
            let mut request = Request {
                method: "POST".into(),
                target: "/ims/token/v3".into(),
                path: "/ims/token/v3".into(),
                query: Vec::new(),
                headers: Vec::new(),
                body: body.into(),
            };
            let reply = account.answer(&request);
            let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
            assert_eq!(reply.status, status, "{answer}");
            let token = answer["access_token"].as_str().unwrap_or("none");
            (request.method, request.path) = ("GET".into(), format!("/v4/accounts/{}/workspaces", account.id));
            request.headers = vec![("authorization".into(), format!("Bearer {token}"))];
            assert_eq!(account.answer(&request).status, then, "{answer}");
        };
        check(70, "client-secret", 200, 200);
        check(0, "client-secret", 200, 401);
        check(70, "other", 400, 401);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let mut account = Account { tokens: vec!["t".into()], ..Account::default() };
        let webhooks = format!("/workspaces/{}/webhooks", account.workspaces[0]);
        let mut check = |method: &str, path: &str, body: &str, status: u16| {
            assert_eq!(ask(&mut account, method, path, body).0, status, "{method} {path} {body}");
        };
        check("POST", &webhooks, "{}", 422);
        check("POST", &webhooks, r#"{"data":{"name":"n","url":"https://a.example/"}}"#, 422);
        check("POST", &webhooks, r#"{"data":{"name":"n","url":"https://a.example/","events":["file.seen"]}}"#, 422);
        check("POST", &webhooks, r#"{"data":{"name":"n","url":"https://a.example/","events":[],"active":true}}"#, 422);
        check("POST", "/workspaces/other/webhooks", "{}", 404);
        check("GET", &format!("{webhooks}?page_size=101"), "", 422);
        check("GET", "/audit_logs?page_size=101", "", 422);
        check("GET", "/files/f", "", 404);
        check("PUT", &webhooks, "", 405);
        account.tokens.clear();
        assert_eq!(ask(&mut account, "GET", "/workspaces", "").0, 401);
    }
}
