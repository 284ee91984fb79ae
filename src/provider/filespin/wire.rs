//! The bodies that FileSpin sends. One struct reads both formats, assets and deletions, because only a body that has been read shows which
//! format it has.

use std::collections::BTreeMap;

use serde::{
    Deserialize,
    de::{MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use crate::provider::json::{self, Exact, Field, Lenient, Object, Time};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    pub(super) event: Lenient<String>,
    pub(super) id: Lenient<String>,
    /// The asset's state, or a deletion's outcome: one key with two vocabularies.
    pub(super) status: Lenient<String>,
    /// The errors of an asset or of a deletion. Both shapes are undocumented: the guide reads the field of assets, and the examples of
    /// deletions show an object of strings.
    #[serde(borrow)]
    pub(super) errors: Exact<'a, BTreeMap<String, String>>,

    // The following fields are only in assets.
    pub(super) name: Lenient<String>,
    pub(super) size: Lenient<u64>,
    pub(super) checksum: Lenient<String>,
    pub(super) provider: Lenient<String>,
    pub(super) storage_type: Lenient<String>,
    pub(super) bucket: Lenient<String>,
    pub(super) key: Lenient<String>,
    pub(super) public: Lenient<bool>,
    pub(super) content_type: Lenient<String>,
    pub(super) creator_id: Lenient<i64>,
    pub(super) upload_time: Lenient<Time>,
    pub(super) update_user_id: Lenient<i64>,
    pub(super) update_time: Lenient<Time>,
    pub(super) upload_source: Lenient<String>,
    pub(super) data_schema_id: Lenient<i64>,
    #[serde(borrow)]
    pub(super) metadata: Exact<'a, Object<Metadata>>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    pub(super) conversions: Lenient<BTreeMap<String, Object<Conversion>>>,
    #[serde(borrow)]
    pub(super) addons_info: Lenient<Addons<'a>>,
    #[serde(borrow)]
    pub(super) urls: Option<&'a RawValue>,

    // The following fields are only in deletions.
    #[serde(borrow)]
    pub(super) keys: Exact<'a, KeyList>,
    pub(super) message: Lenient<String>,
    /// The name of `message` in the API reference's example of a success.
    #[serde(rename = "statusMsg")]
    pub(super) status_msg: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) width: Lenient<u64>,
    pub(super) height: Lenient<u64>,
    pub(super) duration: Lenient<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Conversion {
    pub(super) storage_type: Lenient<String>,
    pub(super) bucket: Lenient<String>,
    pub(super) key: Lenient<String>,
    pub(super) width: Lenient<u64>,
    pub(super) height: Lenient<u64>,
    pub(super) duration: Lenient<f64>,
    pub(super) size: Lenient<u64>,
    pub(super) public: Lenient<bool>,
    pub(super) watermarked: Lenient<bool>,
}

/// The entries of all add-ons, in the order of their names.
pub(super) struct Addons<'a>(pub(super) BTreeMap<String, Exact<'a, Object<Addon>>>);

impl<'de: 'a, 'a> Field<'de> for Addons<'a> {
    fn map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        json::entries(map).map(|entries| Some(Self(entries)))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Addon {
    pub(super) available: Lenient<bool>,
}

/// The elements of `keys`, if it is an array. An element that is not a string is `None`, so that a list that was read in part can be
/// recognized.
pub(super) struct KeyList(pub(super) Vec<Option<String>>);

impl<'de> Field<'de> for KeyList {
    fn seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = seq.next_element::<Lenient<String>>()? {
            names.push(name.0);
        }
        Ok(Some(Self(names)))
    }
}
