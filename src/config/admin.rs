//! `[admin]`: the listener for probes and metrics, and the names that it answers to.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::getters::Section;

/// The longest name of a host, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// The values of the table `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address to listen on for probes and metrics.
    pub listen: SocketAddr,
    /// The names that `/configz` and `/version` answer to, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// How old a rendered scrape may be; at zero every scrape is rendered anew.
    pub scrape_max_age: Duration,
}

/// Reads the table.
pub(super) fn read(mut section: Section<'_>) -> Admin {
    let second = Duration::from_secs(1);
    let admin = Admin {
        listen: section.listen("0.0.0.0:9090"),
        hosts: hosts(&mut section),
        scrape_max_age: section.duration("scrape_max_age", second, &(Duration::ZERO..=second * 60)),
    };
    section.finish();
    admin
}

fn hosts(section: &mut Section<'_>) -> Vec<String> {
    let host = |name: &str| {
        is_host_name(name)
            .then(|| name.to_owned())
            .ok_or_else(|| format!("{name:?} is not a host's name, such as \"hookgate-admin.hooks.svc\", without a port"))
    };
    section.list_of("hosts", |_, name| host(name), Clone::clone)
}

/// Returns whether a text is a host name: labels of letters, digits, `-` and `_`, with dots between them. An address needs no entry, so it
/// counts as a mistake.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= NAME_BYTES_MAX && name.parse::<IpAddr>().is_err() && name.split('.').all(label)
}
