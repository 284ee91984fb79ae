//! Faults by their names.

use crate::http::{Fault, Reply};

/// Returns the fault of this name: a status, or one of `no_json`, `wrong_type`, `large`, `redirect`, `cut_off`, `half` and `slow`. The text
/// after a status becomes its `Retry-After`: `429 10`.
pub fn named(name: &str) -> Option<Fault> {
    let (word, wait) = name.split_once(' ').map_or((name, None), |(word, wait)| (word, Some(wait)));
    let instead = |status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>| {
        Fault::Instead(Box::new(Reply { status, headers, body, fault: None }))
    };
    let json = || vec![("content-type", "application/json".to_owned())];
    Some(match word {
        "no_json" => instead(200, vec![("content-type", "text/html".into())], b"<html>busy</html>".to_vec()),
        "wrong_type" => instead(200, json(), b"\"a text\"".to_vec()),
        "large" => instead(200, json(), vec![b' '; 9 << 20]),
        "redirect" => instead(302, vec![("location", "http://elsewhere.example.com/".into())], Vec::new()),
        "cut_off" => Fault::CutOff,
        "half" => Fault::Half,
        "slow" => Fault::Slow,
        status => {
            let status = status.parse().ok().filter(|status| (400..600).contains(status))?;
            let mut headers = json();
            headers.extend(wait.map(|wait| ("retry-after", wait.to_owned())));
            let detail = if status == 429 { "Request was throttled." } else { "Something is wrong." };
            instead(status, headers, format!("{{\"detail\":\"{detail}\"}}").into_bytes())
        }
    })
}
