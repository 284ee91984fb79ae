//! Secrets change while deliveries arrive.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use hookgate::kafka::mock::Mock;

use crate::{
    binary::{Folder, Process},
    forks,
    harness::{Answer, hmac_hex, keep_secret, request, wait_until},
    lifecycle::mock,
};

const BODY: &[u8] = br#"{"hook":{"event":"file.uploaded"},"data":{"uuid":"rotation"}}"#;
const OLD: &str = "the-old-secret";
const NEW: &str = "the-new-secret";

/// A process with two endpoints: the secrets of one are the files `one` and `two`, the secret of the other is the file `other`.
struct Bench {
    process: Process,
    webhooks: std::net::SocketAddr,
    folder: Folder,
    _mock: Mock,
}

impl Bench {
    fn start(files: &[(&str, &str)]) -> Self {
        let (folder, mock) = (Folder::new(), mock());
        for (name, secret) in files {
            folder.write(name, secret);
            keep_secret(secret);
        }
        [OLD, NEW, "a-third-one"].into_iter().for_each(keep_secret);
        let configuration = format!(
            "[kafka]\nbrokers = [\"{}\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [endpoints.uploadcare]\nprovider = \"uploadcare\"\nsecrets = [\"file:one\", \"file:two\"]\n\
             [endpoints.other]\nprovider = \"uploadcare\"\nsecrets = [\"file:other\"]\n",
            mock.brokers()
        );
        folder.write("hookgate.toml", configuration);
        let process = Process::spawn(&folder, &["serve"]);
        let (webhooks, admin) = process.addresses();
        wait_until("ready", || request(admin, "GET", "/readyz", &[], b"").status == 200);
        Self { process, webhooks, folder, _mock: mock }
    }

    fn deliver(&self, secret: &str) -> Answer {
        deliver(self.webhooks, "uploadcare", secret)
    }

    fn logged(&self, text: &str) {
        wait_until(text, || self.process.err().contains(text));
    }
}

fn deliver(to: std::net::SocketAddr, endpoint: &str, secret: &str) -> Answer {
    let signature = format!("v1={}", hmac_hex(secret, &[BODY]));
    request(to, "POST", &format!("/webhooks/{endpoint}"), &[("x-uc-signature", &signature)], BODY)
}

#[test]
fn no_delivery_is_refused_during_a_rotation() {
    let bench = Bench::start(&[("one", OLD), ("two", "not-in-use-yet"), ("other", "another-one")]);
    assert_eq!(bench.deliver(NEW).label(), "bad_signature", "the new secret is not known yet");
    let (rotated, stop, sent) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                // The provider uses the new secret once the daemon knows it.
                let secret = if rotated.load(Ordering::SeqCst) { NEW } else { OLD };
                let answer = bench.deliver(secret);
                if answer.status != 200 {
                    return Err(format!("{answer:?}"));
                }
                sent.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
        // First both secrets are valid, then the provider changes to the new one, then the old one is removed.
        bench.folder.replace("two", format!("{NEW}\n"));
        wait_until("the new secret in force", || bench.deliver(NEW).status == 200);
        rotated.store(true, Ordering::SeqCst);
        let before = sent.load(Ordering::SeqCst);
        wait_until("more traffic", || traffic.is_finished() || sent.load(Ordering::SeqCst) > before + 20);
        bench.folder.replace("one", "a-third-one");
        wait_until("the old secret no longer in force", || bench.deliver(OLD).status == 401);
        stop.store(true, Ordering::SeqCst);
        traffic.join().unwrap().unwrap();
    });
    assert_eq!(bench.deliver(NEW).status, 200);
    bench.logged("a secret has changed");
    let log = bench.process.err();
    assert!(![OLD, NEW, "a-third-one"].iter().any(|secret| log.contains(secret)), "{log}");
}

#[test]
fn an_empty_or_missing_file_keeps_the_last_good_secret() {
    let bench = Bench::start(&[("one", OLD), ("two", NEW), ("other", "another-one")]);
    bench.folder.replace("one", "");
    bench.logged("is empty");
    assert_eq!(bench.deliver(OLD).status, 200, "emptied");
    std::fs::remove_file(bench.folder.path("two")).unwrap();
    bench.logged("cannot be read: no such file");
    assert_eq!(bench.deliver(NEW).status, 200, "removed");
    bench.folder.replace("one", "\n");
    bench.folder.replace("two", "a-third-one");
    wait_until("the third one in force", || bench.deliver("a-third-one").status == 200);
    assert_eq!(bench.deliver(OLD).status, 200, "still empty");
    assert_eq!(bench.deliver(NEW).status, 401, "replaced for good");
}

/// A warning is logged at the start and with each change, and the secret is used as it is.
#[test]
fn a_secret_with_a_likely_mistake_is_reported() {
    let bench = Bench::start(&[("one", "the-old-secret \n"), ("other", "another-one")]);
    bench.logged("[endpoints.uploadcare] secrets: file:one ends with a blank: ");
    assert_eq!(bench.deliver("the-old-secret ").status, 200);
    // The second file never had a secret, so the message does not mention a last good one.
    bench.logged("a secret cannot be read, what it would prove is answered 503 until it can be");
    assert!(!bench.process.err().contains("the last good one"), "{}", bench.process.err());
    bench.folder.replace("two", "'the-new-secret'\n");
    bench.logged("file:two is in quotes: ");
    wait_until("in force as it is", || bench.deliver("'the-new-secret'").status == 200);
    bench.folder.replace("two", "");
    bench.logged("the last good one");
    assert_eq!(bench.process.err().matches("file:two is in quotes").count(), 1, "{}", bench.process.err());
}

#[test]
fn an_endpoint_without_a_secret_answers_503_until_the_file_exists() {
    let bench = Bench::start(&[("other", "another-one")]);
    let answer = bench.deliver(OLD);
    assert_eq!((answer.status, &*answer.label()), (503, "no_secret"));
    assert!(answer.header("retry-after").is_some());
    let unsigned = request(bench.webhooks, "POST", "/webhooks/uploadcare", &[], BODY);
    assert_eq!((unsigned.status, &*unsigned.label()), (503, "no_secret"), "also without a signature");
    assert_eq!(deliver(bench.webhooks, "other", "another-one").status, 200, "the other endpoint is not affected");
    bench.folder.replace("two", OLD);
    wait_until("the secret in force", || bench.deliver(OLD).status == 200);
    // The first of the two secrets was never read. A signature that matches no known secret may be right for that one.
    let answer = bench.deliver(NEW);
    assert_eq!((answer.status, &*answer.label()), (503, "no_secret"));
    bench.folder.replace("one", NEW);
    wait_until("both secrets in force", || bench.deliver(NEW).status == 200);
    assert_eq!(bench.deliver("another-token-of-nobody").status, 401);
}

#[test]
fn a_secret_that_two_endpoints_would_share_is_not_used() {
    let bench = Bench::start(&[("one", OLD), ("two", "a-third-one"), ("other", "another-one")]);
    bench.folder.replace("one", "another-one");
    bench.logged("a secret that two endpoints have is not used; all others are");
    assert_eq!(bench.deliver("another-one").status, 401, "not used");
    assert_eq!(bench.deliver(OLD).status, 200, "the last good one");
    assert_eq!(deliver(bench.webhooks, "other", "another-one").status, 200);
    bench.folder.replace("one", NEW);
    wait_until("the corrected secret in force", || bench.deliver(NEW).status == 200);
    assert_eq!(bench.deliver(OLD).status, 401);
    assert!(!bench.process.err().contains("another-one"), "{}", bench.process.err());
}

/// The log says `read a secret` of what counts, so that an operator may wait for it.
#[test]
fn a_secret_that_is_not_used_is_reported_when_it_comes_into_force() {
    let bench = Bench::start(&[("one", OLD), ("two", "a-third-one"), ("other", "another-one")]);
    keep_secret("a-fifth-one");
    let reported = |message: &str| {
        let texts = [message, "\"endpoint\":\"uploadcare\"", "\"slot\":1"];
        bench.process.err().lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    };
    bench.folder.replace("one", "another-one");
    bench.logged("a secret that two endpoints have is not used; all others are");
    assert_eq!((reported("\"read a secret\""), reported("\"a secret has changed\"")), (1, 0), "{}", bench.process.err());
    bench.folder.replace("other", "a-fifth-one");
    wait_until("the secret in force", || bench.deliver("another-one").status == 200);
    wait_until("the report", || reported("\"read a secret\"") == 2);
    assert_eq!(reported("\"a secret has changed\""), 0);
}

/// A secret that another endpoint has is not used. Other secrets can change meanwhile, and the unused one is forgotten with its file.
#[test]
fn a_secret_that_is_not_used_does_not_delay_others() {
    let bench = Bench::start(&[("one", OLD), ("two", "a-third-one"), ("other", "another-one")]);
    let other = |secret: &str| deliver(bench.webhooks, "other", secret).status;
    ["a-fourth-one", "a-fifth-one"].into_iter().for_each(keep_secret);
    bench.folder.replace("one", "another-one");
    bench.logged("a secret that two endpoints have is not used; all others are");
    bench.folder.replace("two", "a-fourth-one");
    wait_until("the slot beside it in force", || bench.deliver("a-fourth-one").status == 200);
    assert_eq!(bench.deliver("another-one").status, 401, "still not used");
    std::fs::remove_file(bench.folder.path("one")).unwrap();
    bench.logged("a secret cannot be read, the last good one stays in force");
    bench.folder.replace("other", "a-fifth-one");
    wait_until("the secret of the other endpoint in force", || other("a-fifth-one") == 200);
    assert_eq!(other("another-one"), 401);
    assert_eq!(bench.deliver(OLD).status, 200, "the last good one");
    assert_eq!(bench.deliver("another-one").status, 401, "never in force here");
    assert_eq!(
        bench.process.err().matches("a secret that two endpoints have is not used; all others are").count(),
        1,
        "{}",
        bench.process.err()
    );
}

/// A pipe, a folder, a device or a huge file can replace the file of a secret. Then the admin port still answers, the last good secret
/// counts, and the log says what it is.
#[test]
fn a_secret_that_is_no_usable_file_delays_nothing() {
    let bench = Bench::start(&[("one", OLD), ("two", NEW), ("other", "another-one")]);
    let path = std::path::PathBuf::from(bench.folder.path("one"));
    let admin = bench.process.addresses().1;
    let place = |arguments: &[&str]| {
        let _missing = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        let made = forks::output(std::process::Command::new(arguments[0]).args(&arguments[1..]).arg(&path)).unwrap();
        assert!(made.status.success(), "{arguments:?}");
    };
    for (arguments, expected) in [
        (&["mkfifo"][..], "it is a named pipe, not a file"),
        (&["mkdir"], "it is a directory, not a file"),
        (&["ln", "-s", "/dev/zero"], "it is a device, not a file"),
        (&["truncate", "-s", "8G"], "is larger than 4096 bytes"),
    ] {
        place(arguments);
        bench.logged(expected);
        assert_eq!(request(admin, "GET", "/livez", &[], b"").status, 200, "{expected}");
        assert_eq!(bench.deliver(OLD).status, 200, "{expected}");
    }
    std::fs::remove_file(&path).unwrap();
    bench.folder.replace("one", "a-third-one");
    wait_until("the third one in force", || bench.deliver("a-third-one").status == 200);
}
