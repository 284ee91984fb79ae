//! `hookgate subscriptions`: what is registered at the providers, against stand-ins of their APIs.

use std::fs;

use hookgate_stubs::{
    Fault, Reply,
    frameio::{self, WORKSPACE},
    uploadcare::Webhook,
};
use serde_json::{Value, json};

use crate::{binary::Finished, recovery_world::World, secret_search::assert_discreet};

const PHOTOS: &str = "https://hooks.example.com/webhooks/photos";
/// What is nobody's business: in foreign URLs, and in what providers answer.
pub const FOREIGN: [&str; 4] = ["hunter2-of-somebody", "dropbox-secret", "another-secret-of-length", "user-of-somebody"];
const EVENTS: [&str; 5] = ["file.uploaded", "file.infected", "file.stored", "file.deleted", "file.info_updated"];

/// The place of `file.stored` in these.
const STORED: usize = 2;

/// Runs a command, whose output may hold no secret in any form.
pub fn run(world: &World, line: &str) -> Finished {
    let finished = world.run(line);
    assert_discreet(line, &finished.both());
    for secret in FOREIGN {
        assert!(!finished.both().contains(secret), "{line} shows {secret}: {finished:?}");
    }
    finished
}

/// A subscription to an event, signed with the endpoint's secret.
pub fn photo(id: u64, event: &str) -> Webhook {
    Webhook {
        id,
        event: event.into(),
        target_url: PHOTOS.into(),
        is_active: true,
        signing_secret: Some("photos-secret-of-some-length".into()),
        updated: "2026-11-24T03:12:07.123456Z".into(),
    }
}

/// All events of Uploadcare, subscribed as they should be.
pub fn all_photos() -> Vec<Webhook> {
    (1..).zip(EVENTS).map(|(id, event)| photo(id, event)).collect()
}

fn review(number: usize, url: &str, events: &[&str], active: bool) -> frameio::Webhook {
    frameio::Webhook {
        id: format!("b0000000-0000-4000-8000-{number:012x}"),
        workspace_id: WORKSPACE.into(),
        name: "n".into(),
        url: url.into(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        active,
        secret: "another-secret-of-length".into(),
    }
}

/// Endpoint, first event, state and proof of each row.
fn rows(finished: &Finished) -> Vec<[String; 4]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |line: &Value| [text(&line["endpoint"]), text(&line["events"][0]), text(&line["state"]), text(&line["proof"])];
    finished.json_lines().iter().filter(|line| line.get("state").is_some()).map(row).collect()
}

#[track_caller]
fn check(world: &World, line: &str, code: i32, expected: &[[&str; 4]]) -> Finished {
    let finished = run(world, line);
    assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
    assert_eq!(rows(&finished), expected, "{line}: {finished:?}");
    finished
}

/// The rows of Uploadcare where one event is in this state, and the others are as they should be.
fn but_stored(state: &'static str, proof: &'static str) -> Vec<[&'static str; 4]> {
    let row = |event: &'static str| match event {
        "file.stored" => ["photos", event, state, proof],
        _ => ["photos", event, "active", "signed"],
    };
    EVENTS.map(row).to_vec()
}

#[test]
fn what_uploadcare_does_not_send_or_hookgate_refuses_is_a_finding() {
    let world = World::mock();
    let with = |change: &dyn Fn(&mut Vec<Webhook>)| {
        let mut webhooks = all_photos();
        change(&mut webhooks);
        world.stub.books().uploadcare.webhooks = webhooks;
    };
    let line = "subscriptions uploadcare --host https://hooks.example.com";
    with(&|_| {});
    check(&world, line, 0, &but_stored("active", "signed"));
    with(&|all| all[STORED].is_active = false);
    let off = check(&world, line, 3, &but_stored("off", "signed"));
    for said in [
        "switched off 2026-11-01T10:00:00Z at the earliest (its creation), and 2026-11-24T03:12:07Z at the latest (its last change)",
        "hookgate recover uploadcare --endpoint photos --since 2026-11-21T03:12:07Z",
    ] {
        assert!(off.out.contains(said), "{said} is not in {off:?}");
    }
    // A remedy is about the same host and the same events, so that it touches nothing else.
    let host = "--host https://hooks.example.com";
    assert!(off.out.contains(&format!("hookgate subscriptions uploadcare --reenable {host}")), "{off:?}");
    with(&|all| {
        all.remove(STORED);
        all[0].is_active = false;
        all[0].updated = "2026-11-02T10:00:00Z".into();
    });
    let missing = run(&world, &format!("{line} --events file.uploaded,file.stored"));
    for said in [format!("hookgate subscribe photos --events file.stored {host}"), "The next line begins at its creation".into()]
    {
        assert!(missing.out.contains(&said), "{said} is not in {missing:?}");
    }
    with(&|all| all[STORED].updated = "yesterday".into());
    with(&|all| all[STORED].signing_secret = None);
    check(&world, line, 3, &but_stored("active", "absent"));
    with(&|all| all[STORED].signing_secret = Some("another-secret-of-length".into()));
    check(&world, line, 3, &but_stored("active", "foreign"));
    with(&|all| drop(all.remove(STORED)));
    let missing = ["photos", "file.stored", "missing", "missing"];
    let rest = but_stored("", "").into_iter().filter(|row| row[1] != "file.stored").chain([missing]).collect::<Vec<_>>();
    check(&world, line, 3, &rest);
    // Nobody has to want everything.
    check(&world, &format!("{line} --events file.uploaded,file.deleted"), 0, &rest[..4]);
    let mistaken = run(&world, &format!("{line} --events file.delete"));
    assert_eq!(mistaken.code, Some(2), "{mistaken:?}");
    assert!(mistaken.err.contains("--events file.delete: no such event; did you mean file.deleted?"), "{mistaken:?}");
    with(&|all| all.clear());
    check(&world, line, 3, &[["photos", "file.uploaded", "missing", "missing"]]);
    // A secret that cannot be read can be any.
    with(&|all| all[STORED].signing_secret = Some("another-secret-of-length".into()));
    fs::remove_file(world.stage.folder.path("photos")).expect("there");
    let unread = run(&world, line);
    assert_eq!(unread.code, Some(3), "{unread:?}");
    assert!(rows(&unread).iter().all(|row| row[3] == "incomparable"), "{unread:?}");
}

#[test]
fn what_leads_elsewhere_is_neither_shown_nor_a_finding() {
    let world = World::mock();
    let mut webhooks = all_photos();
    let foreign = [
        "https://user-of-somebody:hunter2-of-somebody@elsewhere.example.com/hunter2-of-somebody?token=hunter2-of-somebody",
        "https://staging.example.com/webhooks/photos",
        "https://hooks.example.com/webhooks/another",
        // The path of another provider's endpoint, and one that the daemon does not serve.
        "https://hooks.example.com/webhooks/assets",
        "https://hooks.example.com/webhooks/photos/hunter2-of-somebody/",
        "hunter2-of-somebody",
    ];
    for (id, url) in (100..).zip(foreign) {
        let signing_secret = Some("another-secret-of-length".into());
        webhooks.push(Webhook { target_url: url.into(), is_active: false, signing_secret, ..photo(id, "file.stored") });
    }
    world.stub.books().uploadcare.webhooks = webhooks;
    let line = "subscriptions uploadcare --host https://hooks.example.com --reenable";
    let finished = check(&world, line, 0, &but_stored("active", "signed"));
    assert_eq!(finished.json_lines()[5]["not_ours"], 6, "{finished:?}");
    assert!(world.stub.asked().iter().all(|asked| asked == "GET /webhooks/"));
    let pretty = run(&world, &format!("{line} --format pretty"));
    assert!(pretty.out.contains("uploadcare: 6 not ours: "), "{pretty:?}");
    assert!(pretty.out.lines().all(|line| line.chars().count() <= 80), "{pretty:?}");
    // Without a host, the path decides.
    let without = run(&world, "subscriptions uploadcare");
    assert_eq!((without.code, rows(&without).len()), (Some(3), 6), "{without:?}");
}

#[test]
fn reenabling_changes_nothing_else_and_is_read_again() {
    let world = World::mock();
    let line = "subscriptions uploadcare --host https://hooks.example.com --reenable";
    let off = |place: usize| {
        let mut webhooks = all_photos();
        webhooks[place].is_active = false;
        world.stub.books().uploadcare.webhooks.clone_from(&webhooks);
        world.stub.asked();
        webhooks
    };
    let before = off(STORED);
    let finished = check(&world, line, 0, &but_stored("active", "signed"));
    assert_eq!(world.stub.asked(), ["GET /webhooks/", "PUT /webhooks/3/", "GET /webhooks/"]);
    for said in ["this run has switched it on again", "--since 2026-11-21T03:12:07Z"] {
        assert!(finished.out.contains(said), "{said} is not in {finished:?}");
    }
    let mut after = world.stub.books().uploadcare.webhooks.clone();
    assert!(after[STORED].is_active);
    (after[STORED].is_active, after[STORED].updated) = (false, before[STORED].updated.clone());
    assert_eq!(after, before);
    // A second run has nothing to do.
    check(&world, line, 0, &but_stored("active", "signed"));
    assert!(!world.stub.asked().iter().any(|asked| asked.starts_with("PUT")));

    // What would be refused stays off.
    for secret in [None, Some("another-secret-of-length".to_owned())] {
        off(STORED);
        let proof = if secret.is_some() { "foreign" } else { "absent" };
        world.stub.books().uploadcare.webhooks[STORED].signing_secret = secret;
        let finished = check(&world, line, 3, &but_stored("off", proof));
        assert!(finished.err.contains("uploadcare 3 was not switched on: its deliveries would be refused"), "{finished:?}");
        assert_eq!(world.stub.asked(), ["GET /webhooks/"]);
    }
    // The provider says yes, and then it is off still, or has lost its secret.
    off(STORED);
    let yes = Fault::Instead(Box::new(Reply::json(200, &json!({}))));
    world.stub.books().faults = vec![None, Some(yes.clone())];
    check(&world, line, 3, &but_stored("off", "signed"));
    off(STORED);
    let object = |webhook: &Webhook| {
        let secret = webhook.signing_secret.as_ref().filter(|_| webhook.event != "file.stored");
        json!({ "id": webhook.id, "event": webhook.event, "target_url": webhook.target_url, "is_active": true, "signing_secret": secret })
    };
    let unsigned = Reply::json(200, &all_photos().iter().map(object).collect::<Value>());
    world.stub.books().faults = vec![None, Some(yes), Some(Fault::Instead(Box::new(unsigned)))];
    let lost = check(&world, line, 3, &but_stored("active", "absent"));
    assert!(lost.out.contains("it was signed with a secret of the endpoint before, and is not any more"), "{lost:?}");
}

#[test]
fn frameio_has_webhooks_in_each_workspace() {
    let world = World::mock();
    let url = "https://hooks.example.com/webhooks/review";
    let line = "subscriptions frameio --host https://hooks.example.com";
    world.stub.books().frameio.workspaces = vec![WORKSPACE.into()];
    check(&world, line, 3, &[["review", "", "missing", "missing"]]);
    // More than a page, of which one is ours.
    let mut webhooks: Vec<_> = (0..150)
        .map(|number| review(number, "https://elsewhere.example.com/hunter2-of-somebody", &["file.ready"], false))
        .collect();
    webhooks.push(review(150, url, &["file.ready", "comment.created"], true));
    world.stub.books().frameio.webhooks = webhooks;
    let good = check(&world, line, 0, &[["review", "file.ready", "active", "hidden"]]);
    assert!(good.out.contains("\"not_ours\":150"), "{good:?}");
    check(&world, &format!("{line} --events comment.created"), 0, &[["review", "file.ready", "active", "hidden"]]);
    let missing = ["review", "comment.deleted", "missing", "missing"];
    let rows = [["review", "file.ready", "active", "hidden"], missing];
    check(&world, &format!("{line} --events comment.created,comment.deleted"), 3, &rows);
    world.stub.books().frameio.webhooks[150].active = false;
    check(&world, line, 3, &[["review", "file.ready", "off", "hidden"]]);
    check(&world, &format!("{line} --reenable"), 0, &[["review", "file.ready", "active", "hidden"]]);
    let kept: Vec<_> = world.stub.books().frameio.webhooks.iter().filter(|it| it.active).cloned().collect();
    assert_eq!(kept, [review(150, url, &["file.ready", "comment.created"], true)]);
    // Without a list of workspaces all are looked at.
    let configuration = fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    world.stage.folder.write("hookgate.toml", configuration.replace(&format!("workspaces = [\"{WORKSPACE}\"]\n"), ""));
    world.stub.books().frameio.workspaces = vec!["v".into(), WORKSPACE.into()];
    check(&world, line, 0, &[["review", "file.ready", "active", "hidden"]]);
    world.stub.books().frameio.workspaces = vec!["v".into()];
    check(&world, line, 3, &[["review", "", "missing", "missing"]]);
}

#[test]
fn filespin_is_only_read_and_nothing_else_of_its_settings_is_shown() {
    let world = World::mock();
    let set = |urls: &str, addon: bool| {
        let mut books = world.stub.books();
        books.filespin.web_urls = urls.into();
        books.filespin.callback_events["addon-processed"] = addon.into();
    };
    let line = "subscriptions filespin --host https://hooks.example.com --reenable";
    let url = "https://hooks.example.com/webhooks/assets";
    let elsewhere = "https://elsewhere.example.com/hunter2-of-somebody?token=hunter2-of-somebody";
    for token in
        ["?token=assets-token-of-some-length", "?a=b&token=assets%2Dtoken-of-some-length", "/assets-token-of-some-length"]
    {
        set(&format!("{elsewhere}, {url}{token}"), true);
        let good = check(&world, line, 0, &[["assets", "file-saved", "active", "token"]]);
        assert!(good.out.contains("2 of 3 URLs used"), "{good:?}");
    }
    set(&format!("{url}?token=assets-token-of-some-length"), false);
    let missing = ["assets", "addon-processed", "missing", "missing"];
    check(&world, line, 3, &[["assets", "file-saved", "active", "token"], missing]);
    set(url, true);
    check(&world, line, 3, &[["assets", "file-saved", "active", "absent"]]);
    set(&format!("{url}?token=hunter2-of-somebody"), true);
    check(&world, line, 3, &[["assets", "file-saved", "active", "foreign"]]);
    set(elsewhere, true);
    check(&world, line, 3, &[["assets", "file-saved", "missing", "missing"]]);
    assert!(world.stub.asked().iter().all(|asked| asked == "GET /api/v1/user/settings"));
    let files = run(&world, "subscriptions filesafety --format pretty");
    assert_eq!(files.code, Some(0), "{files:?}");
    assert!(files.out.contains("filesafety: nothing is registered there"), "{files:?}");
}

/// Whatever a provider answers, the command ends, says so, and shows nothing of it.
#[test]
fn a_hostile_provider_shows_nothing_and_breaks_nothing() {
    let world = World::mock();
    let reply = |status: u16, headers: &[(&'static str, &str)], body: String| Reply {
        status,
        headers: headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        body: body.into_bytes(),
        fault: None,
    };
    let failing = |reply: Reply| {
        for provider in ["uploadcare", "filespin", "frameio"] {
            world.stub.books().frameio.tokens = vec!["token".into()];
            // Frame.io is asked for a token first.
            let first = (provider == "frameio").then_some(None);
            let fault = Some(Fault::Instead(Box::new(reply.clone())));
            world.stub.books().faults = first.into_iter().chain([fault]).collect();
            let finished = run(&world, &format!("subscriptions {provider}"));
            assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""), "{finished:?}");
            assert!(finished.err.len() < 2000, "{finished:?}");
        }
    };
    let secret = "hunter2-of-somebody";
    failing(reply(302, &[("location", "https://elsewhere.example.com/?token=hunter2-of-somebody")], String::new()));
    failing(reply(200, &[], format!("[{{\"id\":1,\"signing_secret\":\"{secret}\"")));
    failing(reply(200, &[], format!("[{{\"id\":\"{secret}\",\"event\":1,\"target_url\":2,\"is_active\":\"{secret}\"}}]")));
    failing(reply(200, &[], format!("{{\"data\":{{\"{secret}\":1}}}}")));
    failing(reply(200, &[], format!("\"{secret}\"")));
    failing(reply(200, &[], " ".repeat(9 << 20)));
    // A provider may repeat in its words what it was asked with.
    let own = [
        ("uploadcare", "demoprivatekey photos-secret-of-some-length"),
        ("filespin", "0123456789abcdef0123456789abcdef assets-token-of-some-length"),
        ("frameio", "client-secret review-secret-of-some-length"),
    ];
    for (provider, secrets) in own {
        let words = json!({ "detail": format!("{secrets} \u{1b}[2J") });
        world.stub.books().faults = vec![Some(Fault::Instead(Box::new(reply(400, &[], words.to_string()))))];
        let finished = run(&world, &format!("subscriptions {provider}"));
        assert_eq!((finished.code, finished.both().contains('\u{1b}')), (Some(1), false), "{finished:?}");
        assert!(finished.err.contains("answered 400: …"), "{finished:?}");
    }

    // A long list of what is ours, and names that would command a terminal.
    let long =
        |id: u64| Webhook { signing_secret: Some("another-secret-of-length".into()), ..photo(id, "\u{1b}[2Jfile\u{202e}") };
    world.stub.books().uploadcare.webhooks = (0..5_000).map(long).collect();
    for format in ["pretty", "json"] {
        let finished = run(&world, &format!("subscriptions uploadcare --format {format}"));
        assert_eq!(finished.code, Some(3), "{format}");
        assert!(!finished.both().contains(['\u{1b}', '\u{202e}']), "{format}");
    }
}

#[test]
fn a_provider_that_cannot_be_read_does_not_hide_the_others() {
    let world = World::mock();
    {
        let mut books = world.stub.books();
        books.uploadcare.no_webhooks = Some("You can't use webhooks".into());
        books.frameio.workspaces = vec![WORKSPACE.into()];
        books.filespin.callback_events["addon-processed"] = true.into();
    }
    let metrics = world.stage.folder.path("hookgate.prom");
    let finished = run(&world, &format!("subscriptions --host https://hooks.example.com --metrics {metrics}"));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.err.contains("You can't use webhooks"), "{finished:?}");
    let expected = [["assets", "file-saved", "missing", "missing"], ["review", "", "missing", "missing"]];
    assert_eq!(rows(&finished), expected, "{finished:?}");
    let text = fs::read_to_string(metrics).expect("written");
    assert_discreet("the metrics", &text);
    for line in [
        "hookgate_subscription_missing{provider=\"filespin\",endpoint=\"assets\"} 6",
        "hookgate_subscription_missing{provider=\"frameio\",endpoint=\"review\"} 1",
        "hookgate_subscription_off{provider=\"frameio\",endpoint=\"review\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
    let uploadcare: Vec<&str> = text.lines().filter(|line| line.contains("uploadcare")).collect();
    assert_eq!(uploadcare, ["hookgate_subscription_failed{provider=\"uploadcare\"} 1"]);
}
