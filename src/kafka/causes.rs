//! Why brokers do not answer at the address that the cluster advertises for them: the last complaint of librdkafka about each.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rdkafka::metadata::MetadataBroker;

use super::meanings;
use crate::{config::Kafka, logged::printable};

/// The most brokers whose last complaint is remembered; the cluster decides how many there are.
const REMEMBERED_MAX: usize = 256;

/// A broker that does not answer at its advertised address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreachable {
    /// `host:port`, as the cluster advertises it.
    pub(super) address: String,
    /// Why it does not answer, in librdkafka's words if there are any.
    pub(super) cause: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.address, self.cause)
    }
}

/// Returns the address that the cluster advertises for a broker, as `host:port`.
pub(super) fn address(broker: &MetadataBroker) -> String {
    format!("{}:{}", printable(broker.host()), broker.port())
}

/// Returns one sentence on brokers that do not answer.
pub(super) fn sentence(kafka: &Kafka, unreachable: &[Unreachable]) -> String {
    let each = |it: &Unreachable| match meanings::meaning(kafka, Some(&it.address), &it.cause) {
        Some(meaning) => format!("{}: {meaning}", it.address),
        None => it.to_string(),
    };
    let each: Vec<String> = unreachable.iter().map(each).collect();
    format!(
        "brokers do not answer at the address that the cluster advertises for them: {}; \
         is the brokers' advertised listener right, its port open, its name in the certificate?",
        each.join("; ")
    )
}

/// The last complaint about each broker at its advertised address. It says why the broker does not answer, while a request to the broker
/// merely times out.
#[derive(Clone, Default)]
pub(super) struct Causes(Arc<Mutex<BTreeMap<i32, Unreachable>>>);

impl Causes {
    /// Notes a complaint of librdkafka, if it is about a broker at its advertised address: `[protocol://]host:port/id: text`.
    pub(super) fn note(&self, complaint: &str) {
        let Some((name, cause)) = complaint.split_once(": ") else { return };
        let Some((address, id)) = name.rsplit_once('/') else { return };
        let Ok(id) = id.parse() else { return };
        let address = address.split_once("://").map_or(address, |(_protocol, address)| address);
        let mut causes = self.all();
        if causes.len() >= REMEMBERED_MAX {
            causes.clear();
        }
        causes.insert(id, Unreachable { address: printable(address), cause: printable(cause) });
    }

    /// Forgets the complaint about a broker, because the broker has answered since.
    pub(super) fn forget(&self, id: i32) {
        self.all().remove(&id);
    }

    /// Returns a broker that did not answer, with the cause.
    pub(super) fn of(&self, id: i32, address: &str) -> Unreachable {
        let cause = self.all().get(&id).map(|it| it.cause.clone());
        let cause =
            cause.unwrap_or_else(|| "no answer in time, and no word of why; does a firewall drop what is sent there?".into());
        Unreachable { address: address.to_owned(), cause }
    }

    /// Returns one sentence on all brokers with a complaint, if there are any.
    pub(super) fn sentence(&self, kafka: &Kafka) -> Option<String> {
        let all: Vec<Unreachable> = self.all().values().cloned().collect();
        (!all.is_empty()).then(|| sentence(kafka, &all))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<i32, Unreachable>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_kept_for_the_broker_that_it_names() {
        let check = |complaint: &str, kept: Option<&str>| {
            let causes = Causes::default();
            causes.note(complaint);
            let cause = || causes.of(7, "kafka-7:9092").cause;
            assert_eq!(Some(cause()).filter(|cause| !cause.starts_with("no answer")).as_deref(), kept, "{complaint}");
            causes.forget(7);
            assert!(cause().starts_with("no answer"), "{complaint}");
        };
        check("kafka-7:9092/7: Connect to ipv4#10.0.0.7:9092 failed", Some("Connect to ipv4#10.0.0.7:9092 failed"));
        check("sasl_ssl://[::1]:9092/7: Failed to resolve: no\n", Some("Failed to resolve: no\\n"));
        check("kafka-7:9092/8: another one", None);
        check("kafka-7:9092/bootstrap: an address of the configuration", None);
        check("1/1 brokers are down", None);
        check("", None);
    }
}
