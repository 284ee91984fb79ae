//! The stand-ins as a program, for shell scripts and other programs.

use std::{io::Write as _, process::ExitCode, thread};

use hookgate_stubs::Stub;

const HELP: &str = r#"Stands in for the APIs of FileSpin, FileSafety, Frame.io and Uploadcare, until it is stopped.

usage: hookgate-stubs --listen 127.0.0.1:8099

All four are below one URL, that of `https://ims-na1.adobelogin.com` too. It prints that URL when it listens. Port 0 takes a free one.

Keys          Uploadcare demopublickey and demoprivatekey; FileSpin 0123456789abcdef0123456789abcdef;
              FileSafety fs_live_0123456789abcdef0123456789abcdef; Frame.io client and client-secret
Control, JSON over the same port
  POST /_stub/make      {"seed": 1, "each": 4, "from": "2026-11-22T10:00:00Z", "to": "2026-11-22T14:00:00Z"}
                        adds events of every type to the books
  GET  /_stub/events    what has happened so far: number, provider, type, subject, at, and whether there is a webhook for it
  POST /_stub/deliver   {"to": "http://127.0.0.1:8080", "paths": {"uploadcare": "/webhooks/u"}, "secrets": {"uploadcare": "s"},
                         "events": [0, 1]}  sends webhooks, all without "events", and returns how often which status came
  POST /_stub/faults    {"provider": "uploadcare", "fault": "429 10", "times": 2}  spoils the next answers. Faults are: a status, with
                        its Retry-After behind a blank; no_json, wrong_type, large, redirect, cut_off, half, slow
  POST /_stub/set       {"provider": "uploadcare", "stuck": true}  sets switches:
                        uploadcare  stuck, next_repeats_all, next_host, total_is_zero, no_webhooks, now
                        frameio     stuck, next_origin, last_day_is_left_out, expires_in, tokens_expire
                        filespin    searches_expire, administrator
  GET  /_stub/log       the requests to the providers' APIs: method, path, query, and the names of their headers
  GET  /_stub/reissued  the reissues that FileSpin was asked for, with the assets whose callbacks would come again
  POST /_stub/reset     empties the books
"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let address = match words.as_slice() {
        ["--help" | "-h"] => return if out.write_all(HELP.as_bytes()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        ["--listen", address] => address,
        _ => {
            let _no_reader = writeln!(err, "usage: hookgate-stubs --listen 127.0.0.1:8099; --help says more");
            return ExitCode::from(64);
        }
    };
    let stub = match Stub::listen(address) {
        Ok(stub) => stub,
        Err(error) => {
            let _no_reader = writeln!(err, "hookgate-stubs: cannot listen at {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    if writeln!(out, "{}", stub.url()).and_then(|()| out.flush()).is_err() {
        return ExitCode::FAILURE;
    }
    loop {
        thread::park();
    }
}
