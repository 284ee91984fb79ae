#!/usr/bin/env python3
"""Keeps a table of FileSpin's assets in step with FileSpin, also when events come twice, late or in the wrong order.

example: KAFKA_BROKERS=127.0.0.1:19092 DATABASE_URL=postgresql://localhost/assets FILESPIN_API_KEY=... python3 sync.py
environment: TOPIC_PREFIX (hookgate.), GROUP (asset-sync), FILESPIN_URL (https://app.filespin.io), RETRY_SECONDS (1),
             KAFKA_PROPERTIES: more settings of librdkafka, `name=value` separated by commas
"""

import http.client
import json
import logging
import os
import re
import signal
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, Optional

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition
from google.protobuf.message import DecodeError

from hookgate.v1.event_pb2 import Event
from hookgate.v1.filespin_pb2 import FILESPIN_DELETION_STATUS_OK

log = logging.getLogger("asset-sync")

TOPICS = [
    *(f"filespin.{kind}" for kind in ("file-saved", "file-processed", "file-data-updated", "addon-processed")),
    *(f"filespin.{kind}" for kind in ("file-error", "file-archived", "file-deleted", "file-undeleted")),
    # A record that Hookgate could not read may be about one of our assets: it is noted in a table, and does not stop the program.
    "filespin.unclassified",
    "quarantine",
]
# The form of an id. It also prevents that an id becomes a path to another part of the API.
ASSET_ID = re.compile(r"[0-9A-Za-z]{1,64}")
# Seconds between attempts. Far below max.poll.interval.ms, after which Kafka would consider this consumer dead.
PAUSE = float(os.environ.get("RETRY_SECONDS", "1"))


class Unavailable(Exception):
    """FileSpin's API gave no usable answer. That says nothing about the asset: the event must be tried again."""


class Unusable(Exception):
    """FileSpin's answer is the asset, but not in the documented form. It would be the same the next time."""


class Content(NamedTuple):
    """The content of an asset's row: the columns from `status` on, which are compared as a whole."""

    status: str
    name: str
    size: Optional[int]
    checksum: str
    content_type: str
    conversions: list
    data: object


def text(value):
    """Returns a string without NUL, which PostgreSQL's text cannot hold but a file's name can."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else ""


def content_of_event(asset):
    return Content(
        text(asset.status_text),
        text(asset.name),
        asset.size if asset.HasField("size") else None,
        text(asset.checksum),
        text(asset.content_type),
        sorted(text(it.name) for it in asset.conversions),
        json.loads(asset.data_json or "null"),
    )


def field(asset, name, kind):
    """Returns a field of the API's answer, or None where it is absent or null."""
    value = asset.get(name)
    # Compares the types, because isinstance takes true for a number.
    if value is not None and type(value) is not kind:
        raise Unusable(f"FileSpin's answer has no usable {name}")
    return value


def content_of_api(asset):
    return Content(
        text(field(asset, "status", str)),
        text(field(asset, "name", str)),
        field(asset, "size", int),
        text(field(asset, "checksum", str)),
        text(field(asset, "content_type", str)),
        sorted(text(name) for name in field(asset, "conversions", dict) or {}),
        asset.get("data"),
    )


def time_of_api(asset):
    """Returns the same time as `occurred_at` of an event: when the asset was changed last, or else uploaded."""
    written = field(asset, "update_time", str) or field(asset, "upload_time", str) or "none"
    try:
        moment = datetime.fromisoformat(written.replace("Z", "+00:00"))
    except ValueError as error:
        raise Unusable("FileSpin's answer has no usable time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def read_asset(asset_id):
    """Returns the asset as FileSpin has it now, or None where FileSpin does not have it (any more)."""
    url = f"{os.environ.get('FILESPIN_URL', 'https://app.filespin.io')}/api/v1/assets/{asset_id}/data"
    request = urllib.request.Request(url)
    # A redirect to somewhere else does not get the key.
    request.add_unredirected_header("X-FileSpin-Api-Key", os.environ["FILESPIN_API_KEY"])
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            asset = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        # 401 and 403 too: with the wrong key, every asset would look deleted.
        raise Unavailable(f"FileSpin answers {error.code}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"FileSpin cannot be read: {error}") from error
    if not isinstance(asset, dict) or asset.get("id") != asset_id:
        raise Unavailable("FileSpin's answer is not the asset")
    return asset


def apply(database, event):
    """Updates the row of the event's asset, in one transaction. Applying an event again, late or in the wrong order changes nothing."""
    with database.transaction():
        # Two instances may have events of one asset, because its events are on several topics, and for a moment in a rebalance. With
        # the lock, the instance that reads FileSpin later also writes later.
        database.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (event.subject,))
        if event.WhichOneof("payload") == "filespin_asset" and event.HasField("occurred_at"):
            moment = event.occurred_at.ToDatetime(timezone.utc)
            if take(database, event.subject, moment, content_of_event(event.filespin_asset)):
                return
        settle(database, event)


def take(database, asset_id, moment, content):
    """Upserts the content of an event, unless the row is newer. Returns False where it cannot decide: the times are in whole seconds, so
    two different states may have the same time."""
    row = database.execute(
        "select updated_at, status, name, size, checksum, content_type, conversions, data from assets where id = %s", (asset_id,)
    ).fetchone()
    if row is not None and row[0] is not None:
        if moment < row[0]:
            return True
        if moment == row[0]:
            return Content(*row[1:]) == content
    # `deleted` stays as it is: an event from before the deletion may come after it.
    write(database, asset_id, moment, content)
    return True


def settle(database, event):
    """Asks FileSpin for the asset, for an event without a time or one whose time cannot decide."""
    asset = read_asset(event.subject)
    if asset is not None:
        moment = time_of_api(asset)
        # The write is guarded as well, because FileSpin may answer from a copy that is not up to date.
        write(database, event.subject, moment, content_of_api(asset))
        database.execute("update assets set deleted = false where id = %s", (event.subject,))
        return
    deletion = event.filespin_deletion
    # "Not found" has other causes than a deletion, such as the key's permissions, or a copy that is not up to date. It means a deletion
    # only where FileSpin also reports that it has deleted the original: not that it restored it, not a conversion, not ERROR, not MAYBE.
    original = deletion.original_affected and deletion.status == FILESPIN_DELETION_STATUS_OK
    if original and event.type == "file-deleted":
        database.execute(
            "insert into assets (id, deleted) values (%s, true) on conflict (id) do update set deleted = true", (event.subject,)
        )


def write(database, asset_id, moment, content):
    database.execute(
        """insert into assets (id, updated_at, status, name, size, checksum, content_type, conversions, data)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (id) do update set updated_at = excluded.updated_at, status = excluded.status, name = excluded.name,
            size = excluded.size, checksum = excluded.checksum, content_type = excluded.content_type,
            conversions = excluded.conversions, data = excluded.data
        where assets.updated_at is null or assets.updated_at <= excluded.updated_at""",
        (asset_id, moment, *content[:-1], json.dumps(content.data)),
    )


def handle(database, message):
    """Handles any record. Returns when the record need not be handled again."""
    reason = None
    try:
        event = Event.FromString(message.value() or b"")
        reason = reason_to_skip(event)
        if reason is None:
            apply(database, event)
    except Unusable as error:
        reason = str(error)
    except (DecodeError, ValueError, RecursionError, psycopg.DataError) as error:
        # It would fail for ever, and block all records after it.
        reason = f"{type(error).__name__} in the record"
    if reason is not None:
        where = (message.topic(), message.partition(), message.offset())
        log.warning("skipped %s[%s]@%s: %s", *where, reason)
        database.execute("insert into skipped values (%s, %s, %s, %s) on conflict do nothing", (*where, reason))


def reason_to_skip(event):
    # Where the payload was left out for its size, the subject still names the asset.
    if event.WhichOneof("payload") not in ("filespin_asset", "filespin_deletion") and not event.payload_omitted:
        return "unclassified or quarantined"
    if event.provider != "filespin" or not ASSET_ID.fullmatch(event.subject):
        return "not about an asset"
    return None


def consume(consumer, running):
    database = None
    while running():
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error():
            log.warning("Kafka: %s", message.error())
            continue
        try:
            if database is None or database.closed:
                database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
            handle(database, message)
            # Only now: the commits in the background and at the end include only stored offsets.
            consumer.store_offsets(message)
        except (Unavailable, psycopg.OperationalError) as error:
            log.warning("trying %s again in %s s: %s", message.topic(), PAUSE, error)
            time.sleep(PAUSE)
            step_back(consumer, message)
        except KafkaException as error:
            # The group has given the partition to another consumer. That one handles the record again, which is harmless.
            log.warning("not stored: %s", error)


def step_back(consumer, message):
    """Makes the consumer read this record again. The other partitions go on in between."""
    try:
        consumer.seek(TopicPartition(message.topic(), message.partition(), message.offset()))
    except KafkaException as error:
        log.warning("no longer ours: %s", error)


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        # Without the lock, one of two instances that create the same table at the same time would fail.
        database.execute("select pg_advisory_xact_lock(1)")
        database.execute((Path(__file__).parent / "schema.sql").read_text())
    prefix = os.environ.get("TOPIC_PREFIX", "hookgate.")
    more = filter(None, os.environ.get("KAFKA_PROPERTIES", "").split(","))
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("KAFKA_BROKERS", "127.0.0.1:19092"),
            "group.id": os.environ.get("GROUP", "asset-sync"),
            # A new group begins with the oldest record, because the table needs the past too.
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 1000,
            **dict(it.split("=", 1) for it in more),
        }
    )
    stopping = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    consumer.subscribe([prefix + topic for topic in TOPICS], on_assign=lambda _, given: log.info("assigned %s", len(given)))
    try:
        consume(consumer, lambda: not stopping)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
