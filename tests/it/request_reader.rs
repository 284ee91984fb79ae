//! Reads HTTP requests, for the servers in this process.

use std::io::{BufRead as _, BufReader, Read};

/// Reads one request of a connection, and returns its head and its body. `None` means that the connection has ended, or that the request
/// announces no length.
pub fn take_request(reader: &mut BufReader<impl Read>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut body = vec![0; header(&head, "content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// Returns the value of a header in a head. The case of its name does not matter.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
