//! The bodies that Uploadcare sends: those of version 0.7, and the older shapes that are known from examples.

use serde::{
    Deserialize,
    de::{MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use crate::provider::json::{Exact, Field, Lenient, Object, Time, Whole};

/// A nested object that may be absent.
pub(super) type Nested<T> = Lenient<Object<T>>;

/// A body of any event.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Body<'a> {
    pub(super) hook: Nested<Hook>,
    pub(super) initiator: Nested<Initiator>,
    #[serde(borrow)]
    pub(super) data: Nested<Data<'a>>,
    pub(super) file: Lenient<String>,
    pub(super) previous_values: Exact<'a, Object<PreviousValues>>,
    pub(super) payload_hash: Lenient<String>,
}

/// The subscription that the event belongs to.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Hook {
    pub(super) id: Lenient<u64>,
    pub(super) project_id: Lenient<u64>,
    pub(super) project_pub_key: Lenient<String>,
    pub(super) target: Lenient<String>,
    pub(super) event: Lenient<String>,
    pub(super) is_active: Lenient<bool>,
    pub(super) version: Lenient<String>,
    pub(super) created_at: Lenient<Time>,
    pub(super) updated_at: Lenient<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Initiator {
    #[serde(rename = "type")]
    pub(super) initiator_type: Lenient<String>,
    pub(super) detail: Nested<InitiatorDetail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct InitiatorDetail {
    pub(super) request_id: Lenient<String>,
    pub(super) addon_name: Lenient<String>,
    pub(super) source_file_uuid: Lenient<String>,
}

/// The file that the event is about.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Data<'a> {
    pub(super) uuid: Lenient<String>,
    pub(super) url: Lenient<String>,
    pub(super) original_file_url: Lenient<String>,
    pub(super) original_filename: Lenient<String>,
    pub(super) size: Lenient<u64>,
    pub(super) mime_type: Lenient<String>,
    pub(super) is_image: Lenient<bool>,
    pub(super) is_ready: Lenient<bool>,
    pub(super) datetime_uploaded: Lenient<Time>,
    pub(super) datetime_stored: Lenient<Time>,
    pub(super) datetime_removed: Lenient<Time>,
    pub(super) content_info: Nested<ContentInfo>,
    #[serde(borrow)]
    pub(super) appdata: Exact<'a, Object<Appdata>>,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) variations: Option<&'a RawValue>,
    /// The description of an image, in the field of versions before 0.7.
    pub(super) image_info: Nested<Image>,
    /// The description of a video, in the field of versions before 0.7.
    pub(super) video_info: Nested<Video>,
    pub(super) source: Lenient<String>,
    #[serde(borrow)]
    pub(super) rekognition_info: Option<&'a RawValue>,
    pub(super) tags: Lenient<Whole<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct PreviousValues {
    pub(super) appdata: Nested<Appdata>,
    pub(super) tags: Lenient<Whole<String>>,
}

/// The results of add-ons for the file; only the virus scan is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Appdata {
    pub(super) uc_clamav_virus_scan: Nested<VirusScan>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct VirusScan {
    pub(super) data: Nested<VirusScanData>,
    pub(super) version: Lenient<String>,
    pub(super) datetime_created: Lenient<Time>,
    pub(super) datetime_updated: Lenient<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct VirusScanData {
    pub(super) infected: Lenient<bool>,
    pub(super) infected_with: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ContentInfo {
    pub(super) mime: Nested<Mime>,
    pub(super) image: Nested<Image>,
    pub(super) video: Nested<Video>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Mime {
    #[serde(rename = "mime")]
    pub(super) whole: Lenient<String>,
    #[serde(rename = "type")]
    pub(super) main_type: Lenient<String>,
    pub(super) subtype: Lenient<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Image {
    pub(super) color_mode: Lenient<String>,
    pub(super) orientation: Lenient<Small>,
    pub(super) format: Lenient<String>,
    pub(super) sequence: Lenient<bool>,
    pub(super) height: Lenient<Small>,
    pub(super) width: Lenient<Small>,
    pub(super) geo_location: Nested<GeoLocation>,
    pub(super) datetime_original: Lenient<String>,
    pub(super) dpi: Lenient<Vec<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct GeoLocation {
    pub(super) latitude: Lenient<f64>,
    pub(super) longitude: Lenient<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Video {
    /// The duration in milliseconds.
    pub(super) duration: Lenient<u64>,
    pub(super) format: Lenient<String>,
    pub(super) bitrate: Lenient<u64>,
    pub(super) audio: Lenient<Streams<AudioStream>>,
    #[serde(rename = "video")]
    pub(super) pictures: Lenient<Streams<VideoStream>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AudioStream {
    pub(super) bitrate: Lenient<u64>,
    pub(super) codec: Lenient<String>,
    pub(super) sample_rate: Lenient<Small>,
    pub(super) channels: Lenient<Small>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct VideoStream {
    pub(super) height: Lenient<Small>,
    pub(super) width: Lenient<Small>,
    pub(super) frame_rate: Lenient<f64>,
    pub(super) bitrate: Lenient<u64>,
    pub(super) codec: Lenient<String>,
}

/// An unsigned number of 32 bits.
pub(super) struct Small(pub(super) u32);

impl Field<'_> for Small {
    fn integer(number: i128) -> Option<Self> {
        number.try_into().ok().map(Self)
    }
}

/// An array of streams. A single stream is read as an array of one, because older descriptions of a video may hold it like that.
pub(super) struct Streams<T>(pub(super) Vec<Object<T>>);

impl<'de, T: Deserialize<'de>> Field<'de> for Streams<T> {
    fn map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(Object::map(map)?.map(|stream| Self(vec![stream])))
    }
    fn seq<A: SeqAccess<'de>>(seq: A) -> Result<Option<Self>, A::Error> {
        Ok(Vec::seq(seq)?.map(Self))
    }
}
