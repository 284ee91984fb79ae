use super::*;

#[test]
fn an_entry_stands_for_a_webhook_or_for_none() {
    fn check(event_type: &str, resource_type: &str, expected: Counterpart) {
        assert_eq!(Counterpart::of(event_type, resource_type), expected, "{event_type} {resource_type}");
    }
    use Counterpart::{None, OneOf, Several, Unknown, Webhook};
    check("comment_created", "comment", Webhook("comment.created"));
    check("share_viewed", "share", Webhook("share.viewed"));
    check("project_field_deleted", "project_field_definition", Webhook("customfield.deleted"));
    check("account_field_deleted", "account_field_definition", Webhook("customfield.deleted"));
    check("asset_created", "folder", Webhook("folder.created"));
    check("asset_created", "version_stack", Webhook("file.created"));
    check("asset_deleted", "asset", OneOf(&["file.deleted", "folder.deleted"]));
    check("bulk_assets_deleted", "asset", Several(&["file.deleted", "folder.deleted"]));
    for other in ["bulk_assets_restored", "project_archived", "action_created", "account_locked", "webhook_created", "USER_LOGIN"]
    {
        check(other, "project", None);
    }
    for unknown in
        ["comment.created", "COMMENT_CREATED", "collection_created", "account_field_moved", "bulk_comments_deleted", "x", ""]
    {
        check(unknown, "project", Unknown);
    }
}

#[test]
fn an_unknown_type_could_be_what_it_is_about() {
    fn check(event_type: &str, webhooks: &[&str], others: &[&str]) {
        for (expected, names) in [(true, webhooks), (false, others)] {
            assert!(names.iter().all(|name| could_be(event_type, name) == expected), "{event_type} {names:?}");
        }
    }
    check("COMMENT_CREATED", &["comment.created", "comment.updated"], &["file.created", "project.created"]);
    check("asset_reviewed", &["file.updated", "folder.updated"], &["comment.created"]);
    check("FileUploaded", &["file.upload.completed"], &["share.viewed"]);
    check("project_field_moved", &["customfield.updated"], &["project.updated"]);
    check("project_renamed", &["project.updated"], &["customfield.updated"]);
    check("bulk_comments_deleted", &["comment.deleted", "file.deleted"], &[]);
    check("", &["comment.deleted", "share.viewed"], &[]);
}

/// Each type that a webhook can have is in the log, or named as one that is not.
#[test]
fn every_type_has_a_place() {
    let pairs = PAIRS.iter().map(|(_, webhook)| *webhook);
    let assets = ASSETS.iter().flat_map(|(_, types)| *types);
    let mut places: Vec<&str> = pairs.chain(assets).chain(UNLOGGED).collect();
    places.sort_unstable();
    places.dedup();
    let mut types: Vec<&str> = super::super::PROVIDER.names().collect();
    types.sort_unstable();
    assert_eq!(places, types);
}

#[test]
fn an_entry_is_read_wholly_or_not_at_all() {
    let good = r#"{"account_id":"a","event_type":"comment_created","inserted_at":"2026-11-22T10:00:00.123456Z","ip_address":"10.0.0.1",
        "resource_id":"r","resource_type":"comment","user_id":null,"project_id":"p"}"#;
    let entry = AuditEntry::of(good).expect("an entry");
    assert_eq!((&*entry.resource_id, &*entry.user_id, &*entry.project_id), ("r", "", "p"));
    assert!(!format!("{entry:?}").contains("10.0.0.1"));
    for (from, to) in [
        ("\"resource_id\":\"r\",", ""),
        ("\"r\"", "7"),
        ("comment_created\"", "x\",\"event_type\":\"y\""),
        ("2026-11-22T10:00:00.123456Z", "yesterday"),
        ("\"user_id\":null", "\"user_id\":{}"),
        ("{\"account_id\"", "[\"account_id\""),
    ] {
        assert!(AuditEntry::of(&good.replace(from, to)).is_err(), "{from} {to}");
    }
}
