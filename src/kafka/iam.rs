//! Tokens for Amazon MSK. librdkafka asks for one on the thread that polls a client, which also reports acknowledgements. So another thread
//! keeps the credentials ready, and the polling thread only signs.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use rdkafka::client::OAuthToken;

use crate::{
    aws::{
        credentials::{self, AwsKeys},
        presign,
    },
    clock,
    config::{AwsIam, Kafka, Sasl},
    event::milliseconds,
};

/// How long the first token waits for the first credentials, a little longer than one request may take. Nothing can have been acknowledged
/// before it.
const FIRST_WAIT: Duration = Duration::from_secs(6);
/// The time before credentials end in which new ones are fetched. Amazon's own services have new ones ready five minutes before.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// The pause before credentials are fetched again that could not be had.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// The shortest pause before credentials are fetched again that could be had.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// How often missing credentials are logged.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// Fails where this client cannot log in for administration: the library's administrative client never asks for a token of ours.
pub fn administration(kafka: &Kafka) -> Result<(), &'static str> {
    match kafka.sasl {
        Some(Sasl::Iam(_)) => {
            Err("AWS_MSK_IAM is not for administration: Hookgate can neither create topics nor read their settings, so \
                                   min.insync.replicas, sizes and the right to write are not compared; `hookgate topics --format commands` \
                                   prints the topics for Kafka's own scripts")
        }
        _ => Ok(()),
    }
}

/// Makes the tokens of one client.
#[derive(Clone)]
pub(super) struct Tokens {
    iam: Arc<AwsIam>,
    latest: Arc<Latest>,
    /// The thread ends when the last sender is dropped.
    _alive: mpsc::Sender<()>,
}

/// The last credentials, or why there are none; nothing until the first attempt has ended.
#[derive(Default)]
struct Latest {
    keys: Mutex<Option<Result<AwsKeys, String>>>,
    first: Condvar,
}

impl Tokens {
    /// Starts to fetch credentials, if this client logs in with them.
    pub(super) fn of(kafka: &Kafka) -> Option<Self> {
        Self::start(kafka, false)
    }

    /// Does the same for a client of the daemon that lives long: what happens to its credentials is logged.
    pub(super) fn logged(kafka: &Kafka) -> Option<Self> {
        Self::start(kafka, true)
    }

    fn start(kafka: &Kafka, is_logged: bool) -> Option<Self> {
        let Some(Sasl::Iam(iam)) = &kafka.sasl else { return None };
        let (alive, ended) = mpsc::channel();
        let (iam, latest) = (Arc::new(iam.clone()), Arc::<Latest>::default());
        let (source, store) = (Arc::clone(&iam), Arc::clone(&latest));
        let spawned =
            thread::Builder::new().name("aws-credentials".into()).spawn(move || renew(&source, &store, &ended, is_logged));
        if let Err(error) = spawned {
            latest.put(Err(format!("the thread that fetches credentials cannot start: {error}")));
        }
        Some(Self { iam, latest, _alive: alive })
    }

    /// Returns a token, or why there is none.
    pub(super) fn token(&self) -> Result<OAuthToken, String> {
        let (keys, now) = (self.keys()?, clock::system());
        let end = keys.expires.map_or(now + presign::VALID, |expires| expires.min(now + presign::VALID));
        if end <= now {
            return Err(format!("the credentials from {} have expired", self.iam.source.name()));
        }
        Ok(OAuthToken {
            token: presign::token(&self.iam.region, &keys, now),
            principal_name: "hookgate".into(),
            lifetime_ms: milliseconds(end),
        })
    }

    /// Returns why there are no credentials, if there are none.
    pub(super) fn failure(&self) -> Option<String> {
        self.keys().err()
    }

    fn keys(&self) -> Result<AwsKeys, String> {
        let latest = self.latest.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.latest.first.wait_timeout_while(latest, FIRST_WAIT, |keys| keys.is_none());
        let (latest, _) = waited.unwrap_or_else(PoisonError::into_inner);
        latest.clone().unwrap_or_else(|| Err(format!("no credentials from {}: no answer in time", self.iam.source.name())))
    }
}

impl Latest {
    fn put(&self, fetched: Result<AwsKeys, String>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(fetched);
        self.first.notify_all();
    }

    /// Keeps credentials that are still valid when no new ones can be had.
    fn put_failure(&self, why: String) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.as_ref().is_some_and(|keys| keys.as_ref().is_ok_and(|keys| left(keys).is_none_or(|left| !left.is_zero()))) {
            *keys = Some(Err(why));
        }
        drop(keys);
        self.first.notify_all();
    }
}

/// Returns for how long credentials are valid, if they end.
fn left(keys: &AwsKeys) -> Option<Duration> {
    Some(keys.expires?.duration_since(clock::system()).unwrap_or_default())
}

/// Refuses credentials that have expired before they are used.
fn unexpired(keys: AwsKeys, iam: &AwsIam) -> Result<AwsKeys, String> {
    if left(&keys).is_some_and(|left| left.is_zero()) {
        return Err(format!(
            "the credentials from {} had expired when they came; is this machine's clock right?",
            iam.source.name()
        ));
    }
    Ok(keys)
}

/// Fetches credentials again and again, until no client needs them any more.
fn renew(iam: &AwsIam, latest: &Latest, ended: &mpsc::Receiver<()>, is_logged: bool) {
    let mut logged: Option<Instant> = None;
    loop {
        let pause = match credentials::fetch(&iam.source).and_then(|keys| unexpired(keys, iam)) {
            Ok(keys) => {
                let pause = left(&keys).map(|left| left.saturating_sub(RENEW_BEFORE).max(left / 2).max(PAUSE_MIN));
                latest.put(Ok(keys));
                if logged.take().is_some() {
                    tracing::info!("there are credentials of AWS now");
                }
                // Variables do not change while the process runs.
                let Some(pause) = pause else { return };
                pause
            }
            Err(why) => {
                if is_logged && logged.is_none_or(|when| when.elapsed() >= REPEAT_AFTER) {
                    logged = Some(Instant::now());
                    tracing::error!(why, "AWS gives no credentials for kafka; without valid ones deliveries are answered 503");
                }
                latest.put_failure(why);
                AGAIN_AFTER
            }
        };
        if ended.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
