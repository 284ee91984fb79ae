//! Frame.io: webhooks of workspaces. Their secrets cannot be read back.

use super::{
    Asking, Wanted,
    registration::{Registered, RegisteredProof, Registration, RegistrationState},
};
use crate::{
    api::ApiError,
    command::output::counted,
    config::{EndpointConfig, SecretSource, recover::FrameioApi},
    provider::frameio::PROVIDER,
};

/// Reads the webhooks of the configured workspaces, or of all. With `reenable`, those that are off are switched on first.
pub(super) fn registered(
    asking: &Asking<'_>,
    access: &FrameioApi,
    wanted: &Wanted,
    reenable: bool,
) -> Result<Registered, ApiError> {
    let wait = |time, why: &str| asking.wait(time, why);
    let mut api = asking.frameio(access, &wait);
    let mut registered = Registered::none(&PROVIDER);
    let workspaces = if access.workspaces.is_empty() { api.workspaces()? } else { access.workspaces.clone() };
    for workspace in workspaces {
        let mut webhooks = api.webhooks(&workspace)?;
        let off: Vec<String> =
            webhooks.iter().filter(|it| !it.active && asking.owner(&PROVIDER, &it.url).is_ok()).map(|it| it.id.clone()).collect();
        if reenable && !off.is_empty() {
            for id in &off {
                api.activate(id)?;
            }
            webhooks = api.webhooks(&workspace)?;
        }
        for webhook in webhooks {
            let endpoint = match asking.owner(&PROVIDER, &webhook.url) {
                Ok(endpoint) => endpoint,
                Err(place) => {
                    registered.leads_elsewhere(place);
                    continue;
                }
            };
            let proof = hidden(asking, endpoint);
            let mut notes = proof.notes(asking, endpoint);
            if !webhook.active {
                notes.push("switched off; Frame.io does not say since when. What happened since is in its audit log:".into());
                notes.push(asking.command(&format!("recover frameio --endpoint {} --since …", endpoint.name)));
            } else if reenable && off.contains(&webhook.id) {
                notes.push("this run has switched it on again; what happened before is in Frame.io's audit log:".into());
                notes.push(asking.command(&format!("recover frameio --endpoint {} --since …", endpoint.name)));
            }
            registered.rows.push(Registration {
                id: Some(webhook.id),
                events: webhook.events,
                state: if webhook.active { RegistrationState::Active } else { RegistrationState::Off },
                proof,
                endpoint: endpoint.name.clone(),
                notes,
            });
        }
    }
    mark_surplus(asking, &mut registered);
    if !registered.rows.is_empty() {
        registered.notes.push("secrets cannot be read back, so they were not compared".into());
    }
    // Frame.io has events for 30 things, and nobody wants all: only those that were asked for must be there.
    registered.complete(asking, &wanted.of(&PROVIDER, &[]));
    Ok(registered)
}

/// Marks the webhooks of endpoints that have fewer secrets than webhooks.
fn mark_surplus(asking: &Asking<'_>, registered: &mut Registered) {
    for endpoint in asking.endpoints(&PROVIDER) {
        let own = |row: &&mut Registration| row.endpoint == endpoint.name && row.proof == RegisteredProof::Hidden;
        let number = registered.rows.iter_mut().filter(own).count();
        if let Some(why) = surplus(asking, endpoint, number) {
            for row in registered.rows.iter_mut().filter(own) {
                row.proof = RegisteredProof::Incomparable;
                row.notes.push(why.clone());
            }
        }
    }
}

/// Returns what is known of a webhook's secret: nothing, or that the endpoint cannot have it.
pub(in crate::command) fn hidden(asking: &Asking<'_>, endpoint: &EndpointConfig) -> RegisteredProof {
    match asking.keys(endpoint) {
        Some(keys) if keys.secrets.is_empty() && endpoint.secrets.iter().all(SecretSource::is_empty) => RegisteredProof::Lost,
        Some(keys) if keys.secrets.is_empty() => RegisteredProof::Incomparable,
        _ => RegisteredProof::Hidden,
    }
}

/// Returns what is wrong where an endpoint has fewer secrets than webhooks: each webhook has a secret of its own.
pub(in crate::command) fn surplus(asking: &Asking<'_>, endpoint: &EndpointConfig, webhooks: usize) -> Option<String> {
    let secrets = asking.keys(endpoint)?.secrets.len();
    (webhooks > secrets && secrets > 0).then(|| {
        format!(
            "{webhooks} webhooks lead to the endpoint, which has {}: what a webhook sends whose secret is not here is refused with 401. Put \
             the secret into its place, or delete that webhook at Frame.io",
            counted(secrets as u64, "secret")
        )
    })
}
