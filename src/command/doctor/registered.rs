//! What is registered at the providers, as numbers. `hookgate subscriptions` has the rest.

use std::io::Write;

use super::{CONFIGURATION_FIRST, DoctorLine, DoctorReport, Failure, Patient};
use crate::{
    api::{self, ApiError},
    clock,
    command::{
        EXIT_FAILED,
        subscriptions::{Asking, Registered, RegisteredProof, RegistrationState, Wanted, registered},
    },
    config::{Needs, Recover},
    outbound::Client,
    provider::{self, Provider},
};

const SUBSCRIPTIONS: &str = "subscriptions";

/// Looks at the subscriptions of each provider that has an endpoint. Returns the client that has asked.
pub(super) fn look(patient: &Patient<'_>, report: &mut DoctorReport<impl Write>) -> Result<Option<Client>, Failure> {
    let Some(config) = patient.load(Needs::Subscriptions(None)) else {
        report.add(DoctorLine::not_tried(SUBSCRIPTIONS, "the configuration cannot be used", CONFIGURATION_FIRST))?;
        return Ok(None);
    };
    let client = api::outward(patient.environment, patient.timeout(), config.recover.authorities()?.as_deref())?;
    let client = client.comparing(clock::system);
    let asking =
        Asking::new((&config, &patient.arguments.source), patient.environment, patient.public_host())?.once(client.clone());
    for provider in provider::ALL {
        let Some(endpoint) = asking.endpoints(provider).next() else { continue };
        let line = match config.recover.access(provider) {
            // It has an API, but nothing is registered there.
            _ if provider.name == "filesafety" => {
                let why = "nothing is registered there: each request names its own webhook URL, and this prints it:";
                DoctorLine::not_tried(SUBSCRIPTIONS, why, patient.command_with_host(&format!("subscribe {}", endpoint.name)))
            }
            Some(access) => {
                let found = registered(&asking, access, provider, &Wanted(&patient.arguments.events), false);
                asked(patient, provider, found, asking.not_repeated())?
            }
            None => not_asked(provider),
        };
        report.add(line.of(provider.name))?;
    }
    Ok(Some(client))
}

/// Says why a provider is not asked: there are no credentials for its API, or Hookgate knows none.
fn not_asked(provider: &Provider) -> DoctorLine {
    if provider.recovered.is_none() {
        let remedy = format!("look at {} itself whether the webhook is on", provider.title);
        return DoctorLine::not_tried(SUBSCRIPTIONS, "Hookgate knows no API of it", remedy);
    }
    let remedy = format!("write {} into [recover.{}]", Recover::example(provider), provider.name);
    DoctorLine::not_tried(SUBSCRIPTIONS, "there are no credentials for its API", remedy)
}

fn asked(
    patient: &Patient<'_>,
    provider: &Provider,
    found: Result<Registered, ApiError>,
    not_repeated: Option<String>,
) -> Result<DoctorLine, Failure> {
    let events = &patient.arguments.events;
    let events = if events.is_empty() { String::new() } else { format!(" --events {}", events.join(",")) };
    let command =
        patient.arguments.source.command_at_host(&format!("subscriptions {}{events}", provider.name), patient.public_host());
    match (found, not_repeated) {
        (Ok(registered), _) => Ok(counted(&registered, command)),
        (Err(ApiError::Stopped), Some(why)) => Ok(DoctorLine::bad(SUBSCRIPTIONS, why, command)),
        (Err(ApiError::Stopped), None) => Err(Failure::Reported(EXIT_FAILED)),
        (Err(error), _) => Ok(DoctorLine::bad(SUBSCRIPTIONS, error.to_string(), command)),
    }
}

fn counted(registered: &Registered, command: String) -> DoctorLine {
    let count = |holds: &dyn Fn(RegistrationState, RegisteredProof) -> bool| {
        registered.rows.iter().filter(|row| holds(row.state, row.proof)).count()
    };
    let off = count(&|state, _| state == RegistrationState::Off);
    let unknown = count(&|_, proof| proof == RegisteredProof::Incomparable);
    let refused = count(&|_, proof| proof.is_refused()) - unknown;
    let missing: usize =
        registered.rows.iter().filter(|it| it.state == RegistrationState::Missing).map(|it| it.events.len().max(1)).sum();
    let elsewhere = match registered.elsewhere {
        0 => String::new(),
        number => format!("; {number} more are not ours"),
    };
    if !registered.rows.iter().any(super::super::subscriptions::Registration::is_finding) {
        let hidden = count(&|_, proof| proof == RegisteredProof::Hidden);
        let secrets = if hidden > 0 { "on; their secrets cannot be read back" } else { "on, with a proof that is accepted" };
        return DoctorLine::good(SUBSCRIPTIONS, format!("{} registered, {secrets}{elsewhere}", registered.rows.len()));
    }
    let unknown = if unknown > 0 { format!(", {unknown} that cannot be compared") } else { String::new() };
    let text = format!("{off} off, {refused} that are refused{unknown}, {missing} missing{elsewhere}");
    DoctorLine::bad(SUBSCRIPTIONS, text, command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::uploadcare;

    #[test]
    fn a_table_is_named_only_where_there_is_one() {
        #[track_caller]
        fn check(provider: &Provider, text: &str, remedy: &str) {
            let line = not_asked(provider);
            assert_eq!((&*line.texts.concat(), &*line.remedies.concat()), (text, remedy));
        }
        let remedy =
            "write public_key = \"the project's key\" and secret_key = \"env:UPLOADCARE_SECRET_KEY\" into [recover.uploadcare]";
        check(&uploadcare::PROVIDER, "not tried: there are no credentials for its API", remedy);
        let without = Provider { name: "acme", title: "Acme", recovered: None, ..uploadcare::PROVIDER };
        check(&without, "not tried: Hookgate knows no API of it", "look at Acme itself whether the webhook is on");
    }
}
