//! The bodies that Frame.io sends. Webhook events, custom actions and those of the legacy API are read by one struct, because only a body
//! that has been read shows what it is.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::provider::json::{Lenient, Object};

/// A body of any kind.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    #[serde(rename = "type")]
    pub(super) event_type: Lenient<String>,
    /// The event's name, in the field that the first webhooks used.
    pub(super) name: Lenient<String>,
    pub(super) account: Reference,
    pub(super) project: Reference,
    pub(super) resource: Lenient<Object<Resource>>,
    /// The assets of an action on several assets, instead of `resource` or beside it.
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

/// A reference of the form `{"id": …}`.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Reference(Lenient<Object<Id>>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Id {
    id: Lenient<String>,
}

impl Reference {
    /// Returns the id, empty where there is none.
    pub(super) fn id(self) -> String {
        self.0.into_inner().and_then(|object| object.id.0).unwrap_or_default()
    }
}

/// A resource of the form `{"id": …, "type": …}`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource {
    pub(super) id: Lenient<String>,
    #[serde(rename = "type")]
    pub(super) resource_type: Lenient<String>,
}
