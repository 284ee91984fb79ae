//! librdkafka's in-process mock cluster, on a thread of its own: the broker of `hookgate dev` and of the fast tests.

use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

/// The pause between two requests to the cluster. librdkafka wakes the cluster's thread at most once per 5 ms (its default `linger.ms`). A
/// request in between waits until something else wakes the thread, for up to a second: dozens of topics in a row took more than ten
/// seconds.
const BETWEEN_REQUESTS: Duration = Duration::from_millis(6);

/// The type of the cluster that jobs get.
pub type MockedCluster = MockCluster<'static, DefaultProducerContext>;

type Job = Box<dyn FnOnce(&MockedCluster) + Send>;

/// A running mock cluster; dropping it ends it.
pub struct Mock {
    brokers: String,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Mock {
    /// Starts a cluster of one broker with these topics, one partition each: the mock keeps megabytes per partition.
    pub fn start(topics: &[String]) -> Result<Self, String> {
        Self::of_brokers(1, topics)
    }

    /// Starts a cluster of several brokers, numbered from 1. The first broker leads every partition, so a test decides what the others do.
    pub fn of_brokers(brokers: i32, topics: &[String]) -> Result<Self, String> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (report, started) = mpsc::channel();
        let topics = topics.to_vec();
        // The cluster cannot be sent between threads, so it lives and ends on this one.
        let thread = thread::Builder::new()
            .name("mock-kafka".into())
            .spawn(move || {
                let cluster = match create(brokers, &topics) {
                    Ok(cluster) => cluster,
                    Err(error) => {
                        let _gone = report.send(Err(error));
                        return;
                    }
                };
                let _gone = report.send(Ok(cluster.bootstrap_servers()));
                for job in inbox {
                    thread::sleep(BETWEEN_REQUESTS);
                    job(&cluster);
                }
            })
            .map_err(|error| error.to_string())?;
        let brokers = started.recv().map_err(|_| "the mock cluster's thread died".to_owned())??;
        Ok(Self { brokers, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Returns the `host:port` of the brokers, to which any Kafka client of this machine can connect.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Runs a job on the cluster's thread and waits for its result. Tests inject faults this way.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce(&MockedCluster) -> T + Send + 'static) -> Option<T> {
        let (answer, result) = mpsc::channel();
        let job: Job = Box::new(move |cluster| {
            let _gone = answer.send(job(cluster));
        });
        self.jobs.as_ref()?.send(job).ok()?;
        result.recv().ok()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn create(brokers: i32, topics: &[String]) -> Result<MockedCluster, String> {
    let cluster = MockCluster::new(brokers).map_err(|error| format!("cannot start the mock cluster: {error}"))?;
    for topic in topics {
        thread::sleep(BETWEEN_REQUESTS);
        cluster.create_topic(topic, 1, 1).map_err(|error| format!("cannot create {topic} in the mock cluster: {error}"))?;
        if brokers > 1 {
            thread::sleep(BETWEEN_REQUESTS);
            cluster.partition_leader(topic, 0, Some(1)).map_err(|error| format!("cannot place {topic}: {error}"))?;
        }
    }
    Ok(cluster)
}
