//! docs/rotation.md step by step, for every provider: a second secret, the change at the provider, the metric, and the end of the first one.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::SystemTime,
};

use serde_json::Value;

use crate::{
    binary::{Folder, Process},
    harness::{keep_secret, request, signed_with, wait_until},
    lifecycle::mock,
    providers::{Case, PROVIDERS},
};

/// A provider that delivers all the time, with the secret that it has at that time.
struct Sender {
    case: &'static Case,
    has_new: AtomicBool,
    sent: AtomicUsize,
}

impl Sender {
    fn secret(&self) -> &'static str {
        if self.has_new.load(Ordering::SeqCst) { self.case.secret } else { self.case.old }
    }

    /// Delivers with a secret, signed now, and returns the status of the answer.
    fn deliver(&self, webhooks: SocketAddr, secret: &str) -> u16 {
        let name = hookgate::provider::by_name(self.case.name).unwrap().names().next().unwrap();
        let body = (self.case.minimal_body)(name, &Value::from("rotation")).to_string();
        let now = hookgate::clock::system().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let (path, headers) = signed_with(self.case.name, secret, &now.to_string(), body.as_bytes());
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        request(webhooks, "POST", &path, &headers, body.as_bytes()).status
    }

    /// Waits until some more deliveries have been answered.
    fn more(&self) {
        let before = self.sent.load(Ordering::SeqCst);
        wait_until(self.case.name, || self.sent.load(Ordering::SeqCst) > before + 10);
    }
}

/// Returns how many deliveries of an endpoint the secret of a slot has proven.
fn matches(admin: SocketAddr, endpoint: &str, slot: u32) -> u64 {
    let metrics = request(admin, "GET", "/metrics", &[], b"").body;
    let series = format!("hookgate_secret_matches_total{{endpoint=\"{endpoint}\",provider=\"{endpoint}\",slot=\"{slot}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or_else(|| panic!("no {series}: {metrics}"))
}

#[test]
fn no_provider_gets_a_refusal_while_its_secret_is_replaced() {
    let (folder, mock) = (Folder::new(), mock());
    let mut configuration = format!(
        "[kafka]\nbrokers = [\"{}\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\nscrape_max_age = \"0s\"\n",
        mock.brokers()
    );
    for Case { name, old, secret, .. } in PROVIDERS {
        keep_secret(old);
        keep_secret(secret);
        std::fs::create_dir_all(folder.path(&format!("secrets/{name}"))).unwrap();
        folder.write(&format!("secrets/{name}/first"), old);
        write!(configuration, "[endpoints.{name}]\nprovider = \"{name}\"\nsecrets = [\"dir:secrets/{name}\"]\n").unwrap();
    }
    folder.write("hookgate.toml", configuration);
    let daemon = Process::spawn(&folder, &["serve"]);
    let (webhooks, admin) = daemon.addresses();
    wait_until("ready", || request(admin, "GET", "/readyz", &[], b"").status == 200);
    let sender = |case| Sender { case, has_new: AtomicBool::new(false), sent: AtomicUsize::new(0) };
    let senders: Vec<Sender> = PROVIDERS.iter().map(sender).collect();
    for sender in &senders {
        assert_eq!(sender.deliver(webhooks, sender.case.secret), 401, "{}: the new one is not known yet", sender.case.name);
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let deliver = |sender: &Sender| {
            while !stop.load(Ordering::SeqCst) {
                let status = sender.deliver(webhooks, sender.secret());
                assert_eq!(status, 200, "{} after {:?} deliveries", sender.case.name, sender.sent);
                sender.sent.fetch_add(1, Ordering::SeqCst);
            }
        };
        let threads: Vec<_> = senders.iter().map(|sender| scope.spawn(move || deliver(sender))).collect();
        // If a step fails, the senders must end nevertheless.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replace(&folder, &daemon, admin, &senders)));
        stop.store(true, Ordering::SeqCst);
        for thread in threads {
            thread.join().unwrap();
        }
        done.unwrap();
    });
    for sender in &senders {
        wait_until("the first secret gone", || sender.deliver(webhooks, sender.case.old) == 401);
        assert_eq!(sender.deliver(webhooks, sender.case.secret), 200, "{}", sender.case.name);
    }
}

/// The steps of the page.
fn replace(folder: &Folder, daemon: &Process, admin: SocketAddr, senders: &[Sender]) {
    for sender in senders {
        let name = sender.case.name;
        sender.more();
        // A name that begins with a dot is not read, so half a secret never is.
        let hidden = folder.write(&format!("secrets/{name}/.second"), sender.case.secret);
        std::fs::rename(hidden, folder.path(&format!("secrets/{name}/second"))).unwrap();
        let texts = ["\"read a secret\"", &format!("\"endpoint\":\"{name}\""), "\"slot\":2"];
        wait_until("the second secret", || daemon.err().lines().any(|line| texts.iter().all(|text| line.contains(text))));
        sender.more();
        sender.has_new.store(true, Ordering::SeqCst);
        // The delivery that is under way may still have the first one.
        sender.more();
        let (first, second) = (matches(admin, name, 1), matches(admin, name, 2));
        sender.more();
        assert_eq!(matches(admin, name, 1), first, "{name} still uses the first secret");
        assert!(matches(admin, name, 2) > second, "{name} does not use the second secret");
        std::fs::remove_file(folder.path(&format!("secrets/{name}/first"))).unwrap();
        sender.more();
    }
}
