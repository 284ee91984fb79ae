//! Whether topics keep what was acknowledged: one rule for `check --cluster`, `topics --apply` and the daemon, which compares its topics at
//! its start, when one was looked up, and from time to time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::Ordering,
        mpsc::{self, RecvTimeoutError, SyncSender},
    },
    thread,
    time::Duration,
};

use super::{
    admin::{self, Settings, Topic, Unread},
    shared::Shared,
};
use crate::{config::Config, metrics::Metrics};

/// The shortest time between two comparisons: topics are looked up again and again while Kafka is in trouble.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest time: an operator may change a topic while it works.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// What a topic does with what it has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// As many replicas have it as the configuration wants.
    Kept,
    /// The topic has fewer replicas than that.
    FewReplicas(usize),
    /// The topic acknowledges what fewer replicas have: its `min.insync.replicas`.
    FewInSync(u32),
    /// Its settings cannot be read.
    Unknown,
}

impl Guarantee {
    /// The guarantee of a topic, where `wanted` replicas shall have an event before it is acknowledged.
    pub fn of(topic: &Topic, wanted: usize) -> Self {
        match &topic.settings {
            _ if topic.replicas < wanted => Self::FewReplicas(topic.replicas),
            Err(_) => Self::Unknown,
            Ok(Settings { min_insync_replicas: Some(least), .. }) if (*least as usize) < wanted => Self::FewInSync(*least),
            // Where the cluster has no such setting (Redpanda), a majority of the replicas has it.
            Ok(_) => Self::Kept,
        }
    }
}

/// Wakes the thread that compares.
pub(super) struct GuaranteeWatch {
    config: Arc<Mutex<Config>>,
    wake: SyncSender<()>,
}

impl GuaranteeWatch {
    /// Compares the topics from now on, on a thread of its own: a cluster that does not answer must not hold up anything. The first time
    /// when somebody wakes it.
    pub(super) fn spawn(config: &Config, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let config = Arc::new(Mutex::new(config.clone()));
        let (wake, inbox) = mpsc::sync_channel(1);
        let (latest, stopping, metrics) = (Arc::clone(&config), Arc::clone(&shared.stopping), Arc::clone(&shared.metrics));
        let topics: Vec<String> = shared.topics.names().map(ToString::to_string).collect();
        let compare = move || {
            let mut told = Told::default();
            let mut woken = inbox.recv().map_err(|_| RecvTimeoutError::Disconnected);
            while woken != Err(RecvTimeoutError::Disconnected) && !stopping.load(Ordering::Relaxed) {
                let config = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Where Kafka does not answer, others say so, and what was known of the topics is not less true.
                if let Ok(found) = admin::look_at(&config, &topics) {
                    told.compare(&config, &topics, &found, &metrics);
                }
                thread::sleep(PAUSE);
                woken = inbox.recv_timeout(AGAIN_AFTER);
            }
        };
        thread::Builder::new().name("kafka-topics".into()).spawn(compare)?;
        Ok(Self { config, wake })
    }

    /// Has the topics compared again, with this configuration, whose credentials may have changed.
    pub(super) fn wake(&self, config: &Config) {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone_from(config);
        // Full: it is about to look anyway.
        let _full_or_gone = self.wake.try_send(());
    }
}

/// What the log has said already: each line comes once, until it says something else.
#[derive(Default)]
struct Told {
    weak: Vec<String>,
    unread: Vec<String>,
    small: Vec<String>,
}

impl Told {
    fn compare(&mut self, config: &Config, names: &[String], found: &BTreeMap<String, Topic>, metrics: &Metrics) {
        let wanted = config.topics.in_sync_wanted();
        let guarantees: BTreeMap<&String, Guarantee> =
            found.iter().map(|(name, topic)| (name, Guarantee::of(topic, wanted))).collect();
        let those = |picked: fn(Guarantee) -> bool| -> Vec<String> {
            guarantees.iter().filter(|(_, guarantee)| picked(**guarantee)).map(|(name, _)| (*name).clone()).collect()
        };
        let kept = those(|guarantee| guarantee == Guarantee::Kept);
        let weak = those(|guarantee| matches!(guarantee, Guarantee::FewReplicas(_) | Guarantee::FewInSync(_)));
        metrics.topics_guarantee(kept.len(), weak.len(), names.len() - kept.len() - weak.len());
        if is_news(&mut self.weak, weak) {
            tracing::warn!(
                topics = %self.weak.join(" "),
                wanted,
                "topics acknowledge what fewer replicas have than [topics] min_insync_replicas wants, so that an event that was answered 200 \
                 can be lost with a broker; `hookgate check --cluster` prints what changes that",
            );
        }
        let denied =
            found.iter().filter(|(_, topic)| topic.settings == Err(Unread::Denied)).map(|(name, _)| name.clone()).collect();
        if is_news(&mut self.unread, denied) {
            tracing::warn!(
                topics = %self.unread.join(" "),
                "the settings of topics may not be read, so min.insync.replicas and max.message.bytes are not compared; \
                 grant DescribeConfigs on them",
            );
        }
        let limit = config.topics.max_message_bytes;
        let is_small = |topic: &Topic| {
            topic.settings.as_ref().is_ok_and(|settings| settings.max_message_bytes.is_some_and(|bytes| bytes < limit as u64))
        };
        let small = found.iter().filter(|(_, topic)| is_small(topic)).map(|(name, _)| name.clone()).collect();
        if is_news(&mut self.small, small) {
            tracing::warn!(
                topics = %self.small.join(" "),
                configured = limit,
                "topics take smaller records than [topics] max_message_bytes says: large deliveries are answered 503",
            );
        }
    }
}

/// Whether there is something to say that was not said already. Remembers it.
fn is_news(told: &mut Vec<String>, now: Vec<String>) -> bool {
    let changed = *told != now;
    *told = now;
    changed && !told.is_empty()
}
