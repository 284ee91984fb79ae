//! FileSpin: up to three URLs in the settings of the account, and a switch for each event. They are only read, because the settings are one
//! object with the secrets of the account, without a check of versions.

use super::{
    Asking, Wanted,
    registration::{Registered, RegisteredProof, Registration, RegistrationState},
};
use crate::{
    api::{
        ApiError,
        filespin::{MANNERS, SWITCHES, URLS_MAX, webhook_settings},
    },
    config::recover::KeyedApi,
    error::Error,
    http::offered_proof,
    provider::filespin::PROVIDER,
    signature::Keys,
};

/// Reads the settings.
pub(super) fn registered(asking: &Asking<'_>, access: &KeyedApi, wanted: &Wanted) -> Result<Registered, ApiError> {
    let wait = |time, why: &str| asking.wait(time, why);
    let mut api = asking.api(&access.base_url, MANNERS, vec![access.api_key.clone()], &wait);
    let settings = webhook_settings(&mut api, access)?;
    let mut registered = Registered::none(&PROVIDER);
    let on: Vec<String> = SWITCHES.into_iter().filter(|event| settings.is_on(event)).map(str::to_owned).collect();
    for url in settings.urls() {
        match asking.owner(&PROVIDER, url) {
            Ok(endpoint) => {
                let proof = token_of(url, &endpoint.name, asking.keys(endpoint));
                registered.rows.push(Registration {
                    id: None,
                    events: on.clone(),
                    state: if on.is_empty() { RegistrationState::Off } else { RegistrationState::Active },
                    proof,
                    endpoint: endpoint.name.clone(),
                    notes: proof.notes(asking, endpoint),
                });
            }
            Err(place) => registered.leads_elsewhere(place),
        }
    }
    registered.notes.push(format!("{} of {URLS_MAX} URLs used", settings.urls().count()));
    registered.complete(asking, &wanted.of(&PROVIDER, &SWITCHES));
    Ok(registered)
}

/// Returns what the token in a registered URL proves, by the same rules as on the wire.
pub(in crate::command) fn token_of(url: &str, endpoint: &str, keys: Option<&Keys>) -> RegisteredProof {
    let Some(keys) = keys else { return RegisteredProof::Incomparable };
    match offered_proof(&PROVIDER, Some(endpoint), Some(url), &[], keys) {
        Ok(_) => RegisteredProof::Token,
        Err(Error::MissingSignature) => RegisteredProof::Absent,
        Err(Error::NoSecret) => RegisteredProof::Incomparable,
        Err(_) => RegisteredProof::Foreign,
    }
}
