//! `hookgate send --dev`: the running session of `hookgate dev` signs and sends a sample, and says where it is.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::{Value, json};

use super::{ANSWER_BYTES_MAX, Arguments, no_type, sample, target};
use crate::{
    command::{
        CommandResult, Failure,
        session_file::{self, KEY_HEADER},
    },
    config::{Environment, suggestion},
    logged::printable,
    outbound::{Client, OutboundAnswer, OutboundError},
    provider::{self, Provider},
};

/// How long one answer of the session may take; it waits for 5 s itself.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Who sends.
#[derive(Debug, Args)]
pub(super) struct SessionFlag {
    /// Let the running session of `hookgate dev` sign and send the sample; says where the event is.
    #[arg(long, conflicts_with_all = ["url", "secret", "file", "request", "ca_file", "curl", "list"])]
    pub(super) dev: bool,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment, out: &mut impl Write) -> CommandResult {
    let provider = named(&arguments.target)?;
    let Some(event_type) = &arguments.event_type else { return Err(Failure::Usage(no_type(provider))) };
    // The guess is made here too, before anything is sent.
    sample(provider, event_type)?;
    let session = SessionPage::find(environment)?;
    let before = session.get(&format!("/api/requests?after={}", u64::MAX))?;
    // Who writes this command agrees, also where the session has a Kafka of the user's.
    let order = json!({ "endpoint": provider.name, "type": event_type, "consent": true });
    let action = session.post("/api/send", &order)?["action"].clone();
    let row = session.row(&action, before["last"].as_u64().unwrap_or(0), Duration::from_secs(arguments.timeout))?;
    let link = format!("{}/#{}", session.page, row["n"]);
    if arguments.json {
        writeln!(out, "{}", printable(&row.to_string()))?;
    } else {
        let text = |name: &str| printable(row[name].as_str().unwrap_or_default());
        let place = match text("topic") {
            topic if topic.is_empty() => text("why"),
            topic => format!("{topic}[{}]@{}", row["partition"], row["offset"]),
        };
        writeln!(out, "{} {place}\n{link}", row["status"])?;
    }
    Ok(row["status"] == json!(200))
}

/// Returns the provider of this name: each endpoint of a session has the name of its provider.
fn named(target: &target::Arguments) -> Result<&'static Provider, Failure> {
    let name = target.name();
    provider::by_name(name).ok_or_else(|| {
        let meant = suggestion(name, provider::ALL.iter().map(|it| it.name));
        let meant =
            meant.map_or_else(|| format!("there are {}", provider::all_names()), |close| format!("did you mean {close}?"));
        Failure::Usage(format!("a session of `hookgate dev` has no endpoint {name:?}; {meant}"))
    })
}

/// The page of a running session.
struct SessionPage {
    page: String,
    key: String,
    client: Client,
}

impl SessionPage {
    /// Finds the newest session. One that was killed has left its file, and nobody has its port. Of one that does not answer, no other takes the
    /// place.
    fn find(environment: &Environment) -> Result<Self, Failure> {
        for session_file::RunningSession { page, key } in session_file::all(environment) {
            let found = Self { page, key, client: Client::new(TIMEOUT, None)? };
            let answer = found.answer("/api/session");
            if let Err(OutboundError::Unreachable(_)) = answer {
                let page = found.page;
                return Err(Failure::Failed(format!(
                    "the session of `hookgate dev` with the page {page} does not answer: perhaps it is stopped (Ctrl-Z), and `fg` in its \
                     terminal lets it go on"
                )));
            }
            if read(answer).is_ok() {
                return Ok(found);
            }
        }
        Err(Failure::Failed("no session of `hookgate dev` runs: start one in another terminal".into()))
    }

    fn answer(&self, path: &str) -> Result<OutboundAnswer, OutboundError> {
        let url = format!("{}{path}", self.page);
        self.client.get(&url, &[(KEY_HEADER, &self.key)], ANSWER_BYTES_MAX)
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        read(self.answer(path))
    }

    fn post(&self, path: &str, order: &Value) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.page);
        let headers = [(KEY_HEADER, &*self.key), ("content-type", "application/json")];
        read(self.client.post(&url, &headers, order.to_string().as_bytes(), ANSWER_BYTES_MAX))
    }

    /// Waits for the row of an action among those after a number.
    fn row(&self, action: &Value, mut after: u64, patience: Duration) -> Result<Value, Failure> {
        let begin = Instant::now();
        while begin.elapsed() < patience {
            let answer = self.get(&format!("/api/requests?after={after}&wait=1"))?;
            let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(row) = rows.iter().find(|row| row["action"] == *action) {
                return Ok(row.clone());
            }
            after = answer["last"].as_u64().unwrap_or(after);
        }
        Err(Failure::Failed(format!(
            "the session has sent it, and shows no answer after {} s: see {}",
            patience.as_secs(),
            self.page
        )))
    }
}

/// Reads an answer of the page, or why there is none.
fn read(answer: Result<OutboundAnswer, OutboundError>) -> Result<Value, Failure> {
    let gone = |why: &str| Failure::Failed(format!("the session of `hookgate dev` does not answer ({why}): start it again"));
    let answer = answer.map_err(|error| gone(&error.to_string()))?;
    let value: Value = serde_json::from_slice(&answer.body).map_err(|_| gone("another program has its port"))?;
    match answer.status {
        200..300 => Ok(value),
        _ => Err(Failure::Failed(value["error"].as_str().unwrap_or("the session refused").to_owned())),
    }
}
