//! The control interface below `/_stub/`, for scripts and other programs.

use std::{
    io::{Error, Read as _, Write as _},
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::{
    Books, Provider, faults,
    http::{Reply, Request},
    make::{self, Happened},
    time::{Micros, read, write},
};

type Answer = Result<Value, String>;

pub(crate) fn answer(books: &Mutex<Books>, request: &Request) -> Reply {
    let body: Value = if request.body.is_empty() {
        json!({})
    } else {
        match serde_json::from_slice(&request.body) {
            Ok(body) => body,
            Err(error) => return Reply::json(400, &json!({ "error": error.to_string() })),
        }
    };
    let held = || books.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = match (request.method.as_str(), request.path.trim_start_matches("/_stub/")) {
        ("POST", "make") => make(&mut held(), &body),
        ("GET", "events") => Ok(held().happened.iter().enumerate().map(|(number, event)| shown(number, event)).collect()),
        // The books are free meanwhile, because the receiver may ask.
        ("POST", "deliver") => deliver(held(), &body),
        ("POST", "faults") => fault(&mut held(), &body),
        ("POST", "set") => set(&mut held(), &body),
        ("GET", "log") => Ok(logged(&held())),
        ("POST", "reset") => {
            *held() = Books::default();
            Ok(json!({}))
        }
        ("GET", "reissued") => Ok(held().filespin.reissued.iter().map(reissued).collect()),
        _ => return Reply::json(404, &json!({ "error": "no such path: see --help" })),
    };
    match answer {
        Ok(answer) => Reply::json(200, &answer),
        Err(error) => Reply::json(400, &json!({ "error": error })),
    }
}

fn shown(number: usize, event: &Happened) -> Value {
    json!({
        "number": number, "provider": event.provider.name(), "type": event.kind, "subject": event.subject,
        "at": write(event.at, 6), "webhook": event.body.is_some(),
    })
}

fn reissued(reissue: &crate::filespin::Reissue) -> Value {
    json!({ "start": write(reissue.start, 0), "end": write(reissue.end, 0), "assets": reissue.assets })
}

fn logged(books: &Books) -> Value {
    let line = |(line, names): (&String, &Vec<String>)| json!({ "request": line, "headers": names });
    books.log.iter().zip(&books.header_names).map(line).collect()
}

fn instant(body: &Value, name: &str) -> Result<Micros, String> {
    body[name].as_str().and_then(read).ok_or_else(|| format!("{name} must be a time in UTC, such as 2026-11-22T10:00:00Z"))
}

fn provider(body: &Value) -> Result<Provider, String> {
    let name = body["provider"].as_str().unwrap_or_default();
    Provider::named(name).ok_or_else(|| "provider must be uploadcare, frameio, filespin or filesafety".into())
}

fn make(books: &mut Books, body: &Value) -> Answer {
    let seed = body["seed"].as_u64().ok_or("seed must be a number")?;
    let each = body["each"].as_u64().and_then(|each| usize::try_from(each).ok()).ok_or("each must be a number")?;
    let window = (instant(body, "from")?, instant(body, "to")?);
    if window.0 >= window.1 {
        return Err("from must be before to".into());
    }
    Ok(json!({ "made": make::make(books, seed, each, window).len() }))
}

fn fault(books: &mut Books, body: &Value) -> Answer {
    let (provider, name) = (provider(body)?, body["fault"].as_str().unwrap_or_default());
    let fault = faults::named(name).ok_or_else(|| format!("no fault is called {name:?}: see --help"))?;
    let times = body["times"].as_u64().unwrap_or(1);
    books.faults_of.extend((0..times).map(|_| (provider, fault.clone())));
    Ok(json!({}))
}

/// Sets switches of a provider, all of which are off at the start.
fn set(books: &mut Books, body: &Value) -> Answer {
    let provider = provider(body)?;
    for (name, value) in body.as_object().unwrap_or(&Map::new()) {
        let flag = || value.as_bool().ok_or_else(|| format!("{name} must be true or false"));
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} must be a text"));
        let (uploadcare, frameio, filespin) = (&mut books.uploadcare, &mut books.frameio, &mut books.filespin);
        match (provider, name.as_str()) {
            (_, "provider") => {}
            (Provider::Uploadcare, "stuck") => uploadcare.stuck = flag()?,
            (Provider::Uploadcare, "next_repeats_all") => uploadcare.next_repeats_all = flag()?,
            (Provider::Uploadcare, "total_is_zero") => uploadcare.total_is_zero = flag()?,
            (Provider::Uploadcare, "no_webhooks") => uploadcare.no_webhooks = flag()?.then(|| "You can't use webhooks".into()),
            (Provider::Uploadcare, "next_host") => uploadcare.next_host = Some(text()?),
            (Provider::Uploadcare, "now") => uploadcare.now = Some(instant(body, "now")?),
            (Provider::Frameio, "stuck") => frameio.stuck = flag()?,
            (Provider::Frameio, "last_day_is_left_out") => frameio.last_day_is_left_out = flag()?,
            (Provider::Frameio, "next_origin") => frameio.next_origin = text()?,
            (Provider::Frameio, "expires_in") => frameio.expires_in = value.as_u64().ok_or("expires_in must be a number")?,
            // As if every token had expired.
            (Provider::Frameio, "tokens_expire") => frameio.tokens.clear(),
            (Provider::Filespin, "searches_expire") => filespin.searches_expire = flag()?,
            (Provider::Filespin, "administrator") => filespin.administrator = flag()?,
            _ => return Err(format!("{} has no switch {name:?}: see --help", provider.name())),
        }
    }
    Ok(json!({}))
}

/// Sends webhooks, and returns how often which status came.
fn deliver(books: MutexGuard<'_, Books>, body: &Value) -> Answer {
    let to = body["to"].as_str().and_then(|to| to.strip_prefix("http://")).ok_or("to must be an URL with http")?.to_owned();
    let numbers: Option<Vec<usize>> =
        body["events"].as_array().map(|it| it.iter().filter_map(|it| usize::try_from(it.as_u64()?).ok()).collect());
    let wanted = |(number, event): (usize, &Happened)| {
        (event.body.is_some() && numbers.as_ref().is_none_or(|numbers| numbers.contains(&number))).then(|| event.clone())
    };
    let events: Vec<Happened> = books.happened.iter().enumerate().filter_map(wanted).collect();
    drop(books);
    let mut statuses = Map::new();
    for event in events {
        let name = event.provider.name();
        // A provider without a path is left out.
        let Some(path) = body["paths"][name].as_str() else { continue };
        let secret = body["secrets"][name].as_str().unwrap_or_default();
        let status = post(&to, path, secret, &event).unwrap_or_else(|error| error.kind().to_string());
        let count = statuses.get(&status).and_then(Value::as_u64).unwrap_or(0);
        statuses.insert(status, (count + 1).into());
    }
    Ok(statuses.into())
}

#[expect(clippy::disallowed_methods, reason = "a receiver compares the time that is signed with its own")]
fn post(to: &str, path: &str, secret: &str, event: &Happened) -> Result<String, Error> {
    let sent = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let headers = event.headers(secret, i64::try_from(sent).unwrap_or(0));
    let body = event.body.as_deref().unwrap_or_default();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.extend([name, ": ", &value, "\r\n"]);
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.split(' ').nth(1).map(str::to_owned).ok_or_else(|| Error::other("no HTTP"))
}
