//! The senders: a steady rate of mostly correct deliveries, with a share of the wrong requests that every daemon gets.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    runtime,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval, timeout},
};

use super::process::BODY_BYTES_MAX;
use crate::{
    delivery::{self, Provider, Secrets},
    load::{Answer, Kept, PATIENCE, exchange},
};

/// Deliveries a second, to each daemon.
const RATE: u32 = 150;
/// Connections that are kept open from the beginning: if their number rose during the run, it would look like a leak.
const CONNECTIONS: usize = 16;
/// At most this number of unexpected answers is reported in words; the others are only counted.
const DESCRIBED_MAX: usize = 5;

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Known,
    Unclassified,
    Quarantined,
    Forged,
    /// Too large, and its head says so.
    TooLarge,
    /// Too large, which shows only while the body is read.
    Endless,
    Stray,
}

impl Kind {
    /// Returns the kind of the request of this number. Of sixteen deliveries of each provider, ten are correct.
    fn of(number: u64) -> Self {
        match number / 4 % 16 {
            1 => Self::Unclassified,
            3 => Self::Quarantined,
            5 => Self::Forged,
            7 => Self::TooLarge,
            9 => Self::Endless,
            11 => Self::Stray,
            _ => Self::Known,
        }
    }

    /// Returns the expected status, and the outcome by which the daemon counts the request.
    fn expected(self, provider: Provider) -> (u16, &'static str) {
        match self {
            Self::Known => (200, "published"),
            Self::Unclassified => (200, "unclassified"),
            Self::Quarantined => (200, "quarantined"),
            Self::Forged if matches!(provider, Provider::FileSpin | Provider::FileSafety) => (401, "bad_token"),
            Self::Forged => (401, "bad_signature"),
            Self::TooLarge | Self::Endless => (413, "too_large"),
            Self::Stray => (404, "unknown_endpoint"),
        }
    }
}

/// Returns the whole request of this number.
fn request(number: u64, secrets: &Secrets) -> Vec<u8> {
    let (provider, kind) = (Provider::of(number), Kind::of(number));
    let secret = secrets.of(provider);
    let known = || delivery::body(number);
    let whole = |head: String, body: &str| format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let signed = |body: &str, secret: &str| whole(delivery::head(provider, body, secret, secrets.now()), body);
    let too_long = BODY_BYTES_MAX + 1;
    let text = match kind {
        Kind::Known => return delivery::request(number, secrets),
        Kind::Unclassified => signed(&renamed(&known()), &secret),
        Kind::Quarantined => signed(&format!("[{}]", known()), &secret),
        Kind::Forged => signed(&known(), "not-the-secret"),
        // The body is never sent: the answer must come without it.
        Kind::TooLarge => format!("{}content-length: {too_long}\r\n\r\n", delivery::head(provider, "", &secret, secrets.now())),
        Kind::Endless => {
            let head = delivery::head(provider, "", &secret, secrets.now());
            format!("{head}transfer-encoding: chunked\r\n\r\n{too_long:x}\r\n{}\r\n", "~".repeat(too_long))
        }
        Kind::Stray => whole("POST /webhooks/nobody HTTP/1.1\r\nhost: soak\r\n".into(), &known()),
    };
    text.into_bytes()
}

/// Returns the same body with an unknown type.
fn renamed(body: &str) -> String {
    ["file-processed", "scan.complete", "file.ready", "file.stored"]
        .iter()
        .fold(body.into(), |body: String, it| body.replace(it, "soaked"))
}

/// What was sent and answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// The expected answers, by endpoint and outcome.
    pub(super) answers: BTreeMap<(String, String), u64>,
    pub(super) sent: u64,
    /// Answers of 200.
    pub(super) stored: u64,
    /// Expected refusals.
    pub(super) refused: u64,
    pub(super) unexpected: u64,
    /// The first unexpected answers, in words.
    pub(super) described: Vec<String>,
    pub(super) worst: Duration,
}

impl Tally {
    fn add(&mut self, number: u64, answer: Result<Answer, String>, took: Duration) {
        let (provider, kind) = (Provider::of(number), Kind::of(number));
        let (status, outcome) = kind.expected(provider);
        let said = if status == 200 { r#""id":""#.to_owned() } else { format!(":{outcome}\"") };
        let right = answer.as_ref().is_ok_and(|it| it.status == status && String::from_utf8_lossy(&it.body).contains(&said));
        self.sent += 1;
        self.worst = self.worst.max(took);
        self.stored += u64::from(answer.as_ref().is_ok_and(|it| it.status == 200));
        if right {
            let endpoint = if kind == Kind::Stray { "_unmatched" } else { provider.name() };
            self.refused += u64::from(status != 200);
            *self.answers.entry((endpoint.into(), outcome.into())).or_default() += 1;
            return;
        }
        self.unexpected += 1;
        if self.described.len() < DESCRIBED_MAX {
            let answer = answer.map_or_else(|error| error, |it| it.status.to_string());
            self.described.push(format!("the delivery {number} ({kind:?}) was answered: {answer}, after {took:?}"));
        }
    }
}

/// The senders of one daemon.
pub(super) struct Traffic {
    address: SocketAddr,
    secrets: Secrets,
    /// The connection that has been idle longest is used first, so that none is idle for too long.
    kept: Kept,
    tally: RefCell<Tally>,
}

impl Traffic {
    pub(super) fn new(address: SocketAddr, secrets: Secrets) -> Self {
        Self { address, secrets, kept: Kept::new(address, CONNECTIONS), tally: RefCell::default() }
    }

    /// Sends until it is stopped and each delivery is answered.
    pub(super) fn send(self, stop: &AtomicBool) -> Tally {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
        let traffic = Rc::new(self);
        LocalSet::new().block_on(&runtime, Rc::clone(&traffic).send_all(stop));
        traffic.tally.take()
    }

    async fn send_all(self: Rc<Self>, stop: &AtomicBool) {
        self.kept.open().await;
        let (begin, mut number, mut deliveries) = (Instant::now(), 0_u64, JoinSet::new());
        let mut tick = interval(Duration::from_millis(5));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !stop.load(Ordering::Relaxed) {
            tick.tick().await;
            while u128::from(number) < begin.elapsed().as_millis() * u128::from(RATE) / 1000 {
                deliveries.spawn_local(Rc::clone(&self).deliver(number));
                number += 1;
            }
            while deliveries.try_join_next().is_some() {}
        }
        while deliveries.join_next().await.is_some() {}
    }

    async fn deliver(self: Rc<Self>, number: u64) {
        let request = request(number, &self.secrets);
        let begun = Instant::now();
        let answer = match timeout(PATIENCE, self.exchange(number, &request)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("no answer in time".into()),
        };
        self.tally.borrow_mut().add(number, answer, begun.elapsed());
    }

    /// Every third delivery has a connection of its own. After a refusal before the body is read, a connection cannot be used again.
    async fn exchange(&self, number: u64, request: &[u8]) -> io::Result<Answer> {
        if number.is_multiple_of(3) || matches!(Kind::of(number), Kind::TooLarge | Kind::Endless) {
            let mut stream = TcpStream::connect(self.address).await?;
            return exchange(&mut stream, request).await;
        }
        self.kept.exchange(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_every_provider_is_sent() {
        let mut kinds = BTreeMap::new();
        for number in 0..64 {
            *kinds.entry((Provider::of(number).name(), format!("{:?}", Kind::of(number)))).or_insert(0) += 1;
        }
        assert_eq!(kinds.len(), 4 * 7, "{kinds:?}");
        assert_eq!(kinds[&("filespin", "Known".to_owned())], 10);
    }

    #[test]
    fn only_the_expected_answer_is_counted_as_such() {
        let check = |number: u64, status: u16, body: &str, right: bool| {
            let mut tally = Tally::default();
            let answer = Answer { status, closes: false, retry_after: false, body: body.into() };
            tally.add(number, Ok(answer), Duration::ZERO);
            assert_eq!((tally.unexpected, tally.answers.len()), if right { (0, 1) } else { (1, 0) }, "{number} {status} {body}");
        };
        let [known, forged] = [0, 4 * 5];
        check(known, 200, r#"{"id":"x"}"#, true);
        check(known, 200, "{}", false);
        check(known, 503, r#"{"type":"urn:hookgate:problem:overloaded"}"#, false);
        check(forged, 401, r#"{"type":"urn:hookgate:problem:bad_token"}"#, true);
        check(forged, 401, r#"{"type":"urn:hookgate:problem:stale"}"#, false);
        check(forged, 200, r#"{"id":"x"}"#, false);
    }

    #[test]
    fn a_renamed_body_names_no_known_type() {
        for number in 0..4 {
            assert!(renamed(&delivery::body(number)).contains("\"soaked\""), "{number}");
        }
    }
}
