//! Sample bodies: one asset from its upload to its deletion and back.

use super::{
    ADDON_PROCESSED, FILE_ARCHIVED, FILE_DATA_UPDATED, FILE_DELETED, FILE_ERROR, FILE_PROCESSED, FILE_SAVED, FILE_UNDELETED,
};

/// Returns a sample of an event type. Those of `file-error` and `file-archived` carry no `event`, because FileSpin has no names for them.
pub(super) fn sample(event_type: &str) -> Option<String> {
    let body = match event_type {
        FILE_SAVED => include_str!("samples/file-saved.json"),
        FILE_PROCESSED => include_str!("samples/file-processed.json"),
        FILE_DATA_UPDATED => include_str!("samples/file-data-updated.json"),
        ADDON_PROCESSED => include_str!("samples/addon-processed.json"),
        FILE_ERROR => include_str!("samples/file-error.json"),
        FILE_ARCHIVED => include_str!("samples/file-archived.json"),
        FILE_DELETED => include_str!("samples/file-deleted.json"),
        FILE_UNDELETED => include_str!("samples/file-undeleted.json"),
        _ => return None,
    };
    Some(body.trim_end().to_owned())
}
