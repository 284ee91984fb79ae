//! What `hookgate reconcile` and `hookgate recover` say while they wait, and where their output cannot be written.

use std::{fs::File, path::Path, process::Command};

use hookgate_stubs::{
    Fault, Reply,
    time::{Micros, SECOND},
};
use serde_json::Value;

use crate::{
    binary::{Finished, Process},
    recovery_world::World,
    waits::wait_until,
};

/// More than one write to the output and more than what is under way at once.
const MANY: Micros = 600;

fn fill(world: &World, number: Micros) {
    for second in 0..number {
        world.stub.books().uploadcare.upload(world.begin + second * SECOND);
    }
}

fn command(world: &World, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookgate"));
    command.args(line.split_whitespace()).current_dir(world.stage.folder.path(""));
    command
}

/// Runs a command whose output takes nothing, as that of a full disk.
fn run_full(world: &World, line: &str) -> Finished {
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let done = command(world, line).stdout(full).output().expect("run");
    Finished { code: done.status.code(), out: String::new(), err: String::from_utf8(done.stderr).expect("text") }
}

/// Runs a command whose output nobody reads.
fn run_closed(world: &World, line: &str) -> Finished {
    let mut shell = Command::new("sh");
    let script = format!("{{ {} {line}; echo \"exit $?\" >&2; }} | true", env!("CARGO_BIN_EXE_hookgate"));
    shell.args(["-c", &script]).current_dir(world.stage.folder.path(""));
    Process::of(shell).finish()
}

/// Returns the flags with which another run goes on.
pub fn go_on(finished: &Finished) -> Option<String> {
    let (_, rest) = finished.err.split_once("go on with ")?;
    Some(rest.split_once(" and the other flags").expect("a whole sentence").0.to_owned())
}

/// Returns how many events the run says that it has published.
fn published(finished: &Finished) -> usize {
    let end = finished.err.lines().find(|line| line.contains(" published")).unwrap_or_else(|| panic!("{finished:?}"));
    end.split_once(": ").and_then(|(_, rest)| rest.split_once(": ")?.1.split(' ').next()?.parse().ok()).expect("a number")
}

fn subjects(world: &World) -> Vec<String> {
    let mut subjects: Vec<String> = world.events().iter().map(|it| it["event"]["subject"].to_string()).collect();
    subjects.sort_unstable();
    subjects
}

#[test]
fn what_was_published_is_said_although_the_output_takes_nothing() {
    let world = World::mock();
    fill(&world, 1);
    let line = format!("recover uploadcare --all --yes --types file.uploaded {}", world.window());
    let finished = run_full(&world, &line);
    assert_eq!((finished.code, published(&finished)), (Some(1), 1), "{finished:?}");
    assert!(finished.err.contains("the output cannot be written: No space left on device"), "{finished:?}");
    assert_eq!((subjects(&world).len(), go_on(&finished)), (1, None));

    // A run that stops says where to go on, and nothing is there twice or not at all.
    let world = World::mock();
    fill(&world, MANY);
    let line = format!("recover uploadcare --all --yes --types file.uploaded {}", world.window());
    let finished = run_full(&world, &line);
    let first = published(&finished);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(first < 600 && finished.err.contains("stopped before its end"), "{finished:?}");
    assert_eq!(subjects(&world).len(), first);
    let flags = go_on(&finished).expect("a cursor");
    let second = world.run(&format!("recover uploadcare --all --yes --types file.uploaded {flags}"));
    assert_eq!((second.code, first + published(&second)), (Some(0), 600), "{second:?}");
    let mut all = subjects(&world);
    all.dedup();
    assert_eq!((all.len(), world.events().len()), (600, 600));
}

#[test]
fn an_output_that_nobody_reads_is_a_failure_and_said_truly() {
    let world = World::mock();
    fill(&world, MANY);
    let list = run_closed(&world, &format!("reconcile uploadcare --list --format json {}", world.window()));
    assert!(list.err.ends_with("exit 1\n"), "{list:?}");
    assert!(!list.err.contains("published"), "{list:?}");
    let recover = run_closed(&world, &format!("recover uploadcare --all --yes {}", world.window()));
    assert!(recover.err.contains("stopped") && recover.err.ends_with("exit 1\n"), "{recover:?}");
    let plan = run_full(&world, &format!("recover uploadcare --all --dry-run --list {}", world.window()));
    assert_eq!(plan.code, Some(1), "{plan:?}");
}

#[test]
fn a_long_wait_is_said_and_can_be_stopped() {
    let world = World::mock();
    fill(&world, 1);
    let throttled = Reply { status: 429, headers: vec![("retry-after", "300".into())], body: Vec::new(), fault: None };
    for (command, end) in [("recover", "stopped; nothing was published"), ("reconcile", "stopped before its end")] {
        world.stub.books().faults = vec![Some(Fault::Instead(Box::new(throttled.clone())))];
        let line = format!("{command} uploadcare {}", world.window());
        let process = Process::spawn(&world.stage.folder, &line.split_whitespace().collect::<Vec<_>>());
        wait_until("said", || process.err().contains("; asking again in 3"));
        process.signal("INT");
        let finished = process.finish();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.err.contains("answered 429") && finished.err.contains("Ctrl-C stops"), "{finished:?}");
        assert!(finished.err.trim_end().ends_with(end), "{finished:?}");
        // Only a terminal counts down.
        assert!(!finished.err.contains('\x1b'), "{finished:?}");
    }
}

#[test]
fn a_provider_that_cannot_be_asked_keeps_its_last_metrics() {
    let world = World::mock();
    fill(&world, 2);
    let file = world.stage.folder.path("hookgate.prom");
    let metrics = || std::fs::read_to_string(Path::new(&file)).expect("written");
    let line = format!("reconcile uploadcare filespin --metrics hookgate.prom {}", world.window());
    let value = |name: &str| {
        let text = metrics();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
    };
    let missing = "hookgate_reconcile_missing{provider=\"uploadcare\",type=\"file.uploaded\"}";
    let failed = |provider: &str| format!("hookgate_reconcile_failed{{provider=\"{provider}\"}}");
    let time = |provider: &str| format!("hookgate_reconcile_timestamp_seconds{{provider=\"{provider}\"}}");

    assert_eq!(world.run(&line).code, Some(3));
    assert_eq!((value(missing), value(&failed("uploadcare")), value(&failed("filespin"))), (Some(2), Some(0), Some(0)));
    let compared = value(&time("uploadcare")).expect("a time");

    // The other provider has new numbers.
    world.stub.books().uploadcare.secret_key = "other".into();
    wait_until("a second later", || {
        hookgate::clock::system() > std::time::UNIX_EPOCH + std::time::Duration::from_secs(compared + 1)
    });
    assert_eq!(world.run(&line).code, Some(1));
    assert_eq!((value(missing), value(&failed("uploadcare")), value(&failed("filespin"))), (Some(2), Some(1), Some(0)));
    assert_eq!(value(&time("uploadcare")), Some(compared));
    assert!(value(&time("filespin")) > Some(compared), "{}", metrics());

    // The numbers are written also where the report cannot be.
    world.stub.books().uploadcare.secret_key = "demoprivatekey".into();
    let third = world.begin + 7 * SECOND;
    world.stub.books().uploadcare.upload(third);
    assert_eq!(run_full(&world, &line).code, Some(1));
    assert_eq!((value(missing), value(&failed("uploadcare"))), (Some(3), Some(0)));

    // A run for one endpoint has series of its own.
    let one = format!("reconcile --endpoint photos --metrics photos.prom {}", world.window());
    assert_eq!(world.run(&one).code, Some(3));
    let text = std::fs::read_to_string(world.stage.folder.path("photos.prom")).expect("written");
    let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(
        !values.is_empty() && values.iter().all(|line| line.contains("{provider=\"uploadcare\",endpoint=\"photos\"")),
        "{text}"
    );
}

#[test]
fn a_plan_can_be_listed() {
    let world = World::mock();
    fill(&world, 3);
    let line = format!("recover uploadcare --all --types file.uploaded --list --limit 2 {}", world.window());
    let plan = world.run(&format!("{line} --dry-run"));
    let (rows, listed): (Vec<Value>, Vec<Value>) = plan.json_lines().into_iter().partition(|line| line["plan"].is_object());
    assert_eq!((rows.len(), &rows[0]["plan"]["type"], &rows[0]["plan"]["missing"]), (1, &"file.uploaded".into(), &3.into()));
    let uuids: Vec<String> = world.stub.books().uploadcare.files.iter().map(|file| file.uuid.clone()).collect();
    let of = |line: &Value, key: &str| line["planned"][key].as_str().expect("a text").to_owned();
    assert_eq!(listed.iter().map(|line| of(line, "subject")).collect::<Vec<_>>(), uuids[..2], "{plan:?}");
    assert!(listed.iter().all(|line| of(line, "type") == "file.uploaded" && of(line, "provider") == "uploadcare"));
    assert_eq!((plan.code, listed[0]["planned"]["time"].is_string()), (Some(3), true));
    // For the person who decides, it stands beside the plan, and the output has what was done.
    let run = world.run(&format!("{line} --yes"));
    assert_eq!(run.err.lines().filter(|line| line.starts_with("planned  ")).count(), 2, "{run:?}");
    assert!(run.json_lines().iter().all(|line| line["published"].is_object()), "{run:?}");
}
