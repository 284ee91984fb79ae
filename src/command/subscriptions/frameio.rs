//! Frame.io: webhooks of workspaces. Their secrets cannot be read back.

use super::{
    Asking, Wanted,
    registration::{Registered, RegisteredProof, Registration, RegistrationState},
};
use crate::{api::ApiError, config::recover::FrameioApi, provider::frameio::PROVIDER};

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
            let mut notes = Vec::new();
            if !webhook.active {
                notes.push("switched off; Frame.io does not say since when. What happened since is in its audit log:".into());
                notes.push(format!("hookgate recover frameio --endpoint {} --since …", endpoint.name));
            } else if reenable && off.contains(&webhook.id) {
                notes.push("this run has switched it on again; what happened before is in Frame.io's audit log:".into());
                notes.push(format!("hookgate recover frameio --endpoint {} --since …", endpoint.name));
            }
            registered.rows.push(Registration {
                id: Some(webhook.id),
                events: webhook.events,
                state: if webhook.active { RegistrationState::Active } else { RegistrationState::Off },
                proof: RegisteredProof::Hidden,
                endpoint: endpoint.name.clone(),
                notes,
            });
        }
    }
    if !registered.rows.is_empty() {
        registered.notes.push("secrets cannot be read back, so they were not compared".into());
    }
    let names: Vec<_> = asking.endpoints(&PROVIDER).map(|endpoint| &endpoint.name).collect();
    // Frame.io has events for 30 things, and nobody wants all: only those that were asked for must be there.
    registered.complete(names.into_iter(), &wanted.of(&PROVIDER, &[]));
    Ok(registered)
}
