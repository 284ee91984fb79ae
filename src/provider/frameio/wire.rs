//! The body as Frame.io writes it: webhook events, custom actions and the legacy API's in one shape, because what it is shows
//! only once it is read.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::provider::json::{Lenient, Object};

/// Any body.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    #[serde(rename = "type")]
    pub(super) event_type: Lenient<String>,
    /// The event's name where the first webhooks had it.
    pub(super) name: Lenient<String>,
    pub(super) account: Reference,
    pub(super) project: Reference,
    pub(super) resource: Lenient<Object<Resource>>,
    /// What an action on several assets names, instead of `resource` or beside it.
    pub(super) resources: Lenient<Vec<Object<Resource>>>,
    pub(super) user: Reference,
    pub(super) workspace: Reference,
    pub(super) team: Reference,
    pub(super) account_id: Lenient<String>,
    pub(super) action_id: Lenient<String>,
    pub(super) interaction_id: Lenient<String>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

/// `{"id": …}`.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Reference(Lenient<Object<Id>>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Id {
    id: Lenient<String>,
}

impl Reference {
    /// The id, empty where there is none.
    pub(super) fn id(self) -> String {
        self.0.into_inner().and_then(|object| object.id.0).unwrap_or_default()
    }
}

/// `{"id": …, "type": …}`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource {
    pub(super) id: Lenient<String>,
    #[serde(rename = "type")]
    pub(super) resource_type: Lenient<String>,
}
