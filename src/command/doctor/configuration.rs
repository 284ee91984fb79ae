//! The configuration as `hookgate check` sees it, and the secrets of each endpoint.

use std::io::{self, Write};

use super::{CONFIGURATION_FIRST, DoctorLine, DoctorReport, Failure, Patient};
use crate::{
    command::{
        output::counted,
        secret_file::{command_before, secret_file},
    },
    config::{EndpointConfig, Needs, SecretRing, SecretSource, read_all, shared_secrets},
    provider::SecretMaker,
};

const CONFIGURATION: &str = "configuration";
const SECRETS: &str = "secrets";

/// Looks at the configuration, and at the secrets of each endpoint.
pub(super) fn look(patient: &Patient<'_>, report: &mut DoctorReport<impl Write>) -> Result<(), Failure> {
    let (mut problems, mut warnings) = match patient.arguments.source.load(patient.environment, Needs::Everything) {
        Ok(config) => (Vec::new(), config.warnings),
        Err(Failure::Configuration { text, warnings }) => (text.lines().map(str::to_owned).collect(), warnings),
        Err(other) => return Err(other),
    };
    let is_refused = !problems.is_empty();
    let endpoints = patient.config.as_ref().map_or(&[][..], |config| &config.endpoints);
    let mut of_endpoints = Vec::new();
    for endpoint in endpoints {
        let key = format!("[endpoints.{}] secrets: ", endpoint.name);
        let taken =
            problems.extract_if(.., |text| text.contains(&key)).chain(warnings.extract_if(.., |text| text.contains(&key)));
        let texts: Vec<String> =
            taken.map(|text| text.split_once(&key).map_or(text.clone(), |(_, text)| text.to_owned())).collect();
        of_endpoints.push(texts);
    }
    // These are said of both endpoints, below.
    problems.retain(|text| !text.contains("[endpoints]: secret "));
    warnings.retain(|text| !text.contains("[endpoints]: secret "));
    configured(patient, is_refused, problems, warnings, report)?;
    if patient.config.is_none() {
        return Ok(report.add(DoctorLine::not_tried(SECRETS, "the configuration cannot be used", CONFIGURATION_FIRST))?);
    }
    // As the daemon reads them at its start.
    let (rings, clashes) = read_all(endpoints, patient.environment);
    for ((endpoint, texts), ring) in endpoints.iter().zip(of_endpoints).zip(&rings) {
        report.add(secrets(patient, endpoint, texts, ring))?;
    }
    for shared in clashes.into_iter().chain(shared_secrets(&rings)) {
        report.add(DoctorLine::bad(
            SECRETS,
            shared,
            "make a new one for one of them; docs/rotation.md has the steps of each provider",
        ))?;
    }
    Ok(())
}

fn configured(
    patient: &Patient<'_>,
    is_refused: bool,
    problems: Vec<String>,
    warnings: Vec<String>,
    report: &mut DoctorReport<impl Write>,
) -> io::Result<()> {
    let file = patient.arguments.source.config.display().to_string();
    let warnings = warnings.into_iter().map(|warning| format!("warning: {warning}"));
    let mut problems = problems.into_iter();
    let line = match problems.next() {
        Some(first) => DoctorLine::bad(
            CONFIGURATION,
            first,
            format!("change what is named; `{}` looks again at this part only", patient.command("check")),
        )
        .also(problems.chain(warnings)),
        None if is_refused => {
            let text = format!("{file} cannot be used, only because of its secrets");
            DoctorLine::bad(CONFIGURATION, text, "do what the lines about secrets say").also(warnings)
        }
        None => DoctorLine::good(CONFIGURATION, format!("{file} can be used")).also(warnings),
    };
    report.add(line)
}

fn secrets(patient: &Patient<'_>, endpoint: &EndpointConfig, texts: Vec<String>, ring: &SecretRing) -> DoctorLine {
    let keys = ring.keys();
    let (number, title, name) = (keys.secrets.len(), endpoint.provider.title, &endpoint.name);
    if number == 0
        && endpoint.provider.secret_maker == SecretMaker::Provider
        && endpoint.secrets.iter().all(SecretSource::is_to_come)
    {
        let file = secret_file(endpoint);
        let text = format!("there is no secret yet, and every delivery is answered 503 no_secret; {title} makes the secret");
        let subscribe = patient.command_with_host(&format!("subscribe {name} --secret-file {file}"));
        let mut remedies = command_before(endpoint).into_iter().chain([
            subscribe,
            format!("where {title} has a webhook for this endpoint already, add --another"),
            format!("or write the secret that {title} has shown into {file}"),
        ]);
        let line = DoctorLine::bad(SECRETS, text, remedies.next().unwrap_or_default());
        return remedies.fold(line, DoctorLine::remedy).of(&**name).also(texts);
    }
    let unused = ring.held_back();
    let mut texts = texts.into_iter();
    match texts.next() {
        _ if unused > 0 => {
            let text =
                format!("{} not used, because another endpoint has the same; {number} used", counted(unused as u64, "secret"));
            DoctorLine::bad(SECRETS, text, "do what the line about both endpoints says").also(texts)
        }
        Some(first) => {
            let is_made_here = endpoint.provider.secret_maker == SecretMaker::Operator;
            let new = if is_made_here { "; for a new one: openssl rand -hex 16" } else { "" };
            let remedy = if endpoint.secrets.iter().any(SecretSource::is_denied) {
                "let the user that runs hookgate read it: files need the right r, and their folders r and x".into()
            } else if endpoint.secrets.iter().any(SecretSource::is_to_come) {
                format!("write the secret that {title} has into {}{new}", secret_file(endpoint))
            } else {
                "change the secret where it is; the daemon reads files again within seconds, variables only at its start".into()
            };
            DoctorLine::bad(SECRETS, first, remedy).also(texts)
        }
        None if number == 0 || keys.secret_missing => {
            DoctorLine::bad(SECRETS, "a secret cannot be read", patient.command("check"))
        }
        None => DoctorLine::good(SECRETS, format!("{} of a shape that {title} takes", counted(number as u64, "secret"))),
    }
    .of(&**name)
}
