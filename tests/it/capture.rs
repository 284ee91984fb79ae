//! `hookgate capture` writes what arrives.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
};

use crate::{
    binary::{Folder, Process},
    commands::{check, configured},
    harness::{fixture, wait_until},
    raw_http,
    whole_requests::{AT, whole},
};

/// Starts `capture`, and returns its address.
fn start(folder: &Folder, flags: &[&str]) -> (Process, SocketAddr) {
    let process = Process::spawn(folder, &[&["capture", "--listen", "127.0.0.1:0"], flags].concat());
    wait_until("listening", || process.err().contains("; Ctrl-C"));
    let said = process.err();
    let (_, after) = said.split_once("http://").unwrap();
    let address = after.split(';').next().unwrap().parse().unwrap();
    (process, address)
}

/// Returns the files of a folder in the order of their names.
fn files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    let mut files: Vec<String> = entries.collect();
    files.sort();
    files
}

/// What arrives is in a file, and the command that is printed verifies it.
#[test]
fn capture_writes_what_verify_reads() {
    let folder = configured("127.0.0.1:1");
    let (process, address) = start(&folder, &["--limit", "5", "--directory", "kept"]);
    let bodies = [fixture("uploadcare/vector1_body.bin"), b"\x00\xff\r\n\r\n0\r\n\r\n".to_vec(), vec![b'x'; 3 << 20]];
    let mut sent = Vec::new();
    for (endpoint, body) in [("filespin", &bodies[0]), ("uploadcare", &bodies[1]), ("frameio", &bodies[2])] {
        let length = format!("content-length: {}\r\nconnection: close\r\n", body.len());
        let answer = raw_http::exchange(address, &[&whole(endpoint, &length, body, body)]);
        assert_eq!((answer.status, &*answer.body), (200, ""), "{answer:?}");
        sent.push((endpoint, body));
    }
    let body = &bodies[1];
    let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let chunked = whole("uploadcare", "transfer-encoding: chunked\r\nconnection: close\r\n", body, &chunks);
    assert_eq!(raw_http::exchange(address, &[&chunked]).status, 200);
    sent.push(("uploadcare", body));
    // What is no POST is kept, too: it may be what is wrong.
    assert_eq!(raw_http::request(address, "GET", "/webhooks/uploadcare?a=b", &[], b"").status, 200);
    let finished = process.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.words().contains("5 requests captured in kept; the files hold tokens, signatures and personal data"),
        "{finished:?}"
    );
    assert!(!finished.out.contains("token="), "{finished:?}");

    let files = files(&folder.path("kept"));
    assert_eq!(files.len(), 5, "{files:?}");
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777 == 0o600));
    assert_eq!(fs::metadata(folder.path("kept")).unwrap().permissions().mode() & 0o777, 0o700);
    let commands: Vec<&str> = finished.out.lines().filter_map(|line| line.strip_prefix("  hookgate ")).collect();
    assert_eq!(commands.len(), 5, "{finished:?}");
    for ((file, command), (endpoint, body)) in files.iter().zip(&commands).zip(&sent) {
        assert!(fs::read(file).unwrap().ends_with(&[b"\r\n\r\n", body.as_slice()].concat()), "{file}");
        // The requests of the harness are signed at a time of their own.
        let (command, _) = command.split_once(" --at ").unwrap();
        let command: Vec<&str> = command.split(' ').chain(AT).collect();
        assert!(file.ends_with(command[2]), "{file}: {command:?}");
        // The daemon takes no body of 3 MiB, however good its proof is.
        let (code, verdict) = if body.len() > 1 << 20 { (1, "too_large") } else { (0, "verified") };
        check(&folder, &command, code, &[&format!("endpoint {endpoint}"), &format!("{} bytes of body", body.len()), verdict]);
    }
    check(
        &folder,
        &["verify", "--request", &files[4]],
        1,
        &["GET /webhooks/uploadcare?…", "refused before the body is read: method"],
    );
}

/// A signal ends it, and what cannot be kept is said.
#[test]
fn capture_says_what_it_does_not_keep() {
    let folder = Folder::new();
    let (process, address) = start(&folder, &["--status", "503"]);
    let large = (17 << 20).to_string();
    let answer = raw_http::exchange(address, &[format!("POST /a HTTP/1.1\r\ncontent-length: {large}\r\n\r\n").as_bytes(), b"x"]);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(raw_http::request(address, "POST", "/a", &[], b"x").status, 503);
    let long = format!("POST /a HTTP/1.1\r\na: {}\r\n", "x".repeat(70 << 10));
    for (head, why) in [
        ("hello\r\n\r\n", "its head is not HTTP/1.1: invalid "),
        ("POST /a HTTP/1.1\r\na b: c\r\n\r\n", "its head is not HTTP/1.1: invalid HTTP header parsed"),
        ("POST /a?token=hunter2 HTTP/1.1\r\n", "its head is cut off"),
        (&long, "its head is longer than 65536 bytes"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        // The answer may come before everything is written.
        let _answered = stream.write_all(head.as_bytes()).and_then(|()| stream.shutdown(Shutdown::Write));
        let said = format!("a request was not captured: {why}");
        wait_until(why, || process.err().split_whitespace().collect::<Vec<_>>().join(" ").contains(&said));
    }
    assert!(!process.err().contains("hunter2"), "{}", process.err());
    // A connection without a request is none.
    drop(TcpStream::connect(address).unwrap());
    process.signal("INT");
    let finished = process.finish();
    assert_eq!(finished.words().matches("a request was not captured").count(), 5, "{finished:?}");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.words().contains("a request was not captured: its body is longer than 16777216 bytes"), "{finished:?}");
    assert!(finished.words().contains("1 request captured in captures"), "{finished:?}");
    assert_eq!(files(&folder.path("captures")).len(), 1);

    let (process, _) = start(&folder, &[]);
    process.signal("TERM");
    assert_eq!(process.finish().code, Some(1), "nothing was captured");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    check(&folder, &["capture", "--listen", &taken.local_addr().unwrap().to_string()], 1, &["cannot listen on"]);
    folder.write("file", "");
    check(&folder, &["capture", "--listen", "127.0.0.1:0", "--directory", "file"], 1, &["file: "]);
    check(&folder, &["capture", "--listen", "127.0.0.1:0", "--status", "100"], 2, &["200..=599"]);
    check(&folder, &["capture"], 2, &["--listen"]);
}

/// Connections without a request, as scanners and health checks keep them, give way: the oldest first, and only as many as needed.
#[test]
fn idle_connections_give_way_to_a_request() {
    let folder = Folder::new();
    let (process, address) = start(&folder, &["--limit", "2"]);
    // Half of them have begun a request, and never end it.
    let begun = |at: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        if at.is_multiple_of(2) {
            stream.write_all(b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nx").unwrap();
        }
        stream
    };
    let idle: Vec<_> = (0..20).map(begun).collect();
    let is_open = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    assert_eq!(raw_http::request(address, "POST", "/a", &[], b"x").status, 200);
    wait_until("gone", || !idle[..5].iter().any(is_open));
    assert!(idle[5..].iter().all(is_open));
    assert_eq!(raw_http::request(address, "POST", "/a", &[], b"x").status, 200);
    assert_eq!(process.finish().code, Some(0));
}
