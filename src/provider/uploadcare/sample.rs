//! Sample bodies in the shape of version 0.7. The values are invented.

use super::{DELETED, INFECTED, INFO_UPDATED, STORED, UPLOADED};

/// The name of a sample beside those of the event types: the upload of a video, whose content has a shape of its own.
pub(super) const UPLOADED_VIDEO: &str = "file.uploaded-video";

/// Returns the sample of an event type, or of [`UPLOADED_VIDEO`].
pub(super) fn sample(event_type: &str) -> Option<String> {
    let body = match event_type {
        UPLOADED => include_str!("samples/file.uploaded.json"),
        INFECTED => include_str!("samples/file.infected.json"),
        STORED => include_str!("samples/file.stored.json"),
        DELETED => include_str!("samples/file.deleted.json"),
        INFO_UPDATED => include_str!("samples/file.info_updated.json"),
        UPLOADED_VIDEO => include_str!("samples/file.uploaded-video.json"),
        _ => return None,
    };
    Some(body.trim_end().into())
}
