//! Whether topics keep what they acknowledge. `check --cluster`, `topics --apply` and the daemon share this one rule. The daemon compares
//! its topics at its start, after a topic was looked up, and from time to time.

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

/// The shortest time between two comparisons, because topics are looked up again and again while Kafka is in trouble.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest time between two comparisons, because an operator may change a topic that works.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// How safe an acknowledged event is in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// At least as many replicas hold an acknowledged event as the configuration wants.
    Kept,
    /// The topic has only this many replicas, fewer than the configuration wants.
    FewReplicas(usize),
    /// The topic acknowledges events that fewer replicas hold than the configuration wants: this is its `min.insync.replicas`.
    FewInSync(u32),
    /// The settings of the topic cannot be read.
    Unknown,
}

impl Guarantee {
    /// Returns the guarantee of a topic, where `wanted` replicas must hold an event before it is acknowledged.
    pub fn of(topic: &Topic, wanted: usize) -> Self {
        match &topic.settings {
            _ if topic.replicas < wanted => Self::FewReplicas(topic.replicas),
            Err(_) => Self::Unknown,
            Ok(Settings { min_insync_replicas: Some(least), .. }) if (*least as usize) < wanted => Self::FewInSync(*least),
            // Where the cluster has no such setting (Redpanda), a majority of the replicas holds the event.
            Ok(_) => Self::Kept,
        }
    }
}

/// A handle that wakes the thread that compares.
pub(super) struct GuaranteeWatch {
    config: Arc<Mutex<Config>>,
    wake: SyncSender<()>,
}

impl GuaranteeWatch {
    /// Starts a thread that compares the topics: a cluster that does not answer must not delay anything else. The first comparison waits
    /// for [`GuaranteeWatch::wake`].
    pub(super) fn spawn(config: &Config, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let config = Arc::new(Mutex::new(config.clone()));
        let (wake, inbox) = mpsc::sync_channel(1);
        let (latest, stopping, metrics) = (Arc::clone(&config), Arc::clone(&shared.stopping), Arc::clone(&shared.metrics));
        let topics: Vec<String> = shared.topics.names().map(ToString::to_string).collect();
        let compare = move || {
            let mut reported = Reported::default();
            let mut woken = inbox.recv().map_err(|_| RecvTimeoutError::Disconnected);
            while woken != Err(RecvTimeoutError::Disconnected) && !stopping.load(Ordering::Relaxed) {
                let config = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // If Kafka does not answer, that is logged elsewhere, and the last known state of the topics stays.
                if let Ok(found) = admin::look_at(&config, &topics) {
                    reported.compare(&config, &topics, &found, &metrics);
                }
                thread::sleep(PAUSE);
                woken = inbox.recv_timeout(AGAIN_AFTER);
            }
        };
        thread::Builder::new().name("kafka-topics".into()).spawn(compare)?;
        Ok(Self { config, wake })
    }

    /// Makes the thread compare the topics again, with this configuration, whose credentials may have changed.
    pub(super) fn wake(&self, config: &Config) {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone_from(config);
        // If the inbox is full, the thread is about to compare anyway.
        let _full_or_gone = self.wake.try_send(());
    }
}

/// What has been logged already: a line is repeated only when its topics change.
#[derive(Default)]
struct Reported {
    weak: Vec<String>,
    unread: Vec<String>,
    small: Vec<String>,
    unsupported: bool,
}

impl Reported {
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
        let unsupported = found.values().find_map(|topic| match topic.settings {
            Err(Unread::Unsupported(why)) => Some(why),
            _ => None,
        });
        if let Some(why) = unsupported.filter(|_| !std::mem::replace(&mut self.unsupported, true)) {
            tracing::warn!(why, "the settings of topics are not compared");
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

/// Remembers these topics. Returns whether there are any and they differ from those that were logged last.
fn is_news(reported: &mut Vec<String>, now: Vec<String>) -> bool {
    let changed = *reported != now;
    *reported = now;
    changed && !reported.is_empty()
}
