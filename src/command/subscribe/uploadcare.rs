//! Uploadcare: a subscription for each missing event.

use std::io::{self, Write as _};

use super::{Arguments, Destination, agreed, failure, show};
use crate::{
    api::{
        Api, ApiError,
        uploadcare::{MANNERS, Subscription, URL_MAX, subscribe as create, subscriptions},
    },
    clock,
    command::{
        CommandResult, EXIT_FINDINGS, Failure, note,
        output::counted,
        subscriptions::{Asking, signed_with},
    },
    config::{SecretText, recover::UploadcareApi},
    provider::uploadcare::PROVIDER,
};

/// A subscription that is there, and what a person should do about it.
type Judged = (Subscription, Option<String>);

pub(super) fn subscribe(
    arguments: &Arguments,
    asking: &Asking<'_>,
    access: &UploadcareApi,
    target: &Destination<'_>,
) -> CommandResult {
    if target.url.len() > URL_MAX {
        return Err(Failure::Failed(format!("the URL is longer than {URL_MAX} characters, the most that Uploadcare takes")));
    }
    let secret = asking.newest_secret(target.endpoint)?;
    let wait = |time, why: &str| asking.wait(time, why);
    let mut api = asking.api(&access.base_url, MANNERS, vec![access.secret_key.clone()], &wait);
    let found = read(&mut api, asking, access, target).map_err(failure)?;
    let missing: Vec<&str> = target.events.iter().copied().filter(|event| at(&found, event).is_none()).collect();
    let plan = target.events.iter().map(|event| match at(&found, event) {
        Some((subscription, None)) => format!("there   {event}  {}", subscription.id),
        Some((subscription, Some(trouble))) => format!("there   {event}  {}: {trouble}", subscription.id),
        None => format!("create  {event}  {}, signed with the secret in {}", target.url, secret.source()),
    });
    show(&plan.collect::<Vec<_>>())?;
    if missing.is_empty() {
        note("nothing to make: Uploadcare has these subscriptions");
        return verdict(&found, target);
    }
    agreed(arguments, asking, &format!("Make {} at Uploadcare?", counted(missing.len() as u64, "subscription")))?;
    for event in missing {
        let done = make(&mut api, asking, access, (target, event), &secret)?;
        writeln!(io::stdout(), "{done}  {event}  {}", target.url)?;
    }
    let found = read(&mut api, asking, access, target).map_err(failure)?;
    for (subscription, trouble) in &found {
        if let Some(trouble) = trouble {
            note(&format!("{} {}: {trouble}", subscription.event, subscription.id));
        }
    }
    verdict(&found, target)
}

/// Reads the subscriptions that lead to the endpoint.
fn read(
    api: &mut Api<'_>,
    asking: &Asking<'_>,
    access: &UploadcareApi,
    target: &Destination<'_>,
) -> Result<Vec<Judged>, ApiError> {
    let keys = asking.keys(target.endpoint);
    let own = |it: &Subscription| asking.owner(&PROVIDER, &it.target_url).is_ok_and(|owner| owner.name == target.endpoint.name);
    let found = subscriptions(api, access, clock::system)?.into_iter().filter(own).map(|subscription| {
        let proof = signed_with(subscription.signing_secret.as_ref(), keys);
        let off = (!subscription.is_active)
            .then(|| format!("switched off: {}", asking.command_at_host("subscriptions uploadcare --reenable")));
        let notes = proof.notes(asking, target.endpoint).join(" ");
        let trouble = if notes.is_empty() { off } else { Some(notes) };
        (subscription, trouble)
    });
    Ok(found.collect())
}

/// Returns the subscription to an event, rather one without trouble.
fn at<'f>(found: &'f [Judged], event: &str) -> Option<&'f Judged> {
    found.iter().filter(|(subscription, _)| subscription.event == event).min_by_key(|(_, trouble)| trouble.is_some())
}

/// Makes a subscription, or finds the one that somebody has made meanwhile. A request that may have been accepted is not sent again.
fn make(
    api: &mut Api<'_>,
    asking: &Asking<'_>,
    access: &UploadcareApi,
    (target, event): (&Destination<'_>, &str),
    secret: &SecretText,
) -> Result<&'static str, Failure> {
    let why = match create(api, access, (&target.url, event), secret, clock::system) {
        Ok(true) => return Ok("created"),
        Ok(false) => "Uploadcare says that the project is subscribed already".to_owned(),
        Err(ApiError::Unclear(why)) => why,
        Err(other) => return Err(failure(other)),
    };
    let found = read(api, asking, access, target).map_err(failure)?;
    let there = at(&found, event).is_some();
    there.then_some("there  ").ok_or_else(|| {
        Failure::Failed(format!(
            "{why}; the list of subscriptions does not have {event} for {}: run the command again",
            target.url
        ))
    })
}

/// Returns whether all events are subscribed without trouble, which was said before.
fn verdict(found: &[Judged], target: &Destination<'_>) -> CommandResult {
    let good = |event: &&str| at(found, event).is_some_and(|(_, trouble)| trouble.is_none());
    if target.events.iter().all(good) { Ok(true) } else { Err(Failure::Reported(EXIT_FINDINGS)) }
}
