//! `hookgate subscribe` for Frame.io, whose secrets are shown once, against a stand-in of the API.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use hookgate_stubs::{
    Fault,
    frameio::{self, WORKSPACE},
};
use serde_json::json;

use crate::{
    binary::Finished,
    recovery_world::World,
    secret_search::assert_discreet,
    subscribe::{HOST, changes, instead, said},
    subscriptions::run,
};

const REVIEW: &str = "https://hooks.example.com/webhooks/review";

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
    said(&run(&world, &format!("{line} --dry-run")), 3, &["create  https://hooks.example.com/webhooks/review, with 2 events"]);
    let path = world.stage.folder.path("new");
    let into = format!("{line} --secret-file {path}");
    // The file is there before the webhook, so one that cannot be made costs none.
    world.stage.folder.write("new", "kept");
    said(&run(&world, &into), 1, &["exists already"]);
    said(&run(&world, &format!("{line} --secret-file {path}/below")), 1, &["cannot be"]);
    assert_eq!((changes(&world), fs::read_to_string(&path).expect("there")), (Vec::new(), "kept".into()));
    fs::remove_file(&path).expect("there");
    // A refusal leaves no file.
    world.stub.books().frameio.tokens = vec!["token".into()];
    world.stub.books().faults = vec![None, None, Some(instead(422, &json!({ "errors": [{ "detail": "no" }] })))];
    said(&run(&world, &into), 1, &["answered 422: no"]);
    assert!(fs::metadata(&path).is_err());

    world.stub.asked();
    let made = run(&world, &into);
    said(&made, 3, &["created  b0000000-0000-4000-8000-000000000001", "to the secrets of [endpoints.review]"]);
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
    said(&run(&world, &format!("{line} --dry-run")), 3, &["there  h  2 events", "add    comment.created"]);
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
    said(&run(&world, &format!("{line} --dry-run")), 3, &["there   h  1 event\n", "create  https://"]);
    assert_eq!(changes(&world), Vec::<String>::new());
    let path = world.stage.folder.path("new");
    let made = run(&world, &format!("{line} --secret-file {path}"));
    said(&made, 3, &["created  b0000000-", "when no delivery has the secret of h any more, delete it at Frame.io"]);
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

/// `hookgate init` and operators make the file before. What is in one, or could be read by others, is not written over.
#[test]
fn only_an_empty_file_of_the_owner_may_be_there_for_the_secret() {
    let (world, line) = reviewing();
    let path = world.stage.folder.path("new");
    let check = |text: &str, mode: u32, code: i32, expected: &str| {
        world.stage.folder.write("new", text);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("there");
        said(&run(&world, &format!("{line} --secret-file {path}")), code, &[expected]);
        assert_eq!(world.stub.books().frameio.webhooks.len(), usize::from(code == 3), "{text:?} {mode:o}");
        let kept = fs::read_to_string(&path).expect("there");
        assert_eq!(kept, if code == 3 { "webhook-secret-1" } else { text });
    };
    check("of the user", 0o600, 1, "exists already; a secret that is there is not overwritten");
    check("", 0o640, 1, &format!("others than its owner may read it: chmod 600 {path}\n"));
    // If the webhook cannot be made, the file is as it was.
    world.stub.books().faults = vec![None, None, Some(instead(403, &json!({})))];
    check("", 0o600, 1, "403");
    check("", 0o600, 3, "created  b0000000-");
}

/// Frame.io shows a secret once. Where the endpoint has none, the webhook that is there is of no use.
#[test]
fn a_webhook_whose_secret_is_lost_is_a_finding() {
    let (world, line) = reviewing();
    world.stub.books().frameio.webhooks = vec![webhook("h", REVIEW, &["file.ready", "comment.created"])];
    said(&run(&world, &line), 0, &["nothing to change"]);
    world.stage.folder.write("review", "");
    let remedy = format!("hookgate subscribe review --another --secret-file review {HOST}");
    said(&run(&world, &line), 3, &["503 no_secret", &format!("{remedy}\n")]);
    // The remedy is for the same configuration.
    let config = world.stage.folder.path("hookgate.toml");
    said(&in_shell(&world, "", &line, ""), 3, &[&format!("{remedy} --config {config}\n")]);
    let listed = run(&world, &format!("subscriptions frameio --format pretty {HOST}"));
    said(&listed, 3, &["active  LOST     review", "    chmod 600 review\n", &remedy]);
    // The remedy works as it is printed.
    let words = remedy.strip_prefix("hookgate ").expect("a command");
    let made = in_shell(&world, "chmod 600 review;", &format!("{words} --yes --events file.ready"), "");
    said(&made, 0, &["created  b0000000-"]);
    // The one whose secret is lost is still there.
    said(&run(&world, &line), 3, &["2 webhooks lead to the endpoint, which has 1 secret"]);
    world.stub.books().frameio.webhooks.remove(0);
    said(&run(&world, &format!("subscribe review {HOST} --yes --events file.ready")), 0, &["nothing to change"]);
}

/// Each webhook has a secret of its own, so one of two is refused where the endpoint has only one.
#[test]
fn more_webhooks_than_secrets_are_a_finding() {
    let (world, line) = reviewing();
    let events = ["file.ready", "comment.created"];
    world.stub.books().frameio.webhooks = vec![webhook("g", REVIEW, &events), webhook("h", REVIEW, &events)];
    let check = |code: i32, part: &str| {
        said(&run(&world, &format!("subscriptions frameio --format pretty {HOST}")), code, &[part]);
        said(&run(&world, &line), code, &["nothing to change"]);
    };
    check(3, "active  ?        review");
    said(&run(&world, &line), 3, &["2 webhooks lead to the endpoint, which has 1 secret"]);
    let configuration = fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    world.stage.folder.write("another", "another-secret-of-length");
    let both = configuration.replace("\"file:review\"", "\"file:review\", \"file:another\"");
    world.stage.folder.write("hookgate.toml", both);
    check(0, "active  –        review");
}

/// Only what is empty is lost. From another folder, or as another user, nothing is known of a secret, and a healthy webhook must stay.
#[test]
fn a_secret_that_cannot_be_read_is_not_called_lost() {
    let (world, line) = reviewing();
    world.stub.books().frameio.webhooks = vec![webhook("h", REVIEW, &["file.ready", "comment.created"])];
    fs::remove_file(world.stage.folder.path("review")).expect("there");
    fs::create_dir(world.stage.folder.path("review")).expect("made");
    let listed = run(&world, &format!("subscriptions frameio --format pretty {HOST}"));
    said(&listed, 3, &["active  ?        review", "this says why:", "    hookgate check"]);
    assert!(!run(&world, &line).both().contains("--another"));
}

/// A secret that Hookgate would not read is as good as lost, and Frame.io shows it once.
#[test]
fn a_file_that_the_folder_leaves_out_is_refused_before_the_webhook_is_made() {
    let (world, line) = reviewing();
    let folder = world.stage.folder.path("keys");
    let configuration = fs::read_to_string(world.stage.folder.path("hookgate.toml")).expect("there");
    world.stage.folder.write("hookgate.toml", configuration.replace("file:review", "dir:keys"));
    // The folder must be there, and both commands print what makes it.
    let mkdir = "mkdir -p -m 700 keys\n";
    said(
        &run(&world, &format!("subscriptions frameio --format pretty --events file.ready {HOST}")),
        3,
        &[&format!("    {mkdir}")],
    );
    for flag in ["", " --dry-run"] {
        said(&run(&world, &format!("{line} --secret-file keys/1{flag}")), 1, &["its folder is not there: ", mkdir]);
    }
    said(&in_shell(&world, &mkdir.replace('\n', ";"), &format!("{line} --secret-file keys/1 --dry-run"), ""), 3, &["create  "]);
    // With no webhook, the remedy is whole.
    let listed = run(&world, &format!("subscriptions frameio --events file.ready {HOST}"));
    said(&listed, 3, &["hookgate subscribe review --secret-file keys/1 --events file.ready --host https://hooks.example.com"]);
    said(&run(&world, &format!("{line} --secret-file keys/.new")), 1, &["leaves out names that begin with a dot"]);
    // However the path is written, the folder takes it.
    let made = run(&world, &format!("{line} --secret-file {folder}/1"));
    said(&made, 0, &["created  "]);
    assert!(!made.err.contains("now add"), "{made:?}");
    for number in 2..=16 {
        world.stage.folder.write(&format!("keys/{number}"), format!("webhook-secret-of-a-length-{number}"));
    }
    said(&run(&world, &format!("{line} --another --secret-file keys/17")), 1, &["has 16 files already"]);
    assert_eq!(world.stub.books().frameio.webhooks.len(), 1);
}

/// A custom action is no event of a webhook, so Frame.io would refuse it.
#[test]
fn by_default_a_webhook_has_every_event_of_frameio_and_nothing_else() {
    let (world, _) = reviewing();
    let line = format!("subscribe review {HOST} --yes --secret-file {}", world.stage.folder.path("new"));
    said(&run(&world, &format!("{line} --events action")), 2, &["--events action: no such event"]);
    said(&run(&world, &line), 3, &["with 30 events"]);
    let events = world.stub.books().frameio.webhooks[0].events.clone();
    assert_eq!(events.iter().collect::<std::collections::BTreeSet<_>>().len(), frameio::EVENTS.len());
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
    // Somebody else is faster.
    let faster = |number: usize| {
        if number == 3 {
            world.stage.folder.write("new", "of somebody");
        }
    };
    let beaten = world.stub.before_answers(faster, || run(&world, &format!("{line} --secret-file {path}")));
    said(&beaten, 1, &["somebody has written to the file meanwhile; the webhook b0000000-"]);
    check(&beaten, "was deleted again");
    assert_eq!(fs::read_to_string(&path).expect("there"), "of somebody");
    fs::remove_file(&path).expect("there");
    // Nobody reads the output any more.
    check(&unread(&world, &format!("{line} --kubernetes-secret s")), "was deleted again");
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

/// Runs the command, whose reader goes away before the webhook is made.
fn unread(world: &World, line: &str) -> Finished {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut reader = Some(reader);
    let config = world.stage.folder.path("hookgate.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.args(line.split(' ')).args(["--config", &config]).stdout(writer).stderr(std::process::Stdio::piped());
    command.current_dir(std::path::Path::new(&config).parent().expect("a folder"));
    let close = |number: usize| {
        if number == 3 {
            drop(reader.take());
            // The command may notice it.
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
    };
    let finished = world.stub.before_answers(close, || {
        let child = command.spawn().expect("started");
        drop(command);
        child.wait_with_output().expect("ended")
    });
    Finished { code: finished.status.code(), out: String::new(), err: String::from_utf8(finished.stderr).expect("text") }
}

/// A secret that goes nowhere is lost, and Frame.io shows it once.
#[test]
fn a_manifest_that_nobody_would_read_is_refused_before_the_webhook_is_made() {
    let (world, line) = reviewing();
    for after in [">/dev/null", ">/dev/full", ">&-"] {
        let refused = in_shell(&world, "", &format!("{line} --kubernetes-secret s"), after);
        said(&refused, 2, &["send standard output to a file"]);
    }
    assert_eq!((changes(&world), world.stub.books().frameio.webhooks.len()), (Vec::new(), 0));
}

/// Of two runs with one file, one secret would be lost.
#[test]
fn a_file_takes_the_secret_of_one_run() {
    let (world, line) = reviewing();
    let into = format!("{line} --secret-file {}", world.stage.folder.path("new"));
    world.stage.folder.write(".new.new", "");
    said(&run(&world, &into), 1, &[".new.new", "is there already: another run makes a webhook, or one was killed"]);
    assert_eq!((changes(&world), world.stub.books().frameio.webhooks.len()), (Vec::new(), 0));
    fs::remove_file(world.stage.folder.path(".new.new")).expect("there");
    said(&run(&world, &into), 3, &["created  "]);
    assert!(fs::metadata(world.stage.folder.path(".new.new")).is_err());
}

/// A link leads to where the secret is kept.
#[test]
fn a_link_to_an_empty_file_stays_a_link() {
    let (world, line) = reviewing();
    let (symlink, path) = (world.stage.folder.path("link"), world.stage.folder.path("empty"));
    std::os::unix::fs::symlink(&path, &symlink).expect("made");
    let into = format!("{line} --secret-file {symlink}");
    said(&run(&world, &into), 1, &["is a link that leads nowhere"]);
    world.stage.folder.write("empty", "");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("there");
    said(&run(&world, &into), 3, &["created  "]);
    assert!(fs::symlink_metadata(&symlink).expect("there").is_symlink());
    assert_eq!(fs::read_to_string(&path).expect("there"), "webhook-secret-1");
}

#[test]
fn a_manifest_has_the_secret_and_nothing_else_has_it() {
    let (world, line) = reviewing();
    let made = in_shell(&world, "", &format!("{line} --kubernetes-secret hookgate-frameio"), "");
    said(&made, 0, &["created the webhook"]);
    assert_discreet("the messages", &made.err);
    assert!(!made.err.contains("webhook-secret"), "{made:?}");
    let expected = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"hookgate-frameio\"\ntype: Opaque\nstringData:\n";
    let webhooks = world.stub.books().frameio.webhooks.clone();
    let entry = |webhook: &frameio::Webhook| format!("{expected}  \"{}\": \"{}\"\n", webhook.id, webhook.secret);
    assert_eq!(made.out, entry(&webhooks[0]));
    // Another webhook's secret has another key, so that a Secret can hold both.
    let another = in_shell(&world, "", &format!("{line} --another --kubernetes-secret hookgate-frameio"), "");
    said(&another, 0, &["folder: true"]);
    let webhooks = world.stub.books().frameio.webhooks.clone();
    assert_eq!(another.out, entry(&webhooks[1]));
    assert_ne!(webhooks[0].id, webhooks[1].id);
    // An id that Kubernetes does not take as a key would lose the secret.
    world.stub.books().frameio.tokens = vec!["token".into()];
    world.stub.books().faults =
        vec![None, None, Some(instead(201, &json!({ "data": { "id": "a/b", "secret": "webhook-secret" } })))];
    let refused = in_shell(&world, "", &format!("{line} --another --kubernetes-secret hookgate-frameio"), "");
    said(&refused, 1, &["the secret could not be kept: the id of the webhook cannot be the key of a Secret"]);
    let both = run(&world, &format!("{line} --kubernetes-secret s --secret-file f"));
    said(&both, 2, &["cannot be used with"]);
    said(&run(&world, &format!("{line} --kubernetes-secret Not_One")), 2, &["lower-case letters"]);
}
