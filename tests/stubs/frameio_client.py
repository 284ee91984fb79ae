#!/usr/bin/env python3
"""Uses the stand-in for Frame.io's API with Frame.io's own client.

example: frameio_client.py http://127.0.0.1:8099
"""

import json
import sys
import urllib.request

from frameio import Frameio
from frameio.auth import ServerToServerAuth
from frameio.errors import NotFoundError, UnauthorizedError, UnprocessableEntityError
from frameio.types import Filters
from frameio.webhooks import WebhookCreateParamsData, WebhookUpdateParamsData

base = sys.argv[1]
account = "a0000000-0000-4000-8000-000000000001"


def control(path, **body):
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(f"{base}/_stub/{path}", data)) as answer:
        return json.load(answer)


def refused(kind, call):
    """Returns the exception, which must come."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} did not come")


def client(secret="client-secret"):
    auth = ServerToServerAuth(client_id="client", client_secret=secret, ims_base_url=base)
    return Frameio(base_url=base, token=auth.get_token)


control("reset", now=True)
control("make", seed=1, each=6, **{"from": "2026-11-22T22:00:00Z", "to": "2026-11-23T02:00:00Z"})
frameio = client()


def entries(page_size, **filters):
    options = {"filters": Filters(**filters)} if filters else {}
    return list(frameio.accounts.auditlog_index(account, page_size=page_size, **options))


# All entries, over pages and on few of them.
whole = entries(100)
assert [entry.dict() for entry in entries(7)] == [entry.dict() for entry in whole]
events = [event for event in control("events") if event["provider"] == "frameio"]
logged = [event for event in events if event["type"] not in ("file.ready", "collection.created", "collection.deleted")]
assert len(whole) == len(logged), (len(whole), len(logged))
assert {(entry.resource_id, entry.inserted_at) for entry in whole} == {(event["subject"], event["at"]) for event in logged}
assert all(entry.ip_address and entry.account_id == account for entry in whole)
assert any(entry.user_id is None for entry in whole) and any(entry.workspace_id is None for entry in whole)

# Dates are whole days, and the window lies in two of them.
first = entries(100, from_date="2026-11-22", to_date="2026-11-22")
second = entries(100, from_date="2026-11-23", to_date="2026-11-23")
assert first and second and len(first) + len(second) == len(whole)
# This client does not repeat the filters for further pages, so those have what was not asked for.
comments = entries(100, event_type="comment_created")
assert comments and {entry.event_type for entry in comments} == {"comment_created"}
beyond = entries(2, event_type="comment_created")
assert {entry.event_type for entry in beyond[:2]} == {"comment_created"}
assert {entry.event_type for entry in beyond[2:]} > {"comment_created"}, "filters count for one request only"
refused(UnprocessableEntityError, lambda: entries(101))

# A token that has expired; a 429 without a time, after which the client goes on.
control("set", provider="frameio", tokens_expire=True)
refused(UnauthorizedError, lambda: entries(100))
frameio = client()
assert entries(100)[:1]
control("faults", provider="frameio", fault="429")
assert len(entries(100)) == len(whole)
assert "invalid_client" in str(refused(Exception, lambda: client("other").accounts.auditlog_index(account)))

# Workspaces and webhooks.
workspace = next(iter(frameio.workspaces.index(account))).id
wanted = WebhookCreateParamsData(name="hookgate", url="https://hooks.example.com/webhooks/frameio", events=["file.ready"])
made = frameio.webhooks.create(account, workspace, data=wanted).data
assert made.secret and made.active and made.workspace_id == workspace
webhook = frameio.webhooks.show(account, made.id).data
assert "secret" not in webhook.dict() and webhook.url == made.url
frameio.webhooks.create(account, workspace, data=wanted)
assert len(list(frameio.webhooks.index(account, workspace, page_size=1))) == 2
off = frameio.webhooks.update(account, made.id, data=WebhookUpdateParamsData(active=False)).data
assert (off.active, off.name, off.events) == (False, "hookgate", ["file.ready"]), "a change keeps the rest"
wrong = WebhookUpdateParamsData(events=["file.seen"])
refused(UnprocessableEntityError, lambda: frameio.webhooks.update(account, made.id, data=wrong))
frameio.webhooks.delete(account, made.id)
refused(NotFoundError, lambda: frameio.webhooks.show(account, made.id))

# A link has nothing but its place, which this client follows as it is.
followed = [line["request"] for line in control("log") if "/audit_logs?after=" in line["request"]]
assert followed and not any("&" in line for line in followed), followed

# What the log does not say, the file does.
ready = next(event["subject"] for event in events if event["type"] == "file.ready")
assert frameio.files.show(account, ready).data.status == "transcoded"
print(f"frameio: {len(whole)} entries, webhooks, tokens: good")
