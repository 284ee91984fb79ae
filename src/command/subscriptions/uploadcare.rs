//! Uploadcare: one subscription for each event. It switches a subscription off after repeated failures, and sends nothing later of what
//! happens meanwhile.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use super::{
    Asking, Wanted,
    asking::signed_with,
    registration::{Registered, RegisteredProof, Registration, RegistrationState},
};
use crate::{
    api::{
        ApiError,
        uploadcare::{MANNERS, Subscription, reactivate, subscriptions},
    },
    clock,
    command::note,
    config::{EndpointConfig, recover::UploadcareApi},
    event::{instant, parse_time, timestamp},
    provider::uploadcare::PROVIDER,
};

/// Reads the subscriptions. With `reenable`, those that are off and signed with a secret of their endpoint are switched on first.
pub(super) fn registered(
    asking: &Asking<'_>,
    access: &UploadcareApi,
    wanted: &Wanted,
    reenable: bool,
) -> Result<Registered, ApiError> {
    let wait = |time, why: &str| asking.wait(time, why);
    let mut api = asking.api(&access.base_url, MANNERS, vec![access.secret_key.clone()], &wait);
    let mut read = subscriptions(&mut api, access, clock::system)?;
    let mut switched: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    if reenable {
        for subscription in read.iter().filter(|it| !it.is_active) {
            let Ok(endpoint) = asking.owner(&PROVIDER, &subscription.target_url) else { continue };
            if signed_with(subscription.signing_secret.as_ref(), asking.keys(endpoint)) != RegisteredProof::Signed {
                note(&format!("{} {} was not switched on: its deliveries would be refused", PROVIDER.name, subscription.id));
                continue;
            }
            reactivate(&mut api, access, subscription.id, clock::system)?;
            switched.insert(subscription.id, switched_off(asking, subscription, endpoint));
        }
        if !switched.is_empty() {
            read = subscriptions(&mut api, access, clock::system)?;
        }
    }
    let mut registered = Registered::none(&PROVIDER);
    for subscription in read {
        match asking.owner(&PROVIDER, &subscription.target_url) {
            Ok(endpoint) => registered.rows.push(row(asking, &subscription, endpoint, switched.remove(&subscription.id))),
            Err(place) => registered.leads_elsewhere(place),
        }
    }
    let order =
        |row: &Registration| PROVIDER.names().position(|name| row.events.iter().any(|it| it == name)).unwrap_or(usize::MAX);
    registered.rows.sort_by_key(order);
    for id in switched.keys() {
        registered.notes.push(format!("subscription {id} was switched on, and is not in the list any more"));
    }
    registered.complete(asking, &wanted.of(&PROVIDER, &PROVIDER.events().collect::<Vec<_>>()));
    Ok(registered)
}

/// `switched` has what was to be said before this run has switched the subscription on.
fn row(
    asking: &Asking<'_>,
    subscription: &Subscription,
    endpoint: &EndpointConfig,
    switched: Option<Vec<String>>,
) -> Registration {
    let proof = signed_with(subscription.signing_secret.as_ref(), asking.keys(endpoint));
    let state = if subscription.is_active { RegistrationState::Active } else { RegistrationState::Off };
    let mut notes = proof.notes(asking, endpoint);
    match (switched, state) {
        (Some(before), RegistrationState::Active) => {
            notes.push("this run has switched it on again".into());
            if proof != RegisteredProof::Signed {
                notes.push("it was signed with a secret of the endpoint before, and is not any more".into());
            }
            notes.extend(before);
        }
        (Some(before), _) => {
            notes.push("Uploadcare has accepted that it is switched on, and still reports it as off".into());
            notes.extend(before);
        }
        (None, RegistrationState::Off) => {
            notes.extend(switched_off(asking, subscription, endpoint));
            if proof == RegisteredProof::Signed {
                notes.push(asking.command_at_host("subscriptions uploadcare --reenable"));
            }
        }
        (None, _) => {}
    }
    Registration {
        id: Some(subscription.id.to_string()),
        events: vec![subscription.event.clone()],
        state,
        proof,
        endpoint: endpoint.name.clone(),
        notes,
    }
}

/// Says when a subscription can have been switched off, and how to get back what is lost. Uploadcare keeps no such time: it keeps when the
/// subscription was changed last, which is the switching off or something later.
fn switched_off(asking: &Asking<'_>, subscription: &Subscription, endpoint: &EndpointConfig) -> Vec<String> {
    let time = |text: &Option<String>| text.as_deref().and_then(parse_time).and_then(instant);
    let (created, updated) = (time(&subscription.created), time(&subscription.updated));
    let earliest = created
        .map_or_else(|| "at an unknown time".to_owned(), |time| format!("{} at the earliest (its creation)", seconds(time)));
    let Some(latest) = updated else {
        return vec![format!("switched off {earliest}; Uploadcare does not say when it was changed last")];
    };
    // Uploadcare switches off after failures, so what it has tried before may be lost, too.
    let since = latest.checked_sub(PROVIDER.gives_up_after).unwrap_or(latest);
    let (since, before) = match created.filter(|created| *created > since) {
        Some(created) => (created, "at its creation".to_owned()),
        None => (since, format!("{} hours before that change", PROVIDER.gives_up_after.as_secs() / 3600)),
    };
    vec![
        format!(
            "switched off {earliest}, and {} at the latest (its last change); no retry brings what has happened since. The next line begins \
             {before}, because failures come first, and publishes only what the topics do not have:",
            seconds(latest),
        ),
        asking.command(&format!("recover uploadcare --endpoint {} --since {}", endpoint.name, seconds(since))),
    ]
}

/// Returns a time in whole seconds, which is not later.
fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())).to_string()
}
