//! `hookgate subscribe`: registers an endpoint at its provider, against stand-ins of the APIs.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use hookgate_stubs::{
    Fault, Reply,
    frameio::{self, WORKSPACE},
    uploadcare::Webhook,
};
use serde_json::{Value, json};

use crate::{
    binary::Finished,
    recovery_world::World,
    secret_search::assert_discreet,
    subscriptions::{all_photos, photo, run},
};

const HOST: &str = "--host https://hooks.example.com";
const REVIEW: &str = "https://hooks.example.com/webhooks/review";

fn instead(status: u16, body: &Value) -> Fault {
    Fault::Instead(Box::new(Reply::json(status, body)))
}

/// The requests so far that change something.
fn changes(world: &World) -> Vec<String> {
    world.stub.asked().into_iter().filter(|asked| !asked.starts_with("GET") && !asked.contains("/ims/token/")).collect()
}

fn said(finished: &Finished, code: i32, texts: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    for text in texts {
        assert!(finished.both().contains(text), "{text:?} is not in {finished:?}");
    }
}

#[test]
fn uploadcare_gets_what_is_missing_and_only_that() {
    let world = World::mock();
    world.stub.books().uploadcare.webhooks = vec![photo(7, "file.deleted")];
    let line = format!("subscribe photos {HOST}");
    // A plan, and a question that nobody answers.
    said(
        &run(&world, &format!("{line} --dry-run")),
        0,
        &["there   file.deleted  7", "create  file.stored  https://", "nothing was changed"],
    );
    said(&run(&world, &line), 2, &["Make 4 subscriptions at Uploadcare?", "add --yes"]);
    assert_eq!(changes(&world), Vec::<String>::new());
    let made = run(&world, &format!("{line} --yes"));
    said(&made, 0, &["created  file.stored  https://hooks.example.com/webhooks/photos"]);
    assert_eq!(made.out.lines().count(), 4, "{made:?}");
    assert_eq!(changes(&world), ["POST /webhooks/"; 4]);
    let mut found = world.stub.books().uploadcare.webhooks.clone();
    found.sort_by(|one, other| one.event.cmp(&other.event));
    let mut expected = all_photos();
    expected.sort_by(|one, other| one.event.cmp(&other.event));
    for (found, expected) in found.iter().zip(&expected) {
        let same = Webhook { id: found.id, updated: found.updated.clone(), ..expected.clone() };
        assert_eq!(*found, same);
    }
    assert_eq!(found.len(), expected.len());
    // A second run finds all of it, and so does the other command.
    said(&run(&world, &format!("{line} --yes")), 0, &["nothing to make"]);
    assert_eq!(changes(&world), Vec::<String>::new());
    said(&run(&world, &format!("subscriptions uploadcare {HOST}")), 0, &[]);
    // Fewer events may be wanted, and what is there for another host is not ours.
    world.stub.books().uploadcare.webhooks =
        vec![Webhook { target_url: "https://elsewhere.example.com/webhooks/photos".into(), ..photo(1, "file.stored") }];
    said(&run(&world, &format!("{line} --yes --events file.stored")), 0, &["created  file.stored"]);
    assert_eq!(world.stub.books().uploadcare.webhooks.len(), 2);
}

#[test]
fn what_is_there_at_uploadcare_is_taken_and_its_trouble_is_said() {
    let world = World::mock();
    let line = format!("subscribe photos {HOST} --yes --events file.stored");
    let there = |webhook: Webhook, code: i32, text: &str| {
        world.stub.books().uploadcare.webhooks = vec![webhook];
        said(&run(&world, &line), code, &["there   file.stored  7", text]);
        assert_eq!(changes(&world), Vec::<String>::new());
    };
    there(photo(7, "file.stored"), 0, "nothing to make");
    let refused = "every delivery is refused with 401";
    there(Webhook { signing_secret: Some("another-secret-of-length".into()), ..photo(7, "file.stored") }, 3, refused);
    there(Webhook { signing_secret: None, ..photo(7, "file.stored") }, 3, refused);
    there(Webhook { is_active: false, ..photo(7, "file.stored") }, 3, "hookgate subscriptions uploadcare --reenable");
    // Somebody makes it between the look and the request.
    world.stub.books().uploadcare.webhooks = vec![photo(7, "file.stored")];
    world.stub.books().faults = vec![Some(instead(200, &json!([])))];
    said(&run(&world, &line), 0, &["there    file.stored  https://"]);
    assert_eq!(changes(&world), ["POST /webhooks/"]);
}

#[test]
fn a_request_that_uploadcare_may_have_accepted_is_not_sent_again() {
    let world = World::mock();
    let line = format!("subscribe photos {HOST} --yes --events file.stored");
    // It was accepted, and the answer was lost.
    world.stub.books().faults = vec![None, Some(Fault::CutOff)];
    said(&run(&world, &line), 0, &["there    file.stored"]);
    assert_eq!((changes(&world).len(), world.stub.books().uploadcare.webhooks.len()), (1, 1));
    // It was not.
    world.stub.books().uploadcare.webhooks.clear();
    world.stub.books().faults = vec![None, Some(instead(503, &json!({ "detail": "photos-secret-of-some-length" })))];
    said(&run(&world, &line), 1, &["does not have file.stored", "run the command again"]);
    assert_eq!((changes(&world).len(), world.stub.books().uploadcare.webhooks.len()), (1, 0));
    // What is refused is said in the provider's words, without what was sent.
    let check = |status: u16, body: &Value, text: &str| {
        world.stub.books().faults = vec![None, Some(instead(status, body))];
        said(&run(&world, &line), 1, &[text]);
        assert_eq!(changes(&world).len(), 1, "{status}");
    };
    check(400, &json!({ "detail": "You can't use webhooks" }), "answered 400: You can't use webhooks");
    check(400, &json!({ "target_url": ["Enter a valid URL."] }), "answered 400: target_url: Enter a valid URL.");
    check(400, &json!({ "signing_secret": ["photos-secret-of-some-length is bad"] }), "signing_secret: … is bad");
    check(403, &json!({ "detail": "Not for this target" }), "answered 403: Not for this target");
}

/// A world with one workspace, and a command for it.
fn reviewing() -> (World, String) {
    let world = World::mock();
    world.stub.books().frameio.workspaces = vec![WORKSPACE.into()];
    (world, format!("subscribe review {HOST} --yes --events file.ready,comment.created"))
}

fn webhook(id: &str, url: &str, events: &[&str]) -> frameio::Webhook {
    let text = |text: &&str| (*text).to_owned();
    frameio::Webhook {
        id: id.into(),
        workspace_id: WORKSPACE.into(),
        name: "by hand".into(),
        url: url.into(),
        events: events.iter().map(text).collect(),
        active: true,
        secret: "another-secret-of-length".into(),
    }
}

#[test]
fn the_secret_of_a_new_webhook_is_in_a_file_that_only_its_owner_reads() {
    let (world, line) = reviewing();
    said(&run(&world, &line), 2, &["--secret-file FILE or --kubernetes-secret NAME"]);
    said(&run(&world, &format!("{line} --dry-run")), 0, &["create  https://hooks.example.com/webhooks/review, with 2 events"]);
    let path = world.stage.folder.path("new");
    let into = format!("{line} --secret-file {path}");
    // The file is there before the webhook, so one that cannot be made costs none.
    world.stage.folder.write("new", "kept");
    said(&run(&world, &into), 1, &["cannot create the file"]);
    said(&run(&world, &format!("{line} --secret-file {path}/below")), 1, &["cannot create the file"]);
    assert_eq!((changes(&world), fs::read_to_string(&path).expect("there")), (Vec::new(), "kept".into()));
    fs::remove_file(&path).expect("there");
    // A refusal leaves no file.
    world.stub.books().frameio.tokens = vec!["token".into()];
    world.stub.books().faults = vec![None, None, Some(instead(422, &json!({ "errors": [{ "detail": "no" }] })))];
    said(&run(&world, &into), 1, &["answered 422: no"]);
    assert!(fs::metadata(&path).is_err());

    world.stub.asked();
    let made = run(&world, &into);
    said(&made, 0, &["created  b0000000-0000-4000-8000-000000000001", "to the secrets of [endpoints.review]"]);
    assert!(!made.both().contains("webhook-secret"), "{made:?}");
    assert_eq!(fs::read_to_string(&path).expect("written"), "webhook-secret-1");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let webhooks = world.stub.books().frameio.webhooks.clone();
    assert_eq!((webhooks.len(), webhooks[0].url.as_str(), webhooks[0].events.len()), (1, REVIEW, 2));
    // A second run finds it, and writes no other file.
    let again = run(&world, &format!("{line} --secret-file {path}.2"));
    said(&again, 0, &["nothing to change", "does not show its secret again"]);
    assert!(fs::metadata(format!("{path}.2")).is_err());
}

#[test]
fn a_webhook_that_is_there_gets_the_missing_events_and_keeps_the_rest() {
    let (world, line) = reviewing();
    let elsewhere = webhook("e", "https://elsewhere.example.com/webhooks/review", &["file.ready"]);
    let there = webhook("h", REVIEW, &["file.ready", "share.viewed"]);
    world.stub.books().frameio.webhooks = vec![elsewhere.clone(), there.clone()];
    said(&run(&world, &format!("{line} --dry-run")), 0, &["there  h  2 events", "add    comment.created"]);
    assert_eq!(changes(&world), Vec::<String>::new());
    said(&run(&world, &line), 0, &["changed  h"]);
    let changed = webhook("h", REVIEW, &["file.ready", "share.viewed", "comment.created"]);
    assert_eq!(world.stub.books().frameio.webhooks, [elsewhere, changed.clone()]);
    world.stub.books().frameio.webhooks[1].active = false;
    said(&run(&world, &line), 3, &["hookgate subscriptions frameio --reenable", "nothing to change"]);
    // Which workspace, must be said where there are several.
    let configuration = fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    world.stage.folder.write("hookgate.toml", configuration.replace(&format!("workspaces = [\"{WORKSPACE}\"]\n"), ""));
    world.stub.books().frameio.workspaces = vec!["v".into(), WORKSPACE.into()];
    said(&run(&world, &line), 2, &[&format!("--workspace is missing: there are v, {WORKSPACE}")]);
    said(&run(&world, &format!("{line} --workspace {WORKSPACE}")), 3, &["nothing to change"]);
}

/// This replaces a secret: for a while there are two webhooks, and the endpoint has both secrets.
#[test]
fn another_webhook_is_made_beside_one_that_is_there() {
    let (world, line) = reviewing();
    world.stub.books().frameio.webhooks = vec![webhook("h", REVIEW, &["file.ready"])];
    let line = format!("{line} --another");
    said(&run(&world, &line), 2, &["--secret-file FILE"]);
    said(&run(&world, &format!("{line} --dry-run")), 0, &["there   h  1 events", "create  https://"]);
    assert_eq!(changes(&world), Vec::<String>::new());
    let path = world.stage.folder.path("new");
    let made = run(&world, &format!("{line} --secret-file {path}"));
    said(&made, 0, &["created  b0000000-", "when no delivery has the secret of h any more, delete it at Frame.io"]);
    let kept = fs::read_to_string(&path).expect("written");
    let webhooks = world.stub.books().frameio.webhooks.clone();
    assert_eq!(webhooks.iter().map(|it| &*it.secret).collect::<Vec<_>>(), ["another-secret-of-length", &*kept]);
    // Where the answer is lost, the new one is named, and not the one that was there.
    fs::remove_file(&path).expect("there");
    world.stub.books().frameio.tokens = vec!["token".into()];
    world.stub.books().faults = vec![None, None, Some(Fault::CutOff)];
    let lost = run(&world, &format!("{line} --secret-file {path}"));
    said(&lost, 1, &["was made, and its secret is lost: delete it at Frame.io"]);
    let new = world.stub.books().frameio.webhooks[2].id.clone();
    assert!(lost.err.contains(&format!("the webhook {new} was made")), "{lost:?}");
}

/// Runs the command in a shell, which prepares it. What the shell does with standard output is not looked at.
fn in_shell(world: &World, before: &str, line: &str, after: &str) -> Finished {
    let config = world.stage.folder.path("hookgate.toml");
    let script = format!("{before} \"$0\" {line} --config '{config}' {after}");
    let folder = std::path::Path::new(&config).parent().expect("a folder");
    let finished =
        Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_hookgate")]).current_dir(folder).output().expect("run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Finished { code: finished.status.code(), out: text(finished.stdout), err: text(finished.stderr) }
}

#[test]
fn a_webhook_whose_secret_cannot_be_kept_is_deleted_again() {
    let (world, line) = reviewing();
    let check = |finished: &Finished, text: &str| {
        said(finished, 1, &["the secret could not be kept: ", text]);
        assert!(!finished.both().contains("webhook-secret"), "{finished:?}");
        let asked: Vec<String> = changes(&world).iter().map(|it| it.split(' ').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(asked, ["POST", "DELETE"], "{finished:?}");
    };
    let path = world.stage.folder.path("new");
    // No file may grow.
    let before = "trap '' XFSZ; ulimit -f 0;";
    check(&in_shell(&world, before, &format!("{line} --secret-file {path}"), ""), "was deleted again");
    assert!(fs::metadata(&path).is_err());
    check(&in_shell(&world, "", &format!("{line} --kubernetes-secret s"), "> /dev/full"), "was deleted again");
    assert_eq!(world.stub.books().frameio.webhooks, []);
    // An answer without a secret.
    world.stub.books().frameio.tokens = vec!["token".into()];
    world.stub.books().faults = vec![None, None, Some(instead(201, &json!({ "data": { "id": "x" } })))];
    check(&run(&world, &format!("{line} --secret-file {path}")), "Frame.io's answer has none");
    // And where that fails, too, a person gets the id.
    world.stub.books().faults =
        vec![None, None, Some(instead(201, &json!({ "data": { "id": "x" } }))), Some(instead(403, &json!({})))];
    check(&run(&world, &format!("{line} --secret-file {path}")), "delete the webhook x at Frame.io");
    // An answer that is lost is not asked for again.
    world.stub.books().faults = vec![None, None, Some(Fault::CutOff)];
    let lost = run(&world, &format!("{line} --secret-file {path}"));
    said(&lost, 1, &["was made, and its secret is lost: delete it at Frame.io"]);
    assert_eq!(changes(&world).len(), 1, "{lost:?}");
    assert!(fs::metadata(&path).is_err());
}

#[test]
fn a_manifest_has_the_secret_and_nothing_else_has_it() {
    let (world, line) = reviewing();
    let made = in_shell(&world, "", &format!("{line} --kubernetes-secret hookgate-frameio"), "");
    said(&made, 0, &["created the webhook"]);
    assert_discreet("the messages", &made.err);
    assert!(!made.err.contains("webhook-secret"), "{made:?}");
    let expected = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"hookgate-frameio\"\ntype: Opaque\nstringData:\n  \"review\": \"webhook-secret-1\"\n";
    assert_eq!(made.out, expected);
    let both = run(&world, &format!("{line} --kubernetes-secret s --secret-file f"));
    said(&both, 2, &["cannot be used with"]);
    said(&run(&world, &format!("{line} --kubernetes-secret Not_One")), 2, &["lower-case letters"]);
}

#[test]
fn a_person_enters_it_at_filespin_and_sends_it_to_filesafety() {
    let world = World::mock();
    let line = format!("subscribe assets {HOST}");
    let url = "https://hooks.example.com/webhooks/assets?token=";
    let enter = format!("enter      {url}$(cat 'assets')");
    said(&run(&world, &line), 3, &["have 2 of 3 URLs, 0 of them for this endpoint", &enter, "switch on  addon-processed"]);
    let set = |urls: String| world.stub.books().filespin.web_urls = urls;
    set("https://a.example.com,https://b.example.com,https://c.example.com/hunter2-of-somebody".into());
    said(&run(&world, &line), 3, &["remove     one of the 3 URLs", &enter]);
    set(format!("https://a.example.com,{url}hunter2-of-somebody"));
    said(&run(&world, &line), 3, &["replace    ", "401", &enter]);
    set(format!("{url}assets-token-of-some-length"));
    said(&run(&world, &line), 3, &["there      https://hooks.example.com/webhooks/assets?token=…", "switch on  addon-processed"]);
    said(&run(&world, &format!("{line} --events file-saved")), 0, &["there"]);
    assert!(world.stub.asked().iter().all(|asked| asked == "GET /api/v1/user/settings"));

    let scans = run(&world, &format!("subscribe scans {HOST}"));
    said(
        &scans,
        0,
        &["webhook_url=\"https://hooks.example.com/webhooks/scans?token=$(cat 'scans')\"", "x-api-key: $(cat 'filesafety.key')"],
    );
    // A shell puts the token in.
    let first = scans.out.lines().next().expect("a line");
    let config = world.stage.folder.path("hookgate.toml");
    let folder = std::path::Path::new(&config).parent().expect("a folder");
    let shown = Command::new("sh")
        .args(["-c", &format!("{first}; printf %s \"$webhook_url\"")])
        .current_dir(folder)
        .output()
        .expect("run");
    assert_eq!(
        String::from_utf8_lossy(&shown.stdout),
        "https://hooks.example.com/webhooks/scans?token=scans-token-of-some-length"
    );
    assert_eq!(world.stub.asked(), Vec::<String>::new());
}

#[test]
fn wrong_flags_are_refused_before_anything_is_asked() {
    let world = World::mock();
    let check = |line: &str, text: &str| said(&run(&world, &format!("subscribe {line}")), 2, &[text]);
    check("photo --host https://hooks.example.com", "photo: no such endpoint; did you mean photos?");
    check("photos", "--host");
    check("photos --host hooks.example.com", "the public address is https:// and a host");
    check(&format!("photos {HOST} --events file.ready"), "--events file.ready: no such type");
    for flag in ["--another", "--workspace w", "--secret-file f", "--kubernetes-secret s"] {
        check(&format!("photos {HOST} {flag}"), "is for frameio only: photos is of uploadcare");
    }
    assert_eq!(world.stub.asked(), Vec::<String>::new());
    let configuration = fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    world.stage.folder.write("hookgate.toml", configuration.split("[recover.uploadcare]").next().expect("a beginning"));
    said(&run(&world, &format!("subscribe photos {HOST}")), 64, &["[recover.uploadcare] is missing"]);
    said(
        &run(&world, &format!("subscribe scans {HOST}")),
        0,
        &["https://api.filesafety.dev", "x-api-key: ${FILESAFETY_API_KEY}"],
    );
}
