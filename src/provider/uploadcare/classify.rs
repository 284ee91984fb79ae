//! From Uploadcare's body to an event.

use prost_types::Timestamp;

use super::{DELETED, INFECTED, INFO_UPDATED, PROVIDER, STORED, UPLOADED, wire};
use crate::{
    event::{Event, EventKind, subject},
    proto::{
        UploadcareAddon, UploadcareAudioStream, UploadcareColorMode, UploadcareContentInfo, UploadcareFile,
        UploadcareGeoLocation, UploadcareHook, UploadcareImage, UploadcareInitiator, UploadcareInitiatorType, UploadcareMime,
        UploadcareTags, UploadcareVideo, UploadcareVideoStream, UploadcareVirusScan, event::Payload,
    },
    provider::json::{self, Lenient, Object, Time, Whole},
};

/// Reads any body.
pub(super) fn classify(body: &[u8]) -> Event {
    json::classify(body, read)
}

fn read(body: &[u8]) -> Event {
    let body: wire::Body<'_> = match json::object(body) {
        Ok(body) => body,
        Err(fault) => return Event::quarantined(fault),
    };
    let event_type = body.hook.0.as_ref().and_then(|hook| hook.0.event.0.clone()).unwrap_or_default();
    of_named(event_type, body)
}

fn of_named(event_type: String, body: wire::Body<'_>) -> Event {
    let kind = PROVIDER.kind(&event_type);
    let subject = subject(body.data.0.as_ref().and_then(|data| data.0.uuid.0.as_deref()), PROVIDER.subject);
    match (kind, subject) {
        (EventKind::Named { .. }, Ok(subject)) => {
            let scanned = scanned(&body);
            let file = file(body);
            Event {
                subject: Some(subject),
                occurred_at: occurred_at(&event_type, &file, scanned),
                payload: Some(Payload::UploadcareFile(Box::new(file))),
                ..Event::new(kind, event_type)
            }
        }
        (EventKind::Named { .. }, Err(fault)) => Event { event_type, ..Event::quarantined(fault) },
        (_, subject) => Event { subject: subject.ok(), ..Event::new(kind, event_type) },
    }
}

/// Reads a file as the REST API describes it, as an event of this type.
pub(super) fn recovered(event_type: &str, file: &[u8]) -> Event {
    match json::object::<wire::Data<'_>>(file) {
        Ok(data) => of_named(event_type.to_owned(), wire::Body { data: Lenient(Some(Object(data))), ..wire::Body::default() }),
        Err(fault) => Event::quarantined(fault),
    }
}

/// Returns the time of the change that the event reports, if it is sent. A change of metadata has no time: the file's other times say
/// nothing about it, and a consumer that orders events by them would take a later change for an old one.
fn occurred_at(event_type: &str, file: &UploadcareFile, scanned: Option<Time>) -> Option<Timestamp> {
    match event_type {
        UPLOADED => file.datetime_uploaded,
        STORED => file.datetime_stored,
        DELETED => file.datetime_removed,
        // If the time of the scan cannot be read, that of the upload must not replace it: consumers would take the event for an old one.
        INFECTED => scanned.map_or(file.datetime_uploaded, |time| time.0),
        INFO_UPDATED => (file.initiator.as_ref())
            .filter(|initiator| initiator.addon_name() == UploadcareAddon::UcClamavVirusScan)
            .and_then(|_| scanned?.0),
        _ => None,
    }
}

/// Returns when the file was last scanned for viruses, or `None` if the body names no time.
fn scanned(body: &wire::Body<'_>) -> Option<Time> {
    let appdata = body.data.0.as_ref()?.0.appdata.value.as_ref()?;
    appdata.0.uc_clamav_virus_scan.0.as_ref()?.0.datetime_updated.0
}

fn file(body: wire::Body<'_>) -> UploadcareFile {
    let data = body.data.into_inner().unwrap_or_default();
    let previous = body.previous_values.value.unwrap_or_default().0;
    UploadcareFile {
        uuid: or_empty(data.uuid),
        file_url: or_empty(body.file),
        url: or_empty(data.url),
        original_file_url: or_empty(data.original_file_url),
        original_filename: or_empty(data.original_filename),
        size: data.size.0,
        mime_type: or_empty(data.mime_type),
        is_image: data.is_image.0,
        is_ready: data.is_ready.0,
        datetime_uploaded: data.datetime_uploaded.time(),
        datetime_stored: data.datetime_stored.time(),
        datetime_removed: data.datetime_removed.time(),
        content_info: content_info(data.content_info, data.image_info, data.video_info),
        appdata_json: json::text(data.appdata.text),
        virus_scan: data.appdata.value.and_then(|appdata| virus_scan(appdata.0)),
        metadata_json: json::text(data.metadata),
        variations_json: json::text(data.variations),
        previous_values_json: json::text(body.previous_values.text),
        previous_virus_scan: previous.appdata.into_inner().and_then(virus_scan),
        initiator: body.initiator.into_inner().map(initiator),
        hook: body.hook.into_inner().map(hook),
        source: or_empty(data.source),
        rekognition_info_json: json::text(data.rekognition_info),
        payload_hash: or_empty(body.payload_hash),
        tags: tags(data.tags),
        previous_tags: tags(previous.tags),
    }
}

/// Returns the tags, or `None` if the body leaves them out or has them in an unreadable form: absent is not empty.
fn tags(tags: Lenient<Whole<String>>) -> Option<UploadcareTags> {
    tags.0.map(|Whole(values)| UploadcareTags { values })
}

fn hook(hook: wire::Hook) -> UploadcareHook {
    UploadcareHook {
        id: hook.id.0,
        project_id: hook.project_id.0,
        project_pub_key: or_empty(hook.project_pub_key),
        target: or_empty(hook.target),
        event: or_empty(hook.event),
        is_active: hook.is_active.0,
        version: or_empty(hook.version),
        created_at: hook.created_at.time(),
        updated_at: hook.updated_at.time(),
    }
}

fn initiator(initiator: wire::Initiator) -> UploadcareInitiator {
    let detail = initiator.detail.into_inner().unwrap_or_default();
    let type_text = or_empty(initiator.initiator_type);
    let addon_name_text = or_empty(detail.addon_name);
    UploadcareInitiator {
        r#type: match type_text.as_str() {
            "api" => UploadcareInitiatorType::Api,
            "system" => UploadcareInitiatorType::System,
            "addon" => UploadcareInitiatorType::Addon,
            _ => UploadcareInitiatorType::Unspecified,
        }
        .into(),
        type_text,
        request_id: or_empty(detail.request_id),
        addon_name: addon(&addon_name_text).into(),
        addon_name_text,
        source_file_uuid: or_empty(detail.source_file_uuid),
    }
}

fn addon(name: &str) -> UploadcareAddon {
    match name {
        "aws_rekognition_detect_labels" => UploadcareAddon::AwsRekognitionDetectLabels,
        "aws_rekognition_detect_moderation_labels" => UploadcareAddon::AwsRekognitionDetectModerationLabels,
        "uc_clamav_virus_scan" => UploadcareAddon::UcClamavVirusScan,
        "remove_bg" => UploadcareAddon::RemoveBg,
        "zamzar_convert_document" => UploadcareAddon::ZamzarConvertDocument,
        "zencoder_convert_video" => UploadcareAddon::ZencoderConvertVideo,
        _ => UploadcareAddon::Unspecified,
    }
}

fn virus_scan(appdata: wire::Appdata) -> Option<UploadcareVirusScan> {
    let scan = appdata.uc_clamav_virus_scan.into_inner()?;
    let data = scan.data.into_inner().unwrap_or_default();
    Some(UploadcareVirusScan {
        infected: data.infected.0,
        infected_with: or_empty(data.infected_with),
        version: or_empty(scan.version),
        datetime_created: scan.datetime_created.time(),
        datetime_updated: scan.datetime_updated.time(),
    })
}

/// Returns the description of the content, with the older fields where the newer one lacks theirs.
fn content_info(
    content: wire::Nested<wire::ContentInfo>,
    image_info: wire::Nested<wire::Image>,
    video_info: wire::Nested<wire::Video>,
) -> Option<UploadcareContentInfo> {
    let content = content.into_inner().unwrap_or_default();
    let info = UploadcareContentInfo {
        mime: content.mime.into_inner().map(|mime| UploadcareMime {
            mime: or_empty(mime.whole),
            r#type: or_empty(mime.main_type),
            subtype: or_empty(mime.subtype),
        }),
        image: content.image.into_inner().or(image_info.into_inner()).map(image),
        video: content.video.into_inner().or(video_info.into_inner()).map(video),
    };
    (info != UploadcareContentInfo::default()).then_some(info)
}

fn image(image: wire::Image) -> UploadcareImage {
    let color_mode_text = or_empty(image.color_mode);
    UploadcareImage {
        color_mode: color_mode(&color_mode_text).into(),
        color_mode_text,
        orientation: small(image.orientation),
        format: or_empty(image.format),
        sequence: image.sequence.0,
        height: small(image.height),
        width: small(image.width),
        geo_location: image
            .geo_location
            .into_inner()
            .map(|place| UploadcareGeoLocation { latitude: place.latitude.0, longitude: place.longitude.0 }),
        datetime_original: or_empty(image.datetime_original),
        dpi: image.dpi.0.unwrap_or_default(),
    }
}

fn color_mode(name: &str) -> UploadcareColorMode {
    match name {
        "RGB" => UploadcareColorMode::Rgb,
        "RGBA" => UploadcareColorMode::Rgba,
        "RGBa" => UploadcareColorMode::RgbaPremultiplied,
        "RGBX" => UploadcareColorMode::Rgbx,
        "L" => UploadcareColorMode::L,
        "LA" => UploadcareColorMode::La,
        "La" => UploadcareColorMode::LaPremultiplied,
        "P" => UploadcareColorMode::P,
        "PA" => UploadcareColorMode::Pa,
        "CMYK" => UploadcareColorMode::Cmyk,
        "YCbCr" => UploadcareColorMode::Ycbcr,
        "HSV" => UploadcareColorMode::Hsv,
        "LAB" => UploadcareColorMode::Lab,
        _ => UploadcareColorMode::Unspecified,
    }
}

fn video(video: wire::Video) -> UploadcareVideo {
    let audio = |stream: wire::AudioStream| UploadcareAudioStream {
        bitrate: stream.bitrate.0,
        codec: or_empty(stream.codec),
        sample_rate: small(stream.sample_rate),
        channels: small(stream.channels),
    };
    let picture = |stream: wire::VideoStream| UploadcareVideoStream {
        height: small(stream.height),
        width: small(stream.width),
        frame_rate: stream.frame_rate.0,
        bitrate: stream.bitrate.0,
        codec: or_empty(stream.codec),
    };
    UploadcareVideo {
        duration_ms: video.duration.0,
        format: or_empty(video.format),
        bitrate: video.bitrate.0,
        audio: streams(video.audio, audio),
        video: streams(video.pictures, picture),
    }
}

fn streams<T, U>(streams: Lenient<wire::Streams<T>>, map: impl Fn(T) -> U) -> Vec<U> {
    streams.0.into_iter().flat_map(|streams| streams.0).map(|stream| map(stream.0)).collect()
}

fn or_empty(text: Lenient<String>) -> String {
    text.0.unwrap_or_default()
}

fn small(number: Lenient<wire::Small>) -> Option<u32> {
    number.0.map(|number| number.0)
}
