//! Breaks a three-broker Kafka, the network and Hookgate itself under load, and compares every answer with the records on the topics. Or it
//! breaks nothing for a long time, and looks for resources that grow. docs/reliability.md explains its table.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table that it prints is its purpose")]

mod cluster;
mod daemon;
mod delivery;
mod expect;
mod judge;
mod ledger;
mod load;
mod nginx;
mod plan;
mod proxy;
mod repository;
mod scenario;
mod soak;
mod stage;
mod witness;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, exit},
    thread,
    time::Duration,
};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cluster::Cluster,
    plan::Plan,
    repository::root,
    scenario::{SCENARIOS, Scenario},
    stage::{Verdict, play},
};

/// Break things under load, and prove that nothing that was answered 200 is lost.
#[derive(Debug, Parser)]
struct Arguments {
    /// The scenarios to run, by name or part of it; all of them by default.
    scenarios: Vec<String>,
    /// Only list the scenarios.
    #[arg(long)]
    list: bool,
    /// Only the short set that every change must pass, with shorter faults. Its speed is not judged, so any machine will do.
    #[arg(long)]
    short: bool,
    /// Break nothing: watch two daemons under a steady rate for this number of seconds instead.
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["scenarios", "list"])]
    soak: Option<u64>,
    /// The binary to test.
    #[arg(long, default_value = "target/debug/hookgate")]
    hookgate: PathBuf,
}

/// The most times that a scenario is played if Kafka itself is too slow.
const TRIES: u32 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chosen = |it: &&Scenario| {
        let named = arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|name| it.plan.name.contains(name));
        named && (it.plan.short || !arguments.short)
    };
    let scenarios: Vec<&Scenario> = SCENARIOS.iter().filter(chosen).collect();
    if arguments.list {
        for scenario in scenarios {
            println!("{}", scenario.plan.name);
        }
        return ExitCode::SUCCESS;
    }
    let program = root().join(&arguments.hookgate);
    let went_well = match arguments.soak {
        Some(seconds) => soak(seconds, &program),
        None => run(&scenarios, &program, arguments.short),
    };
    match went_well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays scenarios and prints the table. Returns whether all of them passed.
fn run(scenarios: &[&Scenario], program: &Path, short: bool) -> Result<bool, String> {
    if scenarios.is_empty() {
        return Err("there is no such scenario (--list)".into());
    }
    look_for(program)?;
    end_in_order(|| drop(cluster::script(&["stop"])));
    let _cluster = Cluster::start()?;
    println!(
        "| scenario | sent | 200 | 503 | none | other | given up | duplicates | of them resent | missing | worst ms | stall ms | MiB | recovery s | |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    let mut good = true;
    for Scenario { plan, run } in scenarios {
        // A run that proves nothing is shown, and repeated.
        let mut tries = 1;
        let mut verdict = play(plan, *run, program, short, tries);
        while let Ok(void) = &verdict
            && void.void
            && tries < TRIES
        {
            println!("{}", line(plan, void));
            tries += 1;
            verdict = play(plan, *run, program, short, tries);
        }
        match verdict {
            Ok(verdict) => {
                println!("{}", line(plan, &verdict));
                for note in &verdict.notes {
                    eprintln!("{}: {note}", plan.name);
                }
                for fault in verdict.books.faults.iter().take(5) {
                    eprintln!("{}: {fault}", plan.name);
                }
                good &= verdict.books.faults.is_empty();
            }
            Err(error) => {
                // The cluster may still be half broken, and later scenarios would fail for that reason.
                return Err(format!("{}: {error}", plan.name));
            }
        }
    }
    Ok(good)
}

/// Runs the soak. Returns whether nothing grew and nothing was lost.
fn soak(seconds: u64, program: &Path) -> Result<bool, String> {
    look_for(program)?;
    end_in_order(|| drop(soak::broker::script("stop")));
    soak::run(Duration::from_secs(seconds), program)
}

fn look_for(program: &Path) -> Result<(), String> {
    program.exists().then_some(()).ok_or_else(|| format!("{} is not there: cargo build", program.display()))
}

fn line(plan: &Plan, Verdict { books, stall, rss_peak, recovery, not_staged, void, .. }: &Verdict) -> String {
    let recovery = recovery.map_or("never".to_owned(), |it| format!("{:.1}", it.as_secs_f32()));
    let numbers = [
        books.sent,
        books.stored,
        books.refused,
        books.silent,
        books.other,
        books.given_up,
        books.duplicates,
        books.resent,
        books.missing,
    ];
    let numbers = numbers.map(|number| number.to_string()).join(" | ");
    let verdict = match not_staged {
        _ if *void => "void: Kafka was slow by itself".to_owned(),
        _ if !books.faults.is_empty() => "FAILED".to_owned(),
        Some(why) => format!("not staged: {why}"),
        None => "ok".to_owned(),
    };
    let (worst, stall, rss) = (books.worst.as_millis(), stall.as_millis(), rss_peak >> 20);
    format!("| {} | {numbers} | {worst} | {stall} | {rss} | {recovery} | {verdict} |", plan.name)
}

/// On SIGINT or SIGTERM, ends every process that this program has started.
fn end_in_order(stop_brokers: fn()) {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate()).expect("a handler for SIGTERM");
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        });
        let running = daemon::RUNNING.lock().expect("no thread panics while it holds the lock");
        for pid in running.iter() {
            // The process may have ended by itself.
            let _ended = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status();
        }
        stop_brokers();
        exit(130);
    });
}
