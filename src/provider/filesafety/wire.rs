//! The bodies that FileSafety sends, in the current and in the older generation of its API.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::provider::json::{Exact, Lenient, Object};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    pub(super) event: Lenient<String>,
    pub(super) scan_id: Lenient<String>,
    pub(super) verdict: Lenient<String>,
    /// The status of a scan. Only answers of the API have it, and there a failed scan has no verdict.
    pub(super) status: Lenient<String>,
    pub(super) virus: Lenient<Object<Virus>>,
    pub(super) nsfw: Lenient<Object<Nsfw>>,
    #[serde(borrow)]
    pub(super) text: Lenient<Object<Text<'a>>>,
    pub(super) file_hash: Lenient<String>,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    pub(super) completed_at: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Virus {
    pub(super) clean: Lenient<bool>,
    pub(super) engine: Lenient<String>,
    pub(super) signature: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Nsfw {
    pub(super) clean: Lenient<bool>,
    pub(super) categories: Lenient<Vec<String>>,
    pub(super) confidence: Lenient<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Text<'a> {
    pub(super) clean: Lenient<bool>,
    #[serde(borrow)]
    pub(super) toxic: Lenient<Object<Toxic<'a>>>,
    #[serde(borrow)]
    pub(super) pii: Lenient<Object<Pii<'a>>>,
    pub(super) sentiment: Lenient<Object<Sentiment>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Toxic<'a> {
    #[serde(borrow)]
    pub(super) labels: Exact<'a, Vec<String>>,
    /// The highest score. This is the only name in camel case.
    #[serde(rename = "maxScore")]
    pub(super) max_score: Lenient<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Pii<'a> {
    #[serde(borrow)]
    pub(super) entities: Exact<'a, Vec<String>>,
    pub(super) count: Lenient<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sentiment {
    pub(super) dominant: Lenient<String>,
    pub(super) scores: Lenient<BTreeMap<String, f64>>,
}
