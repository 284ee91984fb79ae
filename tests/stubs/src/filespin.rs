//! FileSpin's API: the search, the reissue of callbacks, and the settings.

mod manage;

use serde_json::{Value, json};

use crate::{
    http::{Reply, Request},
    time::{Micros, read, write},
};

pub use manage::Reissue;

/// An asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The id.
    pub id: String,
    /// `NOT_READY`, `OK`, `ERROR` or `ARCHIVED`.
    pub status: String,
    /// When it was uploaded, in whole seconds.
    pub uploaded: Micros,
    /// When it was changed last, in whole seconds.
    pub updated: Micros,
    /// Whether it is deleted.
    pub trashed: bool,
}

/// An account.
#[derive(Debug)]
pub struct Account {
    /// The key.
    pub api_key: String,
    /// Whether the key is an administrator's.
    pub administrator: bool,
    /// The assets.
    pub assets: Vec<Asset>,
    /// How many requests with a wrong key there were; after three, nothing is answered any more.
    pub mistakes: u32,
    /// The searches so far.
    searches: Vec<Vec<Asset>>,
    /// Whether the pages of a search are gone after the first.
    pub searches_expire: bool,
    /// The URLs of the webhooks, in one text.
    pub web_urls: String,
    /// Which events there are callbacks for.
    pub callback_events: Value,
    /// The reissues that were asked for.
    pub reissued: Vec<Reissue>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            api_key: "0123456789abcdef0123456789abcdef".into(),
            administrator: true,
            assets: Vec::new(),
            mistakes: 0,
            searches: Vec::new(),
            searches_expire: false,
            web_urls: "https://elsewhere.example.com/receiver, https://hooks.example.com/webhooks/filespin".into(),
            callback_events: json!({
                "file-saved": true, "file-processed": true, "file-data-updated": true, "file-deleted": true,
                "file-undeleted": true, "addon-processed": false, "file-seen": true,
            }),
            reissued: Vec::new(),
        }
    }
}

impl Account {
    /// Adds an asset and returns its id.
    pub fn upload(&mut self, status: &str, uploaded: Micros, updated: Micros) -> String {
        let id = format!("{:032x}", self.assets.len() + 1);
        self.assets.push(Asset { id: id.clone(), status: status.into(), uploaded, updated, trashed: false });
        id
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        let fault = |status, text: &str| Reply::json(status, &json!({ "message": text }));
        if self.mistakes >= 3 {
            return fault(429, "Too many invalid requests. Contact support.");
        }
        if request.header("x-filespin-api-key") != Some(&self.api_key) {
            self.mistakes += 1;
            return fault(401, "Invalid key");
        }
        let Some(rest) = request.path.strip_prefix("/api/v1/search") else { return self.manage(request) };
        match (request.method.as_str(), rest) {
            ("POST", "") => self.search(&request.body),
            ("GET", rest) => {
                let mut parts = rest.trim_start_matches('/').split('/').map(|part| part.parse::<usize>().ok());
                let (search, page) = (parts.next().flatten(), parts.next().flatten());
                let found = search.and_then(|search| self.searches.get(search)).filter(|_| !self.searches_expire);
                match (found, page) {
                    (Some(found), Some(page)) if page >= 2 => Reply::json(200, &json!({ "result": page_of(found, page, 50) })),
                    _ => fault(404, "No such search"),
                }
            }
            _ => fault(405, "Not allowed"),
        }
    }

    fn search(&mut self, body: &[u8]) -> Reply {
        let Ok(question) = serde_json::from_slice::<Value>(body) else {
            return Reply::json(400, &json!({ "message": "no JSON" }));
        };
        let trashed = question["trashed"] == true;
        if trashed && !self.administrator {
            return Reply::json(403, &json!({ "message": "Only for administrators" }));
        }
        let time = |name: &str| question["upload_time_range"][name].as_str().and_then(read);
        let within = |asset: &&Asset| {
            time("start").is_none_or(|start| asset.uploaded >= start) && time("end").is_none_or(|end| asset.uploaded <= end)
        };
        let mut found: Vec<Asset> = self.assets.iter().filter(|asset| asset.trashed == trashed).filter(within).cloned().collect();
        found.sort_by_key(|asset| asset.uploaded);
        let pages = found.len().div_ceil(50);
        let answer = json!({ "result": page_of(&found, 1, 50), "search_result_id": self.searches.len(), "total_pages": pages });
        self.searches.push(found);
        Reply::json(200, &answer)
    }
}

fn page_of(found: &[Asset], page: usize, size: usize) -> Vec<Value> {
    found.iter().skip((page - 1) * size).take(size).map(object).collect()
}

pub(crate) fn object(asset: &Asset) -> Value {
    json!({
        "id": asset.id, "status": asset.status, "name": "sample.mov", "size": 8_836_363, "content_type": "video/quicktime",
        "upload_time": write(asset.uploaded, 0), "update_time": write(asset.updated, 0), "conversions": {}, "metadata": {},
    })
}
