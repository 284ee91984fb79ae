//! Uploadcare's REST API 0.7: the listings of files, and webhooks.

mod webhooks;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::{
    http::{Reply, Request},
    time::{Micros, SECOND, read, shortest},
};

pub use webhooks::Webhook;

const MEDIA_TYPE: &str = "application/vnd.uploadcare-v0.7+json";
/// How far the `Date` of a signed request may be off.
const CLOCK: Micros = 15 * 60 * SECOND;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The id.
    pub uuid: String,
    /// When it was uploaded.
    pub uploaded: Micros,
    /// When it was stored; none once it is removed.
    pub stored: Option<Micros>,
    /// When it was removed.
    pub removed: Option<Micros>,
    /// When a scan found malware.
    pub infected: Option<Micros>,
}

/// The order of the files on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageOrder {
    /// The one that was asked for.
    Documented,
    /// The other way round.
    NewestFirst,
}

/// A project.
#[derive(Debug)]
pub struct Project {
    /// The public key.
    pub public_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The files, in any order.
    pub files: Vec<File>,
    /// The time, if signed requests are to be judged by it.
    pub now: Option<Micros>,
    /// Whether `next` repeats every parameter, or has only its own.
    pub next_repeats_all: bool,
    /// The host that `next` names instead of the project's own.
    pub next_host: Option<String>,
    /// The order of the files on each page.
    pub order: PageOrder,
    /// Whether `next` leads to the same page for ever.
    pub stuck: bool,
    /// Whether `total` is 0 whatever there is, which was seen.
    pub total_is_zero: bool,
    /// The time before which files are counted, but not listed in the order of their upload.
    pub hidden_until: Option<Micros>,
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
    /// Why the project may have none, if it may not.
    pub no_webhooks: Option<String>,
    /// The targets that it may not have.
    pub forbidden_targets: Vec<String>,
}

impl Default for Project {
    fn default() -> Self {
        Self {
            public_key: "demopublickey".into(),
            secret_key: "demoprivatekey".into(),
            files: Vec::new(),
            now: None,
            next_repeats_all: false,
            next_host: None,
            order: PageOrder::Documented,
            stuck: false,
            total_is_zero: false,
            hidden_until: None,
            webhooks: Vec::new(),
            no_webhooks: None,
            forbidden_targets: Vec::new(),
        }
    }
}

fn fault(status: u16, detail: &str) -> Reply {
    Reply::json(status, &json!({ "detail": detail }))
}

impl Project {
    /// Adds a file and returns its id.
    pub fn upload(&mut self, at: Micros) -> String {
        let number = self.files.len() + 1;
        let uuid = format!("{number:08x}-0000-4000-8000-{number:012x}");
        self.files.push(File { uuid: uuid.clone(), uploaded: at, stored: None, removed: None, infected: None });
        uuid
    }

    /// Returns a file.
    ///
    /// # Panics
    ///
    /// Panics if there is no such file.
    pub fn file(&mut self, uuid: &str) -> &mut File {
        self.files.iter_mut().find(|file| file.uuid == uuid).expect("the file is there")
    }

    /// Removes a file, which forgets when it was stored.
    pub fn remove(&mut self, uuid: &str, at: Micros) {
        let file = self.file(uuid);
        (file.removed, file.stored) = (Some(at), None);
    }

    pub(crate) fn answer(&self, request: &Request, host: &str) -> Reply {
        if let Some(refusal) = self.refusal(request) {
            return refusal;
        }
        let mut reply = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/files/") => self.list(request, host),
            ("GET", path) if path.ends_with('/') => {
                let uuid = path.trim_start_matches("/files/").trim_end_matches('/');
                let file = self.files.iter().find(|file| file.uuid == uuid);
                file.map_or_else(|| fault(404, "Not found."), |file| Reply::json(200, &object(file, with_appdata(request))))
            }
            _ => fault(404, "Not found."),
        };
        reply.headers = vec![("content-type", MEDIA_TYPE.into())];
        reply
    }

    /// Returns why a request is refused before it is looked at.
    fn refusal(&self, request: &Request) -> Option<Reply> {
        if request.header("accept") != Some(MEDIA_TYPE) {
            return Some(fault(406, "Incorrect Accept header provided. Please specify the version."));
        }
        let authorization = request.header("authorization").unwrap_or_default();
        if authorization.starts_with("Uploadcare.Simple ") {
            return Some(fault(
                400,
                "Simple authentication over HTTP is forbidden. Please, use HTTPS or signed requests instead.",
            ));
        }
        let Some((key, signature)) = authorization.strip_prefix("Uploadcare ").and_then(|rest| rest.split_once(':')) else {
            return Some(fault(401, "Incorrect authentication credentials."));
        };
        if key != self.public_key {
            return Some(fault(401, &format!("Public key {key:?} not found.")));
        }
        // The header's own text is signed, also where it is not the usual one.
        let date = request.header("x-uploadcare-date").or(request.header("date")).unwrap_or_default();
        let content_type = request.header("content-type").unwrap_or_default();
        if sign(&self.secret_key, &request.method, &request.body, content_type, date, &request.target) != signature {
            return Some(fault(401, "Invalid signature. Please check your Secret key."));
        }
        let late = self.now.is_some_and(|now| from_date(date).is_none_or(|date| (now - date).abs() > CLOCK));
        late.then(|| fault(401, "Date is too far off."))
    }

    fn list(&self, request: &Request, host: &str) -> Reply {
        let flag = |name: &str| request.parameter(name).map(|text| text == "true");
        let limit = request.parameter("limit").map_or(Some(100), |text| text.parse::<usize>().ok());
        let Some(limit) = limit.filter(|limit| (1..=1000).contains(limit)) else {
            return fault(400, "limit must be a number from 1 to 1000.");
        };
        let descending = match request.parameter("ordering") {
            None | Some("datetime_uploaded") => false,
            Some("-datetime_uploaded") => true,
            Some(_) => return fault(400, "Ordering is not supported."),
        };
        let from = match request.parameter("from").map(read) {
            Some(None) => return fault(400, "from is no time."),
            other => other.flatten(),
        };
        let removed = flag("removed") == Some(true);
        let mut found: Vec<&File> = self.files.iter().filter(|file| file.removed.is_some() == removed).collect();
        found.retain(|file| flag("stored").is_none_or(|stored| file.stored.is_some() == stored));
        found.sort_by_key(|file| file.uploaded);
        if descending {
            found.reverse();
        }
        let counted = found.len();
        found.retain(|file| descending || self.hidden_until.is_none_or(|hidden| file.uploaded >= hidden));
        // The instant itself is left out.
        found.retain(|file| from.is_none_or(|from| if descending { file.uploaded < from } else { file.uploaded > from }));
        let offset = request.parameter("offset").and_then(|text| text.parse().ok()).unwrap_or(0);
        let total = found.len();
        let page: Vec<&File> = found.into_iter().skip(offset).take(limit).collect();
        let more = offset + page.len() < total;
        let next = page.last().filter(|_| more || self.stuck).map(|last| self.next(request, host, limit, last.uploaded));
        let mut results: Vec<Value> = page.iter().map(|file| object(file, with_appdata(request))).collect();
        if self.order == PageOrder::NewestFirst {
            results.reverse();
        }
        // Both counts are of the project's files, whenever they were uploaded.
        let counted = if self.total_is_zero { 0 } else { counted };
        let is =
            |state: fn(&File) -> bool| if self.total_is_zero { 0 } else { self.files.iter().filter(|file| state(file)).count() };
        let totals = json!({
            "removed": is(|file| file.removed.is_some()), "stored": is(|file| file.removed.is_none() && file.stored.is_some()),
            "unstored": is(|file| file.removed.is_none() && file.stored.is_none()),
        });
        Reply::json(
            200,
            &json!({ "next": next, "previous": null, "total": counted, "totals": totals, "per_page": limit, "results": results }),
        )
    }

    fn next(&self, request: &Request, host: &str, limit: usize, last: Micros) -> String {
        let host = self.next_host.as_deref().unwrap_or(host);
        let from = utf8_percent_encode(&shortest(last).replace('Z', "+00:00"), NON_ALPHANUMERIC).to_string();
        let own = format!("limit={limit}&from={from}&offset=0");
        let kept = ["removed", "include", "ordering", "stored"].iter().filter(|_| self.next_repeats_all);
        let kept: String = kept.filter_map(|name| Some(format!("&{name}={}", request.parameter(name)?))).collect();
        format!("http://{host}/files/?{own}{kept}")
    }
}

fn with_appdata(request: &Request) -> bool {
    request.parameter("include") == Some("appdata")
}

pub(crate) fn object(file: &File, with_appdata: bool) -> Value {
    let time = |time: Option<Micros>| time.map(shortest);
    let mut object = json!({
        "uuid": file.uuid, "datetime_uploaded": shortest(file.uploaded), "datetime_stored": time(file.stored),
        "datetime_removed": time(file.removed), "original_filename": "photo.jpg", "size": 1024, "mime_type": "image/jpeg",
        "is_image": true, "is_ready": true, "url": format!("https://api.uploadcare.com/files/{}/", file.uuid),
        "original_file_url": file.removed.is_none().then(|| format!("https://ucarecdn.com/{}/photo.jpg", file.uuid)),
        "variations": null, "content_info": null, "metadata": {}, "tags": [],
    });
    if with_appdata {
        let scan = file.infected.map(|at| {
            json!({ "data": { "infected": true, "infected_with": "Win.Test.EICAR_HDB-1" }, "version": "1.0.1",
                "datetime_created": shortest(at), "datetime_updated": shortest(at) })
        });
        object["appdata"] = scan.map_or_else(|| json!({}), |scan| json!({ "uc_clamav_virus_scan": scan }));
    }
    object
}

/// Returns the signature of a request.
pub fn sign(secret: &str, method: &str, body: &[u8], content_type: &str, date: &str, target: &str) -> String {
    let text = format!("{method}\n{}\n{content_type}\n{date}\n{target}", hex::encode(Md5::digest(body)));
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Reads the date of a request, such as `Mon, 05 Nov 2018 13:14:41 GMT`, also with a comma too many.
fn from_date(text: &str) -> Option<Micros> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [_, day, month, year, clock, "GMT"] = *words else { return None };
    let month = MONTHS.iter().position(|it| *it == month)? + 1;
    read(&format!("{year}-{month:02}-{day:0>2}T{clock}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Uploadcare's `OpenAPI` document.
    #[test]
    fn the_signature_is_the_documented_one() {
        let date = "Mon, 05 Nov 2018 13:14:41 GMT";
        let signature = sign("demoprivatekey", "GET", b"", "application/json", date, "/files/?limit=1&stored=true");
        assert_eq!(signature, "3cbc4d2cf91f80c1ba162b926f8a975e8bec7995");
    }

    #[test]
    fn dates_are_read_with_a_comma_too_many() {
        let time = read("2018-11-05T13:14:41Z");
        for text in ["Mon, 05 Nov 2018 13:14:41 GMT", "Mon, 05 Nov 2018, 13:14:41 GMT", "Mon, 5 Nov 2018 13:14:41 GMT"] {
            assert_eq!(from_date(text), time, "{text}");
        }
        assert_eq!(from_date("2018-11-05T13:14:41Z"), None);
    }

    fn request(project: &Project, query: &str) -> Request {
        let target = format!("/files/?{query}");
        let date = "Mon, 05 Nov 2018 13:14:41 GMT";
        let signature = sign(&project.secret_key, "GET", b"", "application/json", date, &target);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Request {
            method: "GET".into(),
            path: "/files/".into(),
            query: query.split('&').filter_map(|it| it.split_once('=')).map(|(name, value)| header(name, value)).collect(),
            headers: vec![
                header("Accept", MEDIA_TYPE),
                header("Authorization", &format!("Uploadcare {}:{signature}", project.public_key)),
                header("Content-Type", "application/json"),
                header("Date", date),
            ],
            body: Vec::new(),
            target,
        }
    }

    fn listed(project: &Project, query: &str) -> (Vec<String>, Value) {
        let reply = project.answer(&request(project, query), "stub");
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let uuids = body["results"].as_array().expect("results").iter();
        (uuids.map(|file| file["uuid"].as_str().expect("a uuid")[..8].trim_start_matches('0').to_owned()).collect(), body)
    }

    #[test]
    fn listings_are_as_documented() {
        fn check(project: &Project, query: &str, expected: &[&str], more: bool) {
            let (uuids, body) = listed(project, query);
            assert_eq!(
                (uuids.iter().map(String::as_str).collect::<Vec<_>>(), body["next"].is_string()),
                (expected.to_vec(), more)
            );
        }
        let mut project = Project::default();
        let times = [10, 20, 20, 30].map(|seconds| seconds * SECOND);
        let uuids = times.map(|at| project.upload(at));
        project.file(&uuids[0]).stored = Some(40 * SECOND);
        project.remove(&uuids[3], 50 * SECOND);
        check(&project, "removed=false", &["1", "2", "3"], false);
        check(&project, "", &["1", "2", "3"], false);
        check(&project, "removed=true", &["4"], false);
        check(&project, "removed=true&stored=true", &[], false);
        check(&project, "stored=true", &["1"], false);
        check(&project, "limit=2", &["1", "2"], true);
        check(&project, "from=1970-01-01T00:00:10Z", &["2", "3"], false);
        check(&project, "from=1970-01-01T00:00:09.999999Z", &["1", "2", "3"], false);
        check(&project, "ordering=-datetime_uploaded", &["3", "2", "1"], false);
        // The link of the first page leaves out a file of the same instant.
        assert!(listed(&project, "limit=2").1["next"].as_str().expect("a link").contains("from=1970%2D01%2D01T00%3A00%3A20"));
        for wrong in ["limit=0", "limit=1001", "ordering=size", "from=soon"] {
            assert_eq!(project.answer(&request(&project, wrong), "stub").status, 400, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_signed_rightly_is_refused() {
        let project = Project { now: read("2018-11-05T13:20:00Z"), ..Project::default() };
        let check = |change: &dyn Fn(&mut Request), status: u16| {
            let mut request = request(&project, "limit=1");
            change(&mut request);
            assert_eq!(project.answer(&request, "stub").status, status);
        };
        check(&|_| {}, 200);
        check(&|request| request.headers.remove(0).0.clear(), 406);
        check(&|request| request.target.push('0'), 401);
        check(&|request| request.headers[1].1 = "Uploadcare.Simple a:b".into(), 400);
        check(&|request| request.headers[1].1 = "Uploadcare other:b".into(), 401);
        check(&|request| request.headers[3].1.push(' '), 401);
        let late = Project { now: read("2018-11-05T13:30:00Z"), ..Project::default() };
        assert_eq!(late.answer(&request(&late, ""), "stub").status, 401);
    }
}
