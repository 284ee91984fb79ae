//! Frame.io: one webhook for all events. Its secret is shown once, so a webhook that is there is changed and not made again.

use std::{
    cell::Cell,
    io::{self, Write as _},
    thread,
};

use super::{
    Arguments, Destination, agreed, failure,
    secret_place::{self, SecretPlace},
    show,
};
use crate::{
    api::{
        ApiError,
        frameio::{Frameio, FrameioWebhook, NewWebhook},
    },
    command::{
        CommandResult, EXIT_FINDINGS, Failure, note,
        output::events,
        subscriptions::{Asking, RegisteredProof, hidden, surplus},
    },
    config::recover::FrameioApi,
    provider::frameio::PROVIDER,
};

pub(super) fn subscribe(
    arguments: &Arguments,
    asking: &Asking<'_>,
    access: &FrameioApi,
    target: &Destination<'_>,
) -> CommandResult {
    // Set where the command no longer stops when it is asked to.
    let goes_on = Cell::new(false);
    let wait = |time, why: &str| {
        if !goes_on.get() {
            return asking.wait(time, why);
        }
        thread::sleep(time);
        true
    };
    let mut api = asking.frameio(access, &wait);
    let workspace = workspace(arguments, access, &mut api)?;
    let found = read(&mut api, asking, &workspace, target).map_err(failure)?;
    if found.is_empty() || arguments.another {
        create(arguments, (asking, &goes_on), &mut api, (&workspace, &found), target)
    } else {
        extend(arguments, asking, &mut api, &found, target)
    }
}

/// Returns the workspace that the webhook should be in.
fn workspace(arguments: &Arguments, access: &FrameioApi, api: &mut Frameio<'_, '_>) -> Result<String, Failure> {
    if let Some(workspace) = &arguments.workspace {
        return Ok(workspace.clone());
    }
    let known = if access.workspaces.is_empty() { api.workspaces().map_err(failure)? } else { access.workspaces.clone() };
    match known.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::Failed("the account has no workspace".into())),
        several => {
            let some = several.iter().take(20).map(|id| crate::logged::printable(id)).collect::<Vec<_>>();
            Err(Failure::Usage(format!("--workspace is missing: there are {}", some.join(", "))))
        }
    }
}

/// Reads the webhooks that lead to the endpoint.
fn read(
    api: &mut Frameio<'_, '_>,
    asking: &Asking<'_>,
    workspace: &str,
    target: &Destination<'_>,
) -> Result<Vec<FrameioWebhook>, ApiError> {
    let own = |it: &FrameioWebhook| asking.owner(&PROVIDER, &it.url).is_ok_and(|owner| owner.name == target.endpoint.name);
    Ok(api.webhooks(workspace)?.into_iter().filter(own).collect())
}

/// Adds the missing events to the first webhook that is there. Its secret stays.
fn extend(
    arguments: &Arguments,
    asking: &Asking<'_>,
    api: &mut Frameio<'_, '_>,
    found: &[FrameioWebhook],
    target: &Destination<'_>,
) -> CommandResult {
    let has = |event: &str| found.iter().any(|webhook| webhook.events.iter().any(|it| it == event));
    let missing: Vec<&str> = target.events.iter().copied().filter(|event| !has(event)).collect();
    let mut plan: Vec<String> = found
        .iter()
        .map(|webhook| format!("there  {}  {}{}", webhook.id, events(webhook.events.len()), off(asking, webhook)))
        .collect();
    plan.extend(missing.iter().map(|event| format!("add    {event}")));
    show(&plan)?;
    if arguments.secret_file.is_some() || arguments.kubernetes_secret.is_some() {
        note("the webhook is there, and Frame.io does not show its secret again: none is written");
    }
    let proof = hidden(asking, target.endpoint);
    let is_lost = proof == RegisteredProof::Lost;
    if is_lost {
        proof.notes(asking, target.endpoint).iter().for_each(|text| note(text));
    }
    let surplus = surplus(asking, target.endpoint, found.len());
    if let Some(why) = &surplus {
        note(why);
    }
    if missing.is_empty() {
        note("nothing to change: Frame.io has these events");
    } else {
        let Some(first) = found.first() else { return Ok(true) };
        agreed(arguments, asking, &format!("Add {} to the webhook {}?", events(missing.len()), first.id))?;
        let events: Vec<&str> = first.events.iter().map(String::as_str).chain(missing).collect();
        api.set_events(&first.id, &events).map_err(failure)?;
        writeln!(io::stdout(), "changed  {}  {}", crate::logged::printable(&first.id), target.url)?;
    }
    if !is_lost && surplus.is_none() && found.iter().all(|webhook| webhook.active) {
        Ok(true)
    } else {
        Err(Failure::Reported(EXIT_FINDINGS))
    }
}

fn off(asking: &Asking<'_>, webhook: &FrameioWebhook) -> String {
    if webhook.active {
        String::new()
    } else {
        format!(": switched off: {}", asking.command_at_host("subscriptions frameio --reenable"))
    }
}

/// Makes a webhook beside those that are there. The place for its secret is there before, and if the secret cannot be kept, the webhook is
/// deleted again.
fn create(
    arguments: &Arguments,
    (asking, goes_on): (&Asking<'_>, &Cell<bool>),
    api: &mut Frameio<'_, '_>,
    (workspace, there): (&str, &[FrameioWebhook]),
    target: &Destination<'_>,
) -> CommandResult {
    show(
        &there.iter().map(|it| format!("there   {}  {}{}", it.id, events(it.events.len()), off(asking, it))).collect::<Vec<_>>(),
    )?;
    let mut is_named = false;
    for source in arguments.secret_file.iter().flat_map(|path| target.endpoint.secrets.iter().map(|source| source.takes(path))) {
        is_named |= source.map_err(|why| Failure::Failed(format!("--secret-file: {why}")))?;
    }
    show(&[format!("create  {}, with {}", target.url, events(target.events.len()))])?;
    secret_place::check(arguments)?;
    agreed(arguments, asking, "Make this webhook at Frame.io?")?;
    let name = &target.endpoint.name;
    let mut place = SecretPlace::open(arguments)?;
    let made = match api.create_webhook(workspace, (&format!("Hookgate {name}"), &target.url), &target.events) {
        Ok(made) => made,
        Err(error) => {
            place.discard();
            return Err(unclear(api, asking, (workspace, there), target, error));
        }
    };
    if let Err(why) = kept(&mut place, &made) {
        place.discard();
        // Also after Ctrl-C, and where nobody reads the output any more.
        goes_on.set(true);
        let id = crate::logged::printable(&made.id);
        return Err(Failure::Failed(match api.delete_webhook(&made.id) {
            Ok(()) => format!("the secret could not be kept: {why}; the webhook {id} was deleted again"),
            Err(error) => format!("the secret could not be kept: {why}; delete the webhook {id} at Frame.io: {error}"),
        }));
    }
    let is_used = is_named || arguments.secret_file.is_none();
    if let Some(path) = &arguments.secret_file {
        writeln!(io::stdout(), "created  {}  {}", crate::logged::printable(&made.id), target.url)?;
        if !is_used {
            note(&format!("now add \"file:{}\" to the secrets of [endpoints.{name}]", path.display()));
        }
    } else {
        let id = crate::logged::printable(&made.id);
        note(&format!("created the webhook {id}; its secret is the key {id} of the Secret"));
        note("the chart mounts all keys of a Secret where the endpoint has secrets: [{secretName: NAME, folder: true}]");
    }
    for old in there {
        note(&format!(
            "when no delivery has the secret of {} any more, delete it at Frame.io",
            crate::logged::printable(&old.id)
        ));
    }
    if is_used { Ok(true) } else { Err(Failure::Reported(EXIT_FINDINGS)) }
}

fn kept(place: &mut SecretPlace, made: &NewWebhook) -> Result<(), String> {
    let secret = made.secret.as_ref().ok_or("Frame.io's answer has none")?;
    place.keep(&made.id, secret.reveal()).map_err(|error| error.to_string())
}

/// Returns the failure of a creation. Where the webhook may have been made, it says which one it is: its secret is lost.
fn unclear(
    api: &mut Frameio<'_, '_>,
    asking: &Asking<'_>,
    (workspace, there): (&str, &[FrameioWebhook]),
    target: &Destination<'_>,
    error: ApiError,
) -> Failure {
    let ApiError::Unclear(why) = error else { return failure(error) };
    match read(api, asking, workspace, target) {
        Ok(found) => Failure::Failed(match found.iter().find(|it| there.iter().all(|before| before.id != it.id)) {
            Some(webhook) => {
                format!(
                    "{why}; the webhook {} was made, and its secret is lost: delete it at Frame.io, and run the command again",
                    webhook.id
                )
            }
            None => format!("{why}; there is no such webhook: run the command again"),
        }),
        Err(error) => Failure::Failed(format!("{why}; look whether there is a webhook for {} now ({error})", target.url)),
    }
}
