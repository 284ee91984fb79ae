//! A program of the tests that stands in for a service which the daemon asks.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use crate::{
    harness,
    support::{Site, repository},
};

/// A running program. Dropping it ends it.
pub struct StandIn {
    child: Child,
    pub url: String,
}

impl StandIn {
    /// Starts a program in Python, in the folder of a site. It prints its URL when it listens.
    pub fn start(site: &Site, program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("python3")
            .arg(repository(program))
            .args(arguments)
            .current_dir(site.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http"), "{program} did not start: {url:?}");
        Self { child, url: url.trim().into() }
    }

    /// Returns the number that it answers at a path. This does not work for a program with TLS.
    pub fn number(&self, path: &str) -> u32 {
        let address: SocketAddr = self.url.strip_prefix("http://").unwrap().parse().unwrap();
        harness::request(address, "GET", path, &[], b"").body.parse().unwrap()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
