//! Numbered deliveries of each provider: what each sends, how it signs, and when it tries again. This file shares no code with
//! Hookgate: the judge must not repeat a mistake of Hookgate's signing code.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The provider that sends a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    FileSpin,
    FileSafety,
    FrameIo,
    Uploadcare,
}

/// All providers, in the order of the enum. The numbers of deliveries go to them in turn.
pub(crate) const PROVIDERS: [Provider; 4] = [Provider::FileSpin, Provider::FileSafety, Provider::FrameIo, Provider::Uploadcare];

impl Provider {
    /// Returns the provider that sends the delivery of this number.
    pub(crate) fn of(number: u64) -> Self {
        let count = u64::try_from(PROVIDERS.len()).expect("there are few");
        PROVIDERS[usize::try_from(number % count).expect("smaller than the list")]
    }

    /// Returns the name of its endpoint, its secret file and its topic.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FileSpin => "filespin",
            Self::FileSafety => "filesafety",
            Self::FrameIo => "frameio",
            Self::Uploadcare => "uploadcare",
        }
    }

    /// Returns the pauses before each further attempt, in milliseconds. They are the documented pauses with a second for each minute, and
    /// never more than three seconds, so that a schedule ends within a run. `FileSpin` documents only the number of attempts, eight.
    fn pauses(self) -> &'static [u64] {
        match self {
            Self::FileSpin => &[500, 1000, 2000, 3000, 3000, 3000, 3000],
            Self::FileSafety => &[170, 1000, 3000],
            Self::FrameIo => &[250, 500, 1000, 2000],
            Self::Uploadcare => &[1000, 3000, 3000, 3000, 3000, 3000, 3000],
        }
    }

    /// Returns how long the provider waits after this number of attempts, or `None` if it has given up.
    pub(crate) fn pause(self, attempts: usize) -> Option<Duration> {
        self.pauses().get(attempts - 1).map(|pause| Duration::from_millis(*pause))
    }
}

/// The secrets and the clock with which deliveries are signed. A scenario may change both while deliveries are sent.
#[derive(Clone)]
pub(crate) struct Secrets {
    secrets: Arc<RwLock<Vec<String>>>,
    /// The number of seconds by which the senders' clock is ahead of the daemon's.
    ahead: Arc<AtomicI64>,
}

impl Secrets {
    pub(crate) fn new() -> Self {
        let secrets = PROVIDERS.iter().map(|it| format!("{}-secret-0", it.name()));
        Self { secrets: Arc::new(RwLock::new(secrets.collect())), ahead: Arc::default() }
    }

    pub(crate) fn of(&self, provider: Provider) -> String {
        self.secrets.read().expect("no thread panics while it holds the lock")[provider as usize].clone()
    }

    pub(crate) fn set(&self, provider: Provider, secret: &str) {
        secret.clone_into(&mut self.secrets.write().expect("no thread panics while it holds the lock")[provider as usize]);
    }
}

impl Secrets {
    /// Sets the senders' clock ahead of the daemon's by this number of seconds; a negative number sets it behind.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        self.ahead.store(seconds, Ordering::Relaxed);
    }

    #[expect(clippy::disallowed_methods, reason = "the senders' clock, which scenarios set ahead or behind")]
    pub(crate) fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        now.saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }
}

/// Returns the subject of the event of this number: its record's key.
pub(crate) fn subject(number: u64) -> String {
    match Provider::of(number) {
        Provider::FileSpin => format!("{number:032x}"),
        Provider::FileSafety => format!("scn_{number:026}"),
        Provider::FrameIo | Provider::Uploadcare => format!("00000000-0000-4000-8000-{number:012x}"),
    }
}

/// Returns the number of a subject, if [`subject`] has made it.
pub(crate) fn number(subject: &str) -> Option<u64> {
    let (digits, radix) = match subject.strip_prefix("scn_") {
        Some(digits) => (digits, 10),
        None => (subject.rsplit('-').next()?, 16),
    };
    let number = u64::from_str_radix(digits, radix).ok()?;
    (self::subject(number) == subject).then_some(number)
}

/// Returns the body of this number. The same number always gives the same body, and lengths differ.
pub(crate) fn body(number: u64) -> String {
    let (id, more) = (subject(number), "~".repeat(usize::try_from(number * 37 % 900).unwrap_or(0)));
    match Provider::of(number) {
        Provider::FileSpin => {
            format!(r#"{{"id":"{id}","event":"file-processed","status":"OK","name":"{more}.mp4","size":{number}}}"#)
        }
        Provider::FileSafety => format!(
            r#"{{"event":"scan.complete","scan_id":"{id}","verdict":"clean","metadata":{{"more":"{more}"}},"completed_at":"2026-03-02T08:17:03Z"}}"#
        ),
        Provider::FrameIo => {
            format!(r#"{{"project":{{"id":"{more}"}},"resource":{{"id":"{id}","type":"file"}},"type":"file.ready"}}"#)
        }
        Provider::Uploadcare => {
            format!(r#"{{"hook":{{"id":1,"event":"file.stored"}},"data":{{"uuid":"{id}","original_filename":"{more}"}}}}"#)
        }
    }
}

/// Returns the whole request of this number, signed at the present time.
pub(crate) fn request(number: u64, secrets: &Secrets) -> Vec<u8> {
    let (provider, body) = (Provider::of(number), body(number));
    let (head, length) = (head(provider, &body, &secrets.of(provider), secrets.now()), body.len());
    format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Returns the head of a request with this body, signed at a time in seconds since the epoch, without the header lines for the length.
pub(crate) fn head(provider: Provider, body: &str, secret: &str, now: u64) -> String {
    let (mut query, mut proof) = (String::new(), String::new());
    match provider {
        Provider::FileSpin | Provider::FileSafety => query = format!("?token={secret}"),
        Provider::FrameIo => {
            let signature = sign(secret, &format!("v0:{now}:{body}"));
            proof = format!("x-frameio-request-timestamp: {now}\r\nx-frameio-signature: v0={signature}\r\n");
        }
        Provider::Uploadcare => proof = format!("x-uc-signature: v1={}\r\n", sign(secret, body)),
    }
    let name = provider.name();
    format!("POST /webhooks/{name}{query} HTTP/1.1\r\nhost: faults\r\ncontent-type: application/json\r\n{proof}")
}

fn sign(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_leads_back_to_its_number() {
        for known in [0, 1, 2, 3, 4, 4711, 1_000_003] {
            assert_eq!(number(&subject(known)), Some(known));
        }
        for stranger in ["", "scn_", "scn_1", "5a1d7f60-3b92-4c8e-a4f7-e08b2d6c9143", "scn_00000000000000000000000004"] {
            assert_eq!(number(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn frame_io_signatures_are_the_documented_ones() {
        // RFC 4231, test case 2.
        let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", "what do ya want for nothing?"), signature);
        assert_ne!(sign("jefe", "what do ya want for nothing?"), signature);
    }
}
