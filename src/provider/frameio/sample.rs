//! Sample bodies, written like Frame.io's: compact, with keys in alphabetical order. The ids are invented.

use super::{ACTION, PROVIDER};

/// The name of a sample beside those of the event types: a form that a user submitted after a custom action, which names no resource.
pub(super) const FORM: &str = "action-form";

/// The name of a sample beside those of the event types: a custom action on several assets.
pub(super) const SEVERAL: &str = "action-several";

/// Returns the sample of an event type, of [`FORM`] or of [`SEVERAL`].
pub(super) fn sample(event_type: &str) -> Option<String> {
    match event_type {
        ACTION => Some(ACTION_BODY.into()),
        FORM => Some(FORM_BODY.into()),
        SEVERAL => Some(SEVERAL_BODY.into()),
        _ if PROVIDER.names().any(|name| name == event_type) => Some(webhook(event_type)),
        _ => None,
    }
}

fn webhook(event_type: &str) -> String {
    let resource_type = match event_type.split('.').next() {
        Some("metadata") => "file",
        // The documentation does not say whether the id is the file's or the stack's. Versioning makes a stack.
        Some("file") if event_type == "file.versioned" => "version_stack",
        Some("customfield") => "custom_field",
        Some(first) => first,
        None => "",
    };
    format!(
        concat!(
            r#"{{"account":{{"id":"2f0c8a52-5d43-4f0e-9c1b-6d1f3c0a7e11"}},"#,
            r#""project":{{"id":"b7c2e9d4-0a68-4d3f-8e57-94a1c6f20b35"}},"#,
            r#""resource":{{"id":"5a1d7f60-3b92-4c8e-a4f7-e08b2d6c9143","type":"{resource_type}"}},"#,
            r#""type":"{event_type}","#,
            r#""user":{{"id":"e4918b3c-7f25-4ad0-b6e2-1c5d90f8a764"}},"#,
            r#""workspace":{{"id":"90d6a3f1-c84b-47e2-9f05-b2e71a4c8d56"}}}}"#
        ),
        resource_type = resource_type,
        event_type = event_type
    )
}

const ACTION_BODY: &str = concat!(
    r#"{"account_id":"2f0c8a52-5d43-4f0e-9c1b-6d1f3c0a7e11","#,
    r#""action_id":"c3e07b91-64fa-4d28-8b1c-f5a2906de847","#,
    r#""interaction_id":"78f4d1c0-2ab9-4e63-95d7-0c8e6b3f1a29","#,
    r#""project":{"id":"b7c2e9d4-0a68-4d3f-8e57-94a1c6f20b35"},"#,
    r#""resource":{"id":"5a1d7f60-3b92-4c8e-a4f7-e08b2d6c9143","type":"file"},"#,
    r#""type":"transcribe.file","#,
    r#""user":{"id":"e4918b3c-7f25-4ad0-b6e2-1c5d90f8a764"},"#,
    r#""workspace":{"id":"90d6a3f1-c84b-47e2-9f05-b2e71a4c8d56"}}"#
);

const FORM_BODY: &str = concat!(
    r#"{"action_id":"c3e07b91-64fa-4d28-8b1c-f5a2906de847","#,
    r#""data":{"language":"fr-CA","title":"Première.mov"},"#,
    r#""interaction_id":"78f4d1c0-2ab9-4e63-95d7-0c8e6b3f1a29","#,
    r#""type":"transcribe.file"}"#
);

const SEVERAL_BODY: &str = concat!(
    r#"{"account_id":"2f0c8a52-5d43-4f0e-9c1b-6d1f3c0a7e11","#,
    r#""action_id":"c3e07b91-64fa-4d28-8b1c-f5a2906de847","#,
    r#""interaction_id":"a6b1d205-7e3f-4c90-8d54-20f9c7e1b638","#,
    r#""project":{"id":"b7c2e9d4-0a68-4d3f-8e57-94a1c6f20b35"},"#,
    r#""resources":[{"id":"5a1d7f60-3b92-4c8e-a4f7-e08b2d6c9143","type":"file"},"#,
    r#"{"id":"c81f5e0a-62d4-4b97-a03c-9be7d41f6250","type":"version_stack"}],"#,
    r#""type":"transcribe.file","#,
    r#""user":{"id":"e4918b3c-7f25-4ad0-b6e2-1c5d90f8a764"},"#,
    r#""workspace":{"id":"90d6a3f1-c84b-47e2-9f05-b2e71a4c8d56"}}"#
);
