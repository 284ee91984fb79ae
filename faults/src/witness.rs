//! A producer beside Hookgate that reports how long Kafka itself took. If a scenario breaks nothing of Kafka's and the cluster still does
//! not acknowledge in time, 503 is the right answer, and the run proves nothing about Hookgate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};

use crate::cluster::Cluster;

/// The pause between two of its records.
const EVERY: Duration = Duration::from_millis(50);

/// Sends one record after the other.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    slowest_ms: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Witness {
    /// Creates this topic and begins.
    pub(crate) fn start(topic: String) -> Result<Self, String> {
        Cluster::create(&topic)?;
        Cluster::wait_in_sync(std::slice::from_ref(&topic))?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", Cluster::brokers()).set("acks", "all").set("linger.ms", "0");
        let producer: FutureProducer = config.create().map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let (stop, slowest_ms) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, slowest) = (Arc::clone(&stop), Arc::clone(&slowest_ms));
        let send = move || {
            let record = FutureRecord::<(), str>::to(&topic).payload("witness");
            // A refusal is timed like an acknowledgement: it also says how long Kafka took.
            let _refused = runtime.block_on(producer.send(record, Timeout::Never));
        };
        // The first record takes longer: the client must find its partition's leader.
        send();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let begin = Instant::now();
                send();
                slowest.fetch_max(u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                thread::sleep(EVERY);
            }
        });
        Ok(Self { stop, slowest_ms, thread })
    }

    /// Stops the witness and returns the longest time that Kafka took to acknowledge.
    pub(crate) fn finish(self) -> Result<Duration, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the witness has panicked")?;
        Ok(Duration::from_millis(self.slowest_ms.load(Ordering::Relaxed)))
    }
}
