//! FileSpin: its settings are one object with the secrets of the account and without a check of versions, so a person enters the URL.

use std::io::{self, Write as _};

use super::{Destination, failure, fits_into_url, in_shell};
use crate::{
    api::filespin::{MANNERS, SWITCHES, URLS_MAX, webhook_settings},
    command::{
        CommandResult, EXIT_FINDINGS, Failure,
        subscriptions::{Asking, RegisteredProof, Wanted, token_of},
    },
    config::recover::KeyedApi,
    provider::filespin::PROVIDER,
};

/// Reads the settings, and prints what to enter.
pub(super) fn print(asking: &Asking<'_>, access: &KeyedApi, target: &Destination<'_>, events: &[String]) -> CommandResult {
    let secret = asking.newest_secret(target.endpoint)?;
    let wait = |time, why: &str| asking.wait(time, why);
    let mut api = asking.api(&access.base_url, MANNERS, vec![access.api_key.clone()], &wait);
    let settings = webhook_settings(&mut api, access).map_err(failure)?;
    let own: Vec<RegisteredProof> = settings
        .urls()
        .filter(|url| asking.owner(&PROVIDER, url).is_ok_and(|owner| owner.name == target.endpoint.name))
        .map(|url| token_of(url, &target.endpoint.name, asking.keys(target.endpoint)))
        .collect();
    let used = settings.urls().count();
    let off: Vec<&str> = Wanted(events).of(&PROVIDER, &SWITCHES).into_iter().filter(|event| !settings.is_on(event)).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "FileSpin's settings have {used} of {URLS_MAX} URLs, {} of them for this endpoint", own.len())?;
    let there = own.contains(&RegisteredProof::Token);
    if there {
        writeln!(out, "there      {}?token=…", target.url)?;
    } else {
        for wrong in own.iter().filter(|proof| matches!(proof, RegisteredProof::Absent | RegisteredProof::Foreign)) {
            let token = if *wrong == RegisteredProof::Absent { "" } else { "?token=…" };
            writeln!(out, "replace    {}{token}: every delivery to it is refused with 401", target.url)?;
        }
        if own.is_empty() && used >= URLS_MAX {
            writeln!(out, "remove     one of the {URLS_MAX} URLs: there is no room for another")?;
        }
        fits_into_url(&secret)?;
        writeln!(out, "enter      the URL that this prints; its token is the secret:")?;
        writeln!(out, "           echo \"{}?token={}\"", target.url, in_shell(secret.source()))?;
    }
    for event in &off {
        writeln!(out, "switch on  {event}")?;
    }
    if there && off.is_empty() { Ok(true) } else { Err(Failure::Reported(EXIT_FINDINGS)) }
}
