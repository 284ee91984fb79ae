//! The load generator: it sends signed Uploadcare deliveries over keep-alive connections, and reports what each of them cost the server.
//!
//! It shares the machine with the server that it measures, so it must be cheap: it has one thread, requests that are made
//! beforehand, and an HTTP client that knows just enough of HTTP/1.1. It prints one line of JSON at the end.

#![allow(clippy::print_stdout, reason = "one line of JSON is what it is for")]

mod client;
mod process;
mod request;

use std::{
    error::Error,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use serde_json::json;

use crate::{
    client::{Pace, Plan, Tally},
    process::Usage,
    request::{Target, Template},
};

/// Sends signed Uploadcare deliveries to a server on this machine and reports latency and cost.
#[derive(Parser)]
#[command(after_help = "example: load --url http://127.0.0.1:8080/webhooks/uploadcare --secret abc --connections 64 \
                        --rate 2000 --seconds 10 --body body.json --pid 4711")]
struct Arguments {
    /// Where to post; only loopback hosts are accepted.
    #[arg(long)]
    url: String,
    /// The signing secret of the endpoint.
    #[arg(long)]
    secret: String,
    /// How many connections are kept open.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Deliveries per second over all connections on a fixed schedule, or `max`: each connection as fast as it can.
    #[arg(long, default_value = "max", value_parser = pace)]
    rate: Pace,
    /// How long to send.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    seconds: f64,
    /// Ends after this many deliveries, each connection as fast as it can; `--seconds` is then the most it may take.
    #[arg(long, conflicts_with = "rate")]
    count: Option<u64>,
    /// The file with the body to send.
    #[arg(long)]
    body: PathBuf,
    /// Gives each delivery a file uuid of its own, in place of the body's `"uuid"` wherever that occurs.
    #[arg(long)]
    unique: bool,
    /// The server's process id: reports the CPU time per answered delivery and the peak memory, of its descendants too.
    #[arg(long)]
    pid: Option<u32>,
    /// Writes the id of each delivery that was answered 200 here, one per line.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().map_err(|error| error.to_string())?;
    // The limit is a day. More is a mistake, and infinity has no `Duration`.
    if number > 0.0 && number <= 86_400.0 { Ok(number) } else { Err("expected more than 0, at most 86400".to_owned()) }
}

fn pace(text: &str) -> Result<Pace, String> {
    match text {
        "max" => Ok(Pace::Max),
        _ => match text.parse::<u32>() {
            Ok(rate) if rate > 0 => Ok(Pace::Rate(rate)),
            _ => Err("expected deliveries per second, or max".to_owned()),
        },
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let target: Target = arguments.url.parse()?;
    let body = fs::read(&arguments.body).map_err(|error| format!("{}: {error}", arguments.body.display()))?;
    let template = Template::new(&target, &arguments.secret, &body, arguments.unique)?;
    let address = target.address;
    let plan = Plan {
        address,
        template,
        connections: arguments.connections,
        pace: arguments.count.map_or(arguments.rate, Pace::Count),
        duration: Duration::from_secs_f64(arguments.seconds),
        keep_ids: arguments.ids.is_some(),
    };
    let before = arguments.pid.map(Usage::of).transpose()?;
    let (tally, elapsed) = client::run(Arc::new(plan)).await.map_err(|error| format!("{address}: {error}"))?;
    let after = arguments.pid.map(Usage::of).transpose()?;

    if let Some(path) = &arguments.ids {
        write_ids(path, &tally.ids)?;
    }
    println!("{}", summary(tally, elapsed, before.zip(after)));
    Ok(())
}

fn write_ids(path: &Path, ids: &[String]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for id in ids {
        writeln!(file, "{id}")?;
    }
    file.flush()
}

/// Returns the JSON that is printed. The cost fields are null without `--pid`.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn summary(mut tally: Tally, elapsed: Duration, usage: Option<(Usage, Usage)>) -> serde_json::Value {
    tally.latencies_us.sort_unstable();
    let answered = tally.latencies_us.len();
    let percentile_ms = |percent: usize| {
        let last = answered.checked_sub(1)?;
        Some(f64::from(tally.latencies_us[last * percent / 100]) / 1000.0)
    };
    let cost_us = usage.as_ref().filter(|_| answered > 0).map(|(before, after)| {
        let spent = after.cpu.saturating_sub(before.cpu);
        spent.as_secs_f64() * 1e6 / answered as f64
    });
    json!({
        "sent": tally.sent,
        "answered": answered,
        "statuses": tally.statuses,
        "failures": tally.failures,
        "seconds": elapsed.as_secs_f64(),
        "answered_per_second": answered as f64 / elapsed.as_secs_f64(),
        "p50_ms": percentile_ms(50),
        "p99_ms": percentile_ms(99),
        "max_ms": percentile_ms(100),
        "cpu_us_per_answer": cost_us,
        "rss_peak_mib": usage.map(|(_, after)| after.rss_peak_kib as f64 / 1024.0),
    })
}
