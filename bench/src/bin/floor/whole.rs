//! The whole job of Hookgate for one provider, written by hand: event, key, id and headers of an Uploadcare file, and a counter.
//!
//! It reads the layout of today and refuses every other. It has no second provider, no limit, no deadline and no log line. So the
//! difference to Hookgate's cost is the price of what makes Hookgate general and safe.

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hookgate::proto::{
    Event, Origin, Proof, ProofScheme, SignatureHeader, UploadcareColorMode, UploadcareContentInfo, UploadcareFile,
    UploadcareHook, UploadcareImage, UploadcareInitiator, UploadcareInitiatorType, UploadcareMime, event::Payload,
};
use prost::Message as _;
use prost_types::Timestamp;
use rdkafka::message::{Header, OwnedHeaders};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Builder;

/// What is stored of a delivery.
pub(crate) struct Record {
    /// The kind of the event, which is the end of its topic's name.
    pub(crate) kind: String,
    /// The record key.
    pub(crate) key: String,
    /// The record headers.
    pub(crate) headers: OwnedHeaders,
    /// The serialized event.
    pub(crate) value: Vec<u8>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    initiator: Option<Initiator<'a>>,
    #[serde(borrow)]
    hook: Hook<'a>,
    #[serde(borrow)]
    data: Data<'a>,
    file: &'a str,
}

#[derive(Deserialize)]
struct Initiator<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    detail: Detail<'a>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    request_id: &'a str,
}

#[derive(Deserialize)]
struct Hook<'a> {
    id: u64,
    project_id: u64,
    project_pub_key: &'a str,
    target: &'a str,
    event: &'a str,
    is_active: bool,
    version: &'a str,
    created_at: &'a str,
    updated_at: &'a str,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    content_info: ContentInfo<'a>,
    uuid: &'a str,
    is_image: bool,
    is_ready: bool,
    #[serde(borrow)]
    metadata: &'a RawValue,
    mime_type: &'a str,
    original_filename: &'a str,
    original_file_url: &'a str,
    size: u64,
    datetime_stored: Option<&'a str>,
    datetime_uploaded: &'a str,
    url: &'a str,
}

#[derive(Deserialize)]
struct ContentInfo<'a> {
    #[serde(borrow)]
    mime: Mime<'a>,
    #[serde(borrow)]
    image: Image<'a>,
}

#[derive(Deserialize)]
struct Mime<'a> {
    #[serde(rename = "mime")]
    whole: &'a str,
    r#type: &'a str,
    subtype: &'a str,
}

#[derive(Deserialize)]
struct Image<'a> {
    color_mode: &'a str,
    orientation: Option<u32>,
    format: &'a str,
    sequence: bool,
    height: u32,
    width: u32,
    datetime_original: Option<&'a str>,
    dpi: Vec<f64>,
}

/// Returns the record of a proven delivery.
pub(crate) fn record(
    signature: &str,
    content_type: &str,
    body: &[u8],
    received_at: SystemTime,
) -> Result<Record, Box<dyn Error>> {
    let read: Body<'_> = serde_json::from_slice(body)?;
    let id = id(body);
    let kind = format!("uploadcare.{}", read.hook.event);
    let key = read.data.uuid.to_owned();
    let file = file(&read)?;
    let occurred_at = match read.hook.event {
        "file.uploaded" => file.datetime_uploaded,
        _ => file.datetime_stored,
    };
    let event = Event {
        id: id.clone(),
        provider: "uploadcare".into(),
        endpoint: "uploadcare".into(),
        r#type: read.hook.event.into(),
        subject: key.clone(),
        received_at: Some(timestamp(received_at)?),
        occurred_at,
        origin: Origin::Webhook.into(),
        proof: Some(Proof {
            scheme: ProofScheme::UploadcareV1.into(),
            secret_slot: 1,
            headers: vec![SignatureHeader { name: "x-uc-signature".into(), value: signature.into() }],
            ..Proof::default()
        }),
        body: body.to_vec().into(),
        content_type: content_type.into(),
        payload: Some(Payload::UploadcareFile(Box::new(file))),
        ..Event::default()
    };
    Ok(Record { headers: headers(&id, &kind, &key, occurred_at), value: event.encode_to_vec(), kind, key })
}

fn file(Body { initiator, hook, data, file }: &Body<'_>) -> Result<UploadcareFile, Box<dyn Error>> {
    let ContentInfo { mime, image } = &data.content_info;
    let image = UploadcareImage {
        color_mode: if image.color_mode == "RGB" { UploadcareColorMode::Rgb } else { UploadcareColorMode::Unspecified }.into(),
        color_mode_text: image.color_mode.into(),
        orientation: image.orientation,
        format: image.format.into(),
        sequence: Some(image.sequence),
        height: Some(image.height),
        width: Some(image.width),
        geo_location: None,
        datetime_original: image.datetime_original.unwrap_or_default().into(),
        dpi: image.dpi.clone(),
    };
    let mime = UploadcareMime { mime: mime.whole.into(), r#type: mime.r#type.into(), subtype: mime.subtype.into() };
    Ok(UploadcareFile {
        uuid: data.uuid.into(),
        file_url: (*file).into(),
        url: data.url.into(),
        original_file_url: data.original_file_url.into(),
        original_filename: data.original_filename.into(),
        size: Some(data.size),
        mime_type: data.mime_type.into(),
        is_image: Some(data.is_image),
        is_ready: Some(data.is_ready),
        datetime_uploaded: Some(data.datetime_uploaded.parse()?),
        datetime_stored: data.datetime_stored.map(str::parse).transpose()?,
        content_info: Some(UploadcareContentInfo { mime: Some(mime), image: Some(image), video: None }),
        metadata_json: data.metadata.get().into(),
        initiator: initiator.as_ref().map(|it| UploadcareInitiator {
            r#type: if it.r#type == "api" { UploadcareInitiatorType::Api } else { UploadcareInitiatorType::Unspecified }.into(),
            type_text: it.r#type.into(),
            request_id: it.detail.request_id.into(),
            ..UploadcareInitiator::default()
        }),
        hook: Some(UploadcareHook {
            id: Some(hook.id),
            project_id: Some(hook.project_id),
            project_pub_key: hook.project_pub_key.into(),
            target: hook.target.into(),
            event: hook.event.into(),
            is_active: Some(hook.is_active),
            version: hook.version.into(),
            created_at: Some(hook.created_at.parse()?),
            updated_at: Some(hook.updated_at.parse()?),
        }),
        ..UploadcareFile::default()
    })
}

fn headers(id: &str, kind: &str, subject: &str, occurred_at: Option<Timestamp>) -> OwnedHeaders {
    let time = occurred_at.map(|time| time.to_string());
    let kind = format!("hookgate.{kind}");
    let headers = [
        ("ce_specversion", Some("1.0")),
        ("ce_id", Some(id)),
        ("ce_source", Some("/hookgate/uploadcare")),
        ("ce_type", Some(&*kind)),
        ("ce_subject", Some(subject)),
        ("ce_time", time.as_deref()),
        ("ce_dataschema", Some("urn:hookgate:schema:hookgate.v1.Event")),
        ("content-type", Some("application/protobuf")),
    ];
    let there = headers.into_iter().filter(|(_, value)| value.is_some());
    there.fold(OwnedHeaders::new_with_capacity(8), |headers, (key, value)| headers.insert(Header { key, value }))
}

/// The id of a delivery to the endpoint `uploadcare`, as the schema describes it.
fn id(body: &[u8]) -> String {
    let hash = Sha256::new_with_prefix(b"hookgate.id.v1\0\0\0\0\x0auploadcare\0\0\0\0").chain_update(body).finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(half).into_uuid().to_string()
}

fn timestamp(time: SystemTime) -> Result<Timestamp, Box<dyn Error>> {
    let since: Duration = time.duration_since(UNIX_EPOCH)?;
    Ok(Timestamp { seconds: i64::try_from(since.as_secs())?, nanos: i32::try_from(since.subsec_nanos())? })
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use hmac::{Hmac, KeyInit as _, Mac as _};
    use hookgate::{
        delivery::{Credential, Delivery},
        encode::{Encoding, Framing, TopicTable, encode},
        proto::Origin,
        provider,
        signature::{Keys, Secret},
        signed_url::SignedUrls,
    };
    use rdkafka::message::Headers as _;
    use sha2::Sha256;

    use super::*;

    /// Both programs are compared, so both must do the same: each byte of the value, and each header.
    #[test]
    fn the_record_is_that_of_hookgate() -> Result<(), Box<dyn Error>> {
        let body: &[u8] = include_bytes!("../../../body.json");
        let received_at = UNIX_EPOCH + Duration::new(1_795_341_600, 123_456_789);
        let mac = Hmac::<Sha256>::new_from_slice(b"secret")?.chain_update(body).finalize();
        let signature = format!("v1={}", hex::encode(mac.into_bytes()));
        let found = record(&signature, "application/json", body, received_at)?;

        let provider = provider::by_name("uploadcare").ok_or("no provider")?;
        let keys = Keys {
            secrets: vec![(1, Secret::new(b"secret").ok_or("no secret")?)],
            secret_missing: false,
            tolerance: Duration::from_secs(300),
            signed_urls: SignedUrls::Optional,
        };
        let delivery = Delivery {
            endpoint: "uploadcare".into(),
            credential: Credential::Headers(vec![signature]),
            content_type: "application/json".into(),
            body: body.to_vec().into(),
            received_at,
        };
        let verified = provider.verify(delivery, &keys)?;
        let event = (provider.classify)(&verified);
        let topics = TopicTable::new([provider], |kind| kind.name().into_owned());
        let encoding = Encoding { topics, framing: Framing::default(), record_bytes_max: 1_000_000, origin: Origin::Webhook };
        let expected = encode(verified, provider, event, &encoding);

        assert_eq!((&*found.kind, &found.key), (&*expected.topic, &expected.key));
        assert_eq!(Event::decode(&*found.value)?, Event::decode(&*expected.value)?);
        assert_eq!(found.value, expected.value);
        let headers: Vec<_> =
            found.headers.iter().map(|it| (it.key, String::from_utf8_lossy(it.value.unwrap_or_default()))).collect();
        assert_eq!(headers, expected.headers.iter().map(|(name, value)| (*name, value.clone())).collect::<Vec<_>>());
        Ok(())
    }
}
