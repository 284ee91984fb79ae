//! The soak breaks nothing, for a long time: two daemons run at a steady rate, one that is scraped and one that never is. Their resources
//! must not grow, and their counters must equal what was sent.

pub(crate) mod broker;
mod judge;
mod process;
mod traffic;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use self::{
    broker::Broker,
    judge::{Record, Verdict},
    process::{Process, Sample},
    traffic::{Tally, Traffic},
};
use crate::delivery::Secrets;

/// How often memory, descriptors and threads are sampled.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the metrics are scraped, as Prometheus would do.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);
/// The names of the daemons. Only the first is scraped: the histograms must be folded even if no scraper asks.
const DAEMONS: [&str; 2] = ["scraped", "not-scraped"];

/// Soaks the daemons, prints the table and returns whether all is well.
pub(crate) fn run(duration: Duration, program: &Path) -> Result<bool, String> {
    let _broker = Broker::start()?;
    let secrets = Secrets::new();
    let started = (0..).zip(DAEMONS).map(|(number, name)| Process::start(program, name, number, &secrets));
    let processes = started.collect::<Result<Vec<_>, _>>()?;
    eprintln!("{} s at a steady rate ...", duration.as_secs());
    let (tallies, samples) = soak(&processes, &secrets, duration)?;
    let mut good = true;
    println!("{}", judge::HEAD);
    for ((process, tally), samples) in processes.into_iter().zip(tallies).zip(samples) {
        let name = process.name;
        let metrics = process.metrics()?;
        let code = process.end()?;
        let record = Record { tally, samples, metrics, code, stored: broker::records(&process::prefix(name))? };
        let verdict = Verdict::of(&record)?;
        println!("{}", verdict.line(name));
        for fault in &verdict.faults {
            eprintln!("{name}: {fault}");
        }
        good &= verdict.faults.is_empty();
    }
    Ok(good)
}

/// Sends deliveries to each daemon for this time, and watches it. Returns the tally and the samples of each.
fn soak(processes: &[Process], secrets: &Secrets, duration: Duration) -> Result<(Vec<Tally>, Vec<Vec<Sample>>), String> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let senders: Vec<_> =
            processes.iter().map(|process| scope.spawn(|| Traffic::new(process.webhooks, secrets.clone()).send(&stop))).collect();
        let scraper = scope.spawn(|| scrape(&processes[0], &stop));
        let watched = watch(processes, duration);
        stop.store(true, Ordering::Relaxed);
        scraper.join().map_err(|_| "the scraper has panicked")??;
        let tallies = senders.into_iter().map(|sender| sender.join().map_err(|_| "the senders have panicked".to_owned()));
        Ok((tallies.collect::<Result<_, _>>()?, watched?))
    })
}

fn watch(processes: &[Process], duration: Duration) -> Result<Vec<Vec<Sample>>, String> {
    let begin = Instant::now();
    let mut samples = vec![Vec::new(); processes.len()];
    while begin.elapsed() < duration {
        thread::sleep(LOOK_EVERY);
        for (process, samples) in processes.iter().zip(&mut samples) {
            samples.push(process.look(begin).ok_or_else(|| format!("{}: the daemon ended by itself", process.name))?);
        }
    }
    Ok(samples)
}

fn scrape(process: &Process, stop: &AtomicBool) -> Result<(), String> {
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            process.metrics()?;
            next += SCRAPE_EVERY;
        }
        // This pause is short, so that the end of the soak is noticed soon.
        thread::sleep(LOOK_EVERY / 10);
    }
    Ok(())
}
