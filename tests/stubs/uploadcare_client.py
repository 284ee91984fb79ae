#!/usr/bin/env python3
"""Uses the stand-in for Uploadcare's API with Uploadcare's own client.

example: uploadcare_client.py http://127.0.0.1:8099
"""

import itertools
import json
import sys
import urllib.request
from datetime import datetime, timezone

from pyuploadcare import Uploadcare
from pyuploadcare.api.entities import Webhook
from pyuploadcare.exceptions import AuthenticationError, InvalidRequestError, WebhookIsNotUnique

base = sys.argv[1]


def control(path, **body):
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(f"{base}/_stub/{path}", data)) as answer:
        return json.load(answer)


def refused(kind, call):
    """Returns the text of the exception, which must come."""
    try:
        call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{kind.__name__} did not come")


def client(secret="demoprivatekey", **options):
    return Uploadcare(public_key="demopublickey", secret_key=secret, api_base=f"{base}/", **options)


control("reset", now=True)
control("make", seed=1, each=10, **{"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T14:00:00Z"})
uploadcare = client(retry_throttled=1)

# Files that are there, and removed ones: two listings that share nothing, in the order of uploads.
events = [event for event in control("events") if event["provider"] == "uploadcare"]
removed = {event["subject"] for event in events if event["type"] == "file.deleted"}
present = {event["subject"] for event in events} - removed


def listed(**options):
    # A listing that begins with the last file of the page before has no end.
    files = list(itertools.islice(uploadcare.list_files(**options), 1000))
    assert [file.datetime_uploaded for file in files] == sorted(file.datetime_uploaded for file in files)
    return [str(file.uuid) for file in files]


assert set(listed(request_limit=1000)) == present
assert set(listed(request_limit=1000, removed=True)) == set(listed(request_limit=1000, removed=True, stored=False)) == removed
stored = {event["subject"] for event in events if event["type"] == "file.stored"}
assert set(listed(request_limit=1000, stored=True)) == stored
times = {str(file.uuid): file.datetime_uploaded for file in uploadcare.list_files(request_limit=1000)}

# Over pages. Uploads come in pairs of equal times: an even page never cuts one, an odd one does, and its link leaves out the second.
assert listed(request_limit=2) == listed(request_limit=1000)
cut = listed(request_limit=3)
lost = present - set(cut)
assert len(cut) == len(set(cut)) and lost, "a page border within a pair loses a file"
assert {times[uuid] for uuid in lost} <= {times[uuid] for uuid in cut}, "of each pair one is left"

# The instant of the start is left out.
first = min(times.values())
after = list(uploadcare.list_files(starting_point=first, request_limit=1000))
assert {str(file.uuid) for file in after} == {uuid for uuid, time in times.items() if time > first}

# The link must stay at home, and a page may come late.
control("set", provider="uploadcare", next_host="elsewhere.example.com")
assert "outside" in refused(Exception, lambda: listed(request_limit=2))
control("set", provider="uploadcare", next_host=base.removeprefix("http://"))
control("faults", provider="uploadcare", fault="429 1")
begin = datetime.now(timezone.utc)
assert len(listed(request_limit=1000)) == len(present)
assert (datetime.now(timezone.utc) - begin).total_seconds() >= 1, "it waits as long as the answer says"

# One file, with and without what was found in it.
infected = next(event for event in events if event["type"] == "file.infected")
file = uploadcare.file(infected["subject"])
assert file.update_info(include_appdata=True)["appdata"]["uc_clamav_virus_scan"]["data"]["infected"] is True
assert not file.update_info()["appdata"]

assert "signature" in refused(AuthenticationError, lambda: list(client(secret="other").list_files())).lower()

# Webhooks.
target = "https://hooks.example.com/webhooks/uploadcare?token=1"
made = uploadcare.create_webhook(target, "file.stored", signing_secret="abc")
assert isinstance(made, Webhook) and made.is_active and made.signing_secret == "abc" and made.target_url == target
refused(WebhookIsNotUnique, lambda: uploadcare.create_webhook(target, "file.stored"))
refused(InvalidRequestError, lambda: uploadcare.create_webhook("http://localhost/", "file.stored"))
off = uploadcare.update_webhook(made, is_active=False)
assert (off.is_active, off.signing_secret, off.event) == (False, "abc", "file.stored"), "a change keeps the rest"
assert [it.id for it in uploadcare.list_webhooks()] == [made.id]
uploadcare.delete_webhook(made)
assert list(uploadcare.list_webhooks()) == []

asked = {(line["request"].split("?")[0]) for line in control("log")}
assert asked >= {"GET /files/", "POST /webhooks/", f"PUT /webhooks/{made.id}/", f"DELETE /webhooks/{made.id}/"}, asked
print(f"pyuploadcare: {len(present) + len(removed)} files, {len(lost)} lost at page borders, webhooks: good")
