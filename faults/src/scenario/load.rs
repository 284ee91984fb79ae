//! Overload: more deliveries than the daemon can hold, from all providers or from one, and bodies larger than it accepts.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::pause;
use crate::{
    delivery,
    expect::{answered, overloaded},
    load::{Kind, Outcome},
    plan::VICTIM,
    proxy::Mode,
    stage::Stage,
};

/// With 16 deliveries at once and brokers that answer after a tenth of a second, the daemon stores at most 160 a second. The flood is ten
/// times that. The steady load is small, because its deliveries that are refused during the flood come again when the flood is over.
pub(super) fn overload(stage: &mut Stage) -> Result<(), String> {
    stage.network(&Mode::Slow(Duration::from_millis(50)))?;
    pause(3.0);
    let calm = Instant::now();
    pause(8.0);
    let begin = Instant::now();
    let flood = stage.flood(Kind::Flood(1500));
    pause(stage.seconds(60.0, 15.0));
    stage.expect(overloaded(calm..begin, begin..Instant::now()));
    stage.healed();
    stage.collect(flood)
}

/// Sends correctly signed deliveries as fast as they are answered, on more connections than the endpoint has room for.
pub(super) fn noisy_endpoint(stage: &mut Stage) -> Result<(), String> {
    let begin = Instant::now();
    let flood = stage.flood(Kind::Noise(VICTIM, 300));
    pause(stage.seconds(15.0, 5.0));
    stage.expect(answered(&[VICTIM], Outcome::Refused, begin..Instant::now()));
    stage.healed();
    stage.collect(flood)
}

/// The size of a stranger's body, in bytes: less than nginx's limit.
const JUNK_BYTES: usize = 300_000;
/// The size of a fair sender's oversized body, in bytes: less than nginx's limit and more than Hookgate's.
const OVERSIZED_BYTES: usize = 900_000;

/// Sends a large body to no endpoint and a fair sender's oversized delivery, once a second each. Both are refused before their bodies are
/// read. If such an answer is lost on its way, nginx treats the replica as failed, and verified deliveries get a 502.
pub(super) fn stranger_floods_large_bodies(stage: &mut Stage) -> Result<(), String> {
    let junk = format!("POST /nope HTTP/1.1\r\nhost: faults\r\ncontent-length: {JUNK_BYTES}\r\n\r\n{}", "~".repeat(JUNK_BYTES));
    let oversized = "~".repeat(OVERSIZED_BYTES);
    let (entrance, secrets, seconds) = (stage.entrance, stage.secrets.clone(), stage.seconds(30.0, 10.0));
    let (strangers, fair) = thread::scope(|scope| {
        let strangers = scope.spawn(|| once_a_second(entrance, seconds, || junk.clone()));
        let fair = scope.spawn(|| {
            once_a_second(entrance, seconds, || {
                let head = delivery::head(VICTIM, &oversized, &secrets.of(VICTIM), secrets.now());
                format!("{head}content-length: {OVERSIZED_BYTES}\r\n\r\n{oversized}")
            })
        });
        (strangers.join(), fair.join())
    });
    stage.healed();
    for (what, statuses, expected) in [("a stranger", strangers, 404), ("the fair sender", fair, 413)] {
        let statuses = statuses.map_err(|_| "the senders have panicked")?;
        let wrong = statuses.iter().filter(|status| **status != Ok(expected)).collect::<Vec<_>>();
        let fault = match wrong.first() {
            Some(first) => {
                Err(format!("{what} got {first:?} instead of {expected}, {} of {} times", wrong.len(), statuses.len()))
            }
            None => Ok(Some(format!("{what} got {expected}, {} times", statuses.len()))),
        };
        stage.expect(Box::new(move |_, _| fault));
    }
    Ok(())
}

/// Sends a request once a second, each on a connection of its own, for this number of seconds. Returns how each was answered.
fn once_a_second(address: SocketAddr, seconds: f32, request: impl Fn() -> String) -> Vec<Result<u16, String>> {
    let begin = Instant::now();
    let mut statuses = Vec::new();
    while begin.elapsed().as_secs_f32() < seconds {
        let sent = Instant::now();
        statuses.push(exchange(address, request().as_bytes()).map_err(|error| error.to_string()));
        thread::sleep(Duration::from_secs(1).saturating_sub(sent.elapsed()));
    }
    statuses
}

/// Sends one request and returns the status of the answer.
fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<u16> {
    let patience = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(request)?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let status = str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
