//! From Frame.io's body to an event.

use std::collections::HashSet;

use super::{
    ACTION, AuditEntry, FILE_READY, FileState, PROVIDER,
    wire::{Body, Resource},
};
use crate::{
    event::{Event, EventKind, Fault, FaultReason, subject, timestamp},
    proto::{FrameioAction, FrameioActionResource, FrameioEvent, event::Payload},
    provider::json::{self, Object},
};

/// Reads any body. Bodies carry no time, so no event has an `occurred_at`.
pub(super) fn classify(body: &[u8]) -> Event {
    json::classify(body, read)
}

/// Reads what the API says as an event of this type: a file that is ready, or an entry of the audit log.
pub(super) fn recovered(event_type: &str, object: &[u8]) -> Event {
    if event_type == FILE_READY { ready(object) } else { logged(event_type, object) }
}

/// Reads a file as the event that it is ready. The file does not say since when.
fn ready(file: &[u8]) -> Event {
    let unready = |why: &str| Event {
        event_type: FILE_READY.to_owned(),
        ..Event::quarantined(Fault { reason: FaultReason::NotJson, detail: format!("file: {why}") })
    };
    let file = match str::from_utf8(file).map_err(|_| "it is not UTF-8").and_then(FileState::of) {
        Ok(file) if file.ready => file,
        Ok(_) => return unready("it is not ready"),
        Err(why) => return unready(why),
    };
    match subject(Some(&file.id), "id") {
        Ok(subject) => Event {
            subject: Some(subject),
            payload: Some(Payload::FrameioEvent(FrameioEvent {
                project_id: file.project_id,
                resource_id: file.id,
                resource_type: "file".to_owned(),
                ..FrameioEvent::default()
            })),
            ..Event::new(PROVIDER.kind(FILE_READY), FILE_READY)
        },
        Err(fault) => quarantined(fault, FILE_READY.to_owned()),
    }
}

/// Reads an entry of the audit log. It says when the event happened, which no webhook does.
fn logged(event_type: &str, entry: &[u8]) -> Event {
    let read = str::from_utf8(entry).map_err(|_| "it is not UTF-8").and_then(AuditEntry::of);
    let entry = match read {
        Ok(entry) => entry,
        Err(why) => return Event::quarantined(Fault { reason: FaultReason::NotJson, detail: format!("audit log: {why}") }),
    };
    match subject(Some(&entry.resource_id), "resource_id") {
        Ok(subject) => Event {
            subject: Some(subject),
            occurred_at: Some(timestamp(entry.at)),
            payload: Some(Payload::FrameioEvent(FrameioEvent {
                account_id: entry.account_id,
                project_id: entry.project_id,
                resource_id: entry.resource_id,
                resource_type: resource_type(event_type, entry.resource_type),
                user_id: entry.user_id,
                workspace_id: entry.workspace_id,
                team_id: String::new(),
            })),
            ..Event::new(PROVIDER.kind(event_type), event_type)
        },
        Err(fault) => Event { event_type: event_type.to_owned(), ..Event::quarantined(fault) },
    }
}

/// Returns the kind of a resource in the words of webhooks. The log's own words differ, so they stand only where the webhook's are not known.
fn resource_type(event_type: &str, logged: String) -> String {
    match event_type.split('.').next() {
        Some(first @ ("file" | "folder" | "comment" | "project" | "collection" | "share")) => first.to_owned(),
        _ => logged,
    }
}

fn read(body: &[u8]) -> Event {
    let mut body: Body<'_> = match json::object(body) {
        Ok(body) => body,
        Err(fault) => return Event::quarantined(fault),
    };
    let resource = body.resource.0.take().map(|object| object.0).unwrap_or_default();
    let event_type = body.event_type.0.take();
    // The name of an action is free text and may equal that of a webhook event: only these ids distinguish the two.
    if is_set(body.action_id.0.as_ref()) || is_set(body.interaction_id.0.as_ref()) {
        return action(body, resource, event_type.unwrap_or_default());
    }
    if let Some(event_type) = event_type {
        return webhook(body, resource, event_type);
    }
    // The first webhooks had their name in another field.
    unclassified(&resource, body.name.0.unwrap_or_default())
}

fn is_set(id: Option<&String>) -> bool {
    id.is_some_and(|id| !id.is_empty())
}

fn webhook(body: Body<'_>, resource: Resource, event_type: String) -> Event {
    let kind = if event_type == ACTION { unclassified_kind() } else { PROVIDER.kind(&event_type) };
    if !matches!(kind, EventKind::Named { .. }) {
        return unclassified(&resource, event_type);
    }
    let subject = match subject(resource.id.0.as_deref(), PROVIDER.subject) {
        Ok(subject) => subject,
        Err(fault) => return quarantined(fault, event_type),
    };
    let payload = FrameioEvent {
        account_id: body.account.id(),
        project_id: body.project.id(),
        resource_id: resource.id.0.unwrap_or_default(),
        resource_type: resource.resource_type.0.unwrap_or_default(),
        user_id: body.user.id(),
        workspace_id: body.workspace.id(),
        team_id: body.team.id(),
    };
    Event { subject: Some(subject), payload: Some(Payload::FrameioEvent(payload)), ..Event::new(kind, event_type) }
}

fn action(mut body: Body<'_>, resource: Resource, event_type: String) -> Event {
    let resources = resources(&resource, body.resources.0.take().unwrap_or_default().as_slice());
    // A submitted form names no resource, so its interaction becomes the subject.
    let (text, path) = match (resources.first(), &body.interaction_id.0) {
        (Some(first), _) if resource.id.0.as_ref() == Some(&first.id) => (Some(&first.id), PROVIDER.subject),
        (Some(first), _) => (Some(&first.id), "resources[].id"),
        (None, Some(interaction)) => (Some(interaction), "interaction_id"),
        (None, None) => (resource.id.0.as_ref(), PROVIDER.subject),
    };
    let subject = match subject(text.map(String::as_str), path) {
        Ok(subject) => subject,
        Err(fault) => return quarantined(fault, event_type),
    };
    let payload = FrameioAction {
        action_id: body.action_id.0.unwrap_or_default(),
        interaction_id: body.interaction_id.0.unwrap_or_default(),
        account_id: body.account_id.0.unwrap_or_else(|| body.account.id()),
        project_id: body.project.id(),
        resource_id: resource.id.0.unwrap_or_default(),
        resource_type: resource.resource_type.0.unwrap_or_default(),
        user_id: body.user.id(),
        workspace_id: body.workspace.id(),
        team_id: body.team.id(),
        data_json: json::text(body.data),
        resources,
    };
    let kind = EventKind::Named { provider: PROVIDER.name, name: ACTION };
    Event { subject: Some(subject), payload: Some(Payload::FrameioAction(payload)), ..Event::new(kind, event_type) }
}

/// Returns every resource that an action names, each id once: `resource` first, then the entries of `resources`. Entries without an id are
/// left out.
fn resources(resource: &Resource, several: &[Object<Resource>]) -> Vec<FrameioActionResource> {
    let several = several.iter().map(|entry| &entry.0);
    let mut seen = HashSet::new();
    let named = std::iter::once(resource).chain(several).filter_map(|it| {
        let id = it.id.0.as_ref().filter(|id| !id.is_empty())?;
        let r#type = it.resource_type.0.clone().unwrap_or_default();
        seen.insert(id).then(|| FrameioActionResource { id: id.clone(), r#type })
    });
    named.collect()
}

fn unclassified_kind() -> EventKind {
    EventKind::Unclassified { provider: PROVIDER.name }
}

/// Returns an event of a type that is not listed. A resource id that cannot be a subject is left out.
fn unclassified(resource: &Resource, event_type: String) -> Event {
    let subject = subject(resource.id.0.as_deref(), PROVIDER.subject).ok();
    Event { subject, ..Event::new(unclassified_kind(), event_type) }
}

fn quarantined(fault: Fault, event_type: String) -> Event {
    Event { event_type, ..Event::quarantined(fault) }
}
