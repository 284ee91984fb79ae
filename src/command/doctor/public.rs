//! The public address: requests that go to the daemon as a provider's would, and that the daemon refuses for a reason that is known before.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use super::{CONFIGURATION_FIRST, DoctorLine, DoctorReport, Patient, report::State};
use crate::{
    closed::Closed as _,
    config::EndpointConfig,
    error::Refusal,
    outbound::{Client, OutboundAnswer, OutboundError},
    provider::CredentialSource,
    signature::Secret,
};

const ADDRESS: &str = "address";
const PATH: &str = "path";
const BODY: &str = "body";
/// The longest answer that is read, in bytes; a Hookgate daemon's has less than a kilobyte.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// The signed time of a delivery that no daemon accepts: the year 2286, the last one that the header has digits for. A clock could stand in 1970,
/// because some machines start there, but Linux sets no clock beyond the year 2262, and a tolerance is a day at most.
const NEVER: Duration = Duration::from_secs(9_999_999_999);
/// A body that looks different after any program has read it as JSON and written it again.
const SENSITIVE: &str = "{ \"type\" : \"hookgate.doctor\",\t\"b\":1.0,\"a\":\"\\u00e9é\\/\",\"a\":[ ] }\r\n";
const MEANINGS: &str = "docs/http.md says what this answer means";
const LINE_ABOVE: &str = "first do what the line above says";

/// Tries the public address, and on it each endpoint.
pub(super) fn look(patient: &Patient<'_>, client: &Client, report: &mut DoctorReport<impl Write>) -> io::Result<()> {
    let Some(origin) = &patient.arguments.host else {
        let remedy = patient.command("doctor --host https://hooks.example.com");
        return report.add(DoctorLine::not_tried(ADDRESS, "the public address is not known; give it:", remedy));
    };
    let endpoints = patient.config.as_ref().map_or(&[][..], |config| &config.endpoints);
    let url = |name: &str| format!("{origin}/webhooks/{name}");
    let ask = |endpoint: &EndpointConfig| client.get(&url(&endpoint.name), &[], ANSWER_BYTES_MAX);
    // Without an endpoint, the path is one that Hookgate answers too.
    let first = endpoints.first().map_or_else(|| client.get(&url(""), &[], ANSWER_BYTES_MAX), &ask);
    let address = address(origin, &first);
    let is_reached = address.state == State::Good;
    report.add(address.of(origin))?;
    if !is_reached {
        return report.add(DoctorLine::not_tried(PATH, "the public address cannot be asked", LINE_ABOVE));
    }
    if endpoints.is_empty() {
        return report.add(DoctorLine::not_tried(PATH, "the configuration cannot be used", CONFIGURATION_FIRST));
    }
    let mut first = Some(first);
    for endpoint in endpoints {
        let answer = first.take().unwrap_or_else(|| ask(endpoint));
        let path = path(client, &url(&endpoint.name), &answer);
        let leads_here = path.state == State::Good;
        report.add(path.of(&*endpoint.name))?;
        let line = if leads_here || !endpoint.provider.signs_time() {
            body(patient, client, endpoint, &url(&endpoint.name))
        } else {
            DoctorLine::not_tried(BODY, "the path does not lead to Hookgate", LINE_ABOVE)
        };
        report.add(line.of(&*endpoint.name))?;
    }
    Ok(())
}

/// Returns the line about an address from its first answer.
fn address(origin: &str, answer: &Result<OutboundAnswer, OutboundError>) -> DoctorLine {
    let (text, remedy) = match answer {
        // An answer that cannot be used is one of the path's.
        Ok(_) | Err(OutboundError::Unusable(_)) => {
            let with_tls = origin.starts_with("https:");
            return DoctorLine::good(
                ADDRESS,
                if with_tls { "is reached, and its certificate is trusted" } else { "is reached, without TLS" },
            );
        }
        Err(OutboundError::Insecure(text)) => (
            text,
            "a provider needs a certificate for this name, from a public authority, sent with its intermediate ones; with an authority of \
             your own, --ca-file FILE tries the rest",
        ),
        Err(OutboundError::Unconnected(text)) => (
            text,
            "look at the name in the DNS, the firewall and the load balancer; some networks do not reach their own public address, so try \
             it from outside too",
        ),
        Err(OutboundError::Unreachable(text)) => (text, "look at the port and the firewall, and at the proxy and its log"),
    };
    DoctorLine::bad(ADDRESS, text, remedy)
}

/// Returns the name of the refusal in an answer of Hookgate's; `None` if something else has answered.
fn refusal(answer: &OutboundAnswer) -> Option<Refusal> {
    let is_problem = answer.header("content-type").is_some_and(|it| it.starts_with("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).ok().filter(|_| is_problem)?;
    let label = problem["type"].as_str()?.strip_prefix("urn:hookgate:problem:")?;
    Refusal::all().find(|refusal| refusal.text() == label)
}

/// Returns the line about a path, whose GET was answered so. Where Hookgate has answered it, a POST without a signature is tried too.
fn path(client: &Client, url: &str, answer: &Result<OutboundAnswer, OutboundError>) -> DoctorLine {
    let line = judged(answer, |refusal| match refusal {
        Refusal::Method => Some(DoctorLine::good(PATH, "leads to Hookgate, which knows the endpoint")),
        Refusal::UnknownEndpoint => Some(DoctorLine::bad(
            PATH,
            "Hookgate answers, and does not know this path",
            "either the daemon there has another configuration, or a proxy changes the path: /webhooks/… must arrive as it is",
        )),
        _ => None,
    });
    if line.state != State::Good {
        return line;
    }
    let posted = client.post(url, &[("content-type", "application/json")], b"{}", ANSWER_BYTES_MAX);
    judged(&posted, |refusal| match refusal {
        Refusal::MissingSignature => Some(line.clone()),
        Refusal::NoSecret => Some(DoctorLine::bad(
            PATH,
            "leads to Hookgate, which has no secret of the endpoint and answers 503 no_secret",
            "give the daemon there the secret; its log says why it cannot read it",
        )),
        _ => None,
    })
}

/// Returns the line for an answer. `known` has the lines for refusals that say something about the path.
fn judged(answer: &Result<OutboundAnswer, OutboundError>, known: impl Fn(Refusal) -> Option<DoctorLine>) -> DoctorLine {
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => {
            return DoctorLine::bad(PATH, fault.to_string(), "look at the route and the limits of the proxy, and at its log");
        }
    };
    match refusal(answer) {
        Some(refusal) => known(refusal)
            .unwrap_or_else(|| DoctorLine::bad(PATH, format!("Hookgate answers {} {}", answer.status, refusal.text()), MEANINGS)),
        None => DoctorLine::bad(
            PATH,
            format!("something else than Hookgate answers, with the status {}", answer.status),
            "a proxy, a login page, a firewall or another server has this path: have GET and POST of /webhooks/… passed on to the webhook \
             port, with the path as it is and without a login",
        ),
    }
}

/// Returns the line about what becomes of a body on its way to an endpoint, whose path leads to Hookgate.
fn body(patient: &Patient<'_>, client: &Client, endpoint: &EndpointConfig, url: &str) -> DoctorLine {
    let title = endpoint.provider.title;
    let CredentialSource::Hmac(scheme) = endpoint.provider.credential else {
        return DoctorLine::not_tried(
            BODY,
            &format!("{title} signs no body"),
            "nothing to do: the token in the URL is the proof",
        );
    };
    if !endpoint.provider.signs_time() {
        let why = format!("{title} signs no time, so a signed delivery would be accepted");
        return DoctorLine::not_tried(BODY, &why, "hookgate verify --help").remedy("explains a delivery that you have captured");
    }
    let text = endpoint.secrets.first().map(|source| source.newest()?.text(patient.environment));
    let Some(secret) = text.and_then(|text| Secret::new(text.ok()?.reveal().as_bytes())) else {
        return DoctorLine::not_tried(
            BODY,
            "the secret of the endpoint cannot be read here",
            "do what the line about its secrets says",
        );
    };
    let signed = scheme.sign(SENSITIVE.as_bytes(), &secret, SystemTime::UNIX_EPOCH + NEVER);
    let headers = signed.iter().map(|(name, value)| (*name, value.as_str()));
    let headers: Vec<_> = [("content-type", "application/json")].into_iter().chain(headers).collect();
    let answer = client.post(url, &headers, SENSITIVE.as_bytes(), ANSWER_BYTES_MAX);
    let line = judged(&answer, |refusal| match refusal {
        Refusal::Stale => Some(DoctorLine::good(BODY, "a signed body arrives unchanged, and its secret is the daemon's")),
        Refusal::BadSignature => Some(DoctorLine::bad(
            BODY,
            "a signed delivery is answered 401 bad_signature: its body or a header was changed on the way, or the daemon there has another secret",
            "turn off what rewrites bodies or headers in the proxy; then compare the secret here with the daemon's",
        )),
        Refusal::MissingSignature => Some(DoctorLine::bad(
            BODY,
            "the signature headers do not arrive",
            format!("have the proxy pass on {}", scheme.headers.join(" and ")),
        )),
        _ => None,
    });
    DoctorLine { area: BODY, ..line }
}
