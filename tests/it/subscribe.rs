//! `hookgate subscribe`: registers an endpoint at its provider, against stand-ins of the APIs.

use std::{fs, process::Command};

use hookgate_stubs::{Fault, Reply, uploadcare::Webhook};
use serde_json::{Value, json};

use crate::{
    binary::Finished,
    recovery_world::World,
    subscriptions::{all_photos, photo, run},
};

pub const HOST: &str = "--host https://hooks.example.com";

pub fn instead(status: u16, body: &Value) -> Fault {
    Fault::Instead(Box::new(Reply::json(status, body)))
}

/// The requests so far that change something.
pub fn changes(world: &World) -> Vec<String> {
    world.stub.asked().into_iter().filter(|asked| !asked.starts_with("GET") && !asked.contains("/ims/token/")).collect()
}

pub fn said(finished: &Finished, code: i32, texts: &[&str]) {
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
        3,
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
    said(&run(&world, &format!("{line} --dry-run")), 0, &["nothing to make"]);
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
    // The name of an event that is the secret, or no name.
    for name in ["hunter2-of-somebody", "file.stored\u{1b}[2J hunter2-of-somebody"] {
        let odd = Webhook { signing_secret: Some("hunter2-of-somebody".into()), ..photo(8, name) };
        world.stub.books().uploadcare.webhooks = vec![photo(7, "file.stored"), odd];
        for line in [&*line, "subscriptions uploadcare --format pretty", "subscriptions uploadcare --format json"] {
            let shown = run(&world, line);
            assert!(!shown.both().contains("hunter2") && !shown.both().contains('\u{1b}'), "{shown:?}");
        }
    }
    world.stub.asked();
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

/// The last file by name is the new one of a rotation.
#[test]
fn a_subscription_is_signed_with_the_last_secret_of_a_folder() {
    let world = World::mock();
    fs::create_dir(world.stage.folder.path("keys")).expect("created");
    for (name, text) in [("2026-11", "photos-old-0123456789"), ("2026-12", "photos-new-0123456789")] {
        crate::secret_search::keep_secret(text);
        world.stage.folder.write(&format!("keys/{name}"), text);
    }
    let configuration = fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    world.stage.folder.write("hookgate.toml", configuration.replace("file:photos", "dir:keys"));
    let line = format!("subscribe photos {HOST} --yes --events file.stored");
    said(&run(&world, &line), 0, &["signed with the secret in file:keys/2026-12"]);
    let made = world.stub.books().uploadcare.webhooks[0].signing_secret.clone();
    assert_eq!(made.as_deref(), Some("photos-new-0123456789"));
    // A provider that repeats a secret of the folder in an error shows it to nobody.
    world.stub.books().faults =
        vec![Some(instead(400, &json!({ "detail": "not photos-old-0123456789 or photos-new-0123456789" })))];
    said(&run(&world, &line), 1, &["400"]);
}

/// Returns what a shell prints in the folder of the configuration: it puts the secrets in.
fn in_folder(world: &World, script: &str) -> String {
    let folder = world.stage.folder.path("");
    let shown = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("run");
    String::from_utf8_lossy(&shown.stdout).into_owned()
}

#[test]
fn a_person_enters_it_at_filespin_and_sends_it_to_filesafety() {
    let world = World::mock();
    let line = format!("subscribe assets {HOST}");
    let url = "https://hooks.example.com/webhooks/assets?token=";
    let enter = format!(r#"echo "{url}$(tr -d '\r\n' <'assets')""#);
    let first = run(&world, &line);
    said(&first, 3, &["have 2 of 3 URLs, 0 of them for this endpoint", &enter, "switch on  addon-processed"]);
    let command = first.out.lines().find(|line| line.contains("echo")).expect("a command");
    assert_eq!(in_folder(&world, command), format!("{url}assets-token-of-some-length\n"));
    let set = |urls: String| world.stub.books().filespin.web_urls = urls;
    set("https://a.example.com,https://b.example.com,https://c.example.com/hunter2-of-somebody".into());
    said(&run(&world, &line), 3, &["remove     one of the 3 URLs", &enter]);
    set("https://hooks.example.com/webhooks/assets".into());
    said(&run(&world, &line), 3, &["replace    https://hooks.example.com/webhooks/assets: every delivery", &enter]);
    let listed = run(&world, &format!("subscriptions filespin --format pretty {HOST}"));
    said(&listed, 3, &["this prints what to enter:", &format!("    hookgate subscribe assets {HOST}\n")]);
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
        &[
            r#"webhook_url="https://hooks.example.com/webhooks/scans?token=$(tr -d '\r\n' <'scans')""#,
            r"x-api-key: $(tr -d '\r\n' <'filesafety.key')",
        ],
    );
    let first = scans.out.lines().next().expect("a line");
    let shown = in_folder(&world, &format!("{first}; printf %s \"$webhook_url\""));
    assert_eq!(shown, "https://hooks.example.com/webhooks/scans?token=scans-token-of-some-length");
    assert_eq!(world.stub.asked(), Vec::<String>::new());
    // A URL would change these tokens. One that is registered with an escape is there.
    for (endpoint, token) in [("scans", "scans+token-of-some-length"), ("assets", "assets&token-of-some-length")] {
        crate::secret_search::keep_secret(token);
        world.stage.folder.write(endpoint, token);
        let refused = run(&world, &format!("subscribe {endpoint} {HOST}"));
        said(
            &refused,
            1,
            &[&format!("file:{endpoint} holds '+', '/', '%' or another character that URLs change"), "(\"+\" is %2B)"],
        );
        assert!(!refused.out.contains("?token=$"), "{refused:?}");
    }
    set(format!("{url}assets%26token-of-some-length"));
    said(&run(&world, &line), 3, &["there      https://hooks.example.com/webhooks/assets?token=…"]);
}

#[test]
fn wrong_flags_are_refused_before_anything_is_asked() {
    let world = World::mock();
    let check = |line: &str, text: &str| said(&run(&world, &format!("subscribe {line}")), 2, &[text]);
    check("photo --host https://hooks.example.com", "photo: no such endpoint; did you mean photos?");
    check("photos", "--host");
    check("photos --host hooks.example.com", "the public address is https:// and a host");
    check(&format!("photos {HOST} --events file.ready"), "--events file.ready: no such event");
    for flag in ["--another", "--workspace w", "--secret-file f", "--kubernetes-secret s"] {
        check(&format!("photos {HOST} {flag}"), "is for frameio only: photos is of uploadcare");
    }
    assert_eq!(world.stub.asked(), Vec::<String>::new());
    let configuration = fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    world.stage.folder.write("hookgate.toml", configuration.split("[recover.uploadcare]").next().expect("a beginning"));
    said(&run(&world, &format!("subscribe photos {HOST}")), 64, &["[recover.uploadcare] is missing", "Write public_key = "]);
    said(
        &run(&world, &format!("subscribe scans {HOST}")),
        0,
        &["https://api.filesafety.dev", "x-api-key: ${FILESAFETY_API_KEY}"],
    );
}
