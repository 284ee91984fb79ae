//! Ten thousand deliveries over 64 connections: each answer 200 has its record, and there are no other records.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::{
    harness::signed,
    support::{consume_plain, prefix, publishing},
};

const DELIVERIES: usize = 10_000;
const CONNECTIONS: usize = 64;

/// A connection that stays open.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    /// Posts a signed body. Returns the status of the answer, and the id in its body.
    fn deliver(&mut self, endpoint: &str, body: &[u8]) -> (u16, String) {
        let (path, headers) = signed(endpoint, body);
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
        let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\n{headers}content-length: {}\r\n\r\n", body.len());
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            let line = self.line().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        (status, answer["id"].as_str().unwrap_or_default().to_owned())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Returns an endpoint and a body. Each number gives another body, of one of the two providers that sign.
fn delivery(number: usize) -> (&'static str, String) {
    if number.is_multiple_of(2) {
        let data = format!(r#"{{"uuid":"file-{number}","is_image":false,"size":{number}}}"#);
        ("uploadcare", format!(r#"{{"hook":{{"id":1,"event":"file.stored","version":"0.7"}},"data":{data},"file":"x"}}"#))
    } else {
        ("frameio", format!(r#"{{"type":"file.ready","resource":{{"id":"file-{number}","type":"file"}}}}"#))
    }
}

#[test]
fn ten_thousand_deliveries_are_ten_thousand_records() {
    let prefix = prefix("");
    let daemon = publishing(&prefix, 6);

    let to = daemon.webhooks;
    let connections = (0..CONNECTIONS).map(|connection| {
        thread::spawn(move || {
            let mut client = Client::connect(to);
            let numbers = (connection..DELIVERIES).step_by(CONNECTIONS);
            numbers
                .map(|number| {
                    let (endpoint, body) = delivery(number);
                    client.deliver(endpoint, body.as_bytes())
                })
                .collect::<Vec<_>>()
        })
    });
    // They are collected first, so that all of them run at once.
    let connections: Vec<_> = connections.collect();
    let answers: Vec<(u16, String)> = connections.into_iter().flat_map(|it| it.join().unwrap()).collect();

    let mut statuses = BTreeMap::new();
    for (status, _) in &answers {
        *statuses.entry(*status).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(200, DELIVERIES)]));
    let answered: BTreeSet<&str> = answers.iter().map(|(_, id)| id.as_str()).collect();
    assert_eq!(answered.len(), DELIVERIES, "the ids are unique");

    let records = consume_plain(&prefix);
    assert_eq!(records.len(), DELIVERIES);
    let stored: BTreeSet<&str> = records.iter().map(|record| record["event"]["id"].as_str().unwrap()).collect();
    assert!(stored == answered, "the stored ids are the answered ids");
}
