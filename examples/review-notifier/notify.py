#!/usr/bin/env python3
"""Notifies a chat, or any HTTP endpoint, of comments and of files that are ready in Frame.io, with details from Frame.io's API.

The events hold only ids, so each needs a slow call. Workers make the calls, while the loop goes on polling Kafka. Kafka removes a consumer
that does not poll for max.poll.interval.ms from its group. Another consumer then repeats its work, and is removed too.

example: KAFKA_BROKERS=127.0.0.1:19092 SINK_URL=https://chat.example.org/hook FRAMEIO_TOKEN=... python3 notify.py
environment: SINK_URL: without it notifications are printed; TOPIC_PREFIX (hookgate.), GROUP (review-notifier), WORKERS (8),
             PUT_ASIDE_TOPIC (review-notifier.put-aside): for records that are refused for good; create it first,
             FRAMEIO_URL (https://api.frame.io), LONGEST_PAUSE_SECONDS (30): the longest pause between attempts,
             FRAMEIO_CLIENT_ID and FRAMEIO_CLIENT_SECRET: instead of FRAMEIO_TOKEN, which expires after a day,
             KAFKA_PROPERTIES: more settings of librdkafka, `name=value` separated by commas
"""

import http.client
import json
import logging
import os
import queue
import random
import signal
import threading
import urllib.error
import urllib.request
from collections import deque

import httpx
from confluent_kafka import Consumer, KafkaException, Producer
from frameio import Frameio
from frameio.auth import FrameioAuthError, ServerToServerAuth
from frameio.core.api_error import ApiError
from frameio.core.parse_error import ParsingError
from google.protobuf.message import DecodeError

from hookgate.v1.event_pb2 import Event

log = logging.getLogger("review-notifier")

COMMENTS = {
    "comment.created": "commented",
    "comment.updated": "changed a comment",
    "comment.completed": "wrote what is now done",
    "comment.uncompleted": "wrote what is open again",
}
KINDS = ["file.ready", *COMMENTS]
# Answers that mean "not now" or "fix your set-up", as those from 500 on do, and say nothing about this event. The call is tried again until
# it works.
PASSING = {401, 408, 429}
PUT_ASIDE_TOPIC = os.environ.get("PUT_ASIDE_TOPIC", "review-notifier.put-aside")
# How many records of a partition may wait here. At that number the partition is paused; at half of it, it is resumed.
LIMIT = 20
LONGEST_PAUSE = float(os.environ.get("LONGEST_PAUSE_SECONDS", "30"))


class Lane:
    """The waiting records of a partition that this process owns, in their order. Only the first one is worked on, so the offset after
    the last finished record is always safe to commit. Only the polling thread changes a lane."""

    def __init__(self):
        self.waiting = deque()
        self.paused = False
        # Set when the partition belongs to another process. The worker reads it and stops trying, because the new owner does the work.
        self.given_up = threading.Event()


class Loop:
    """The thread that talks to Kafka. Workers take lanes from `ready` and return them through `finished`."""

    def __init__(self, consumer):
        self.consumer = consumer
        self.lanes = {}
        self.ready = queue.SimpleQueue()
        self.finished = queue.SimpleQueue()

    def run(self, running):
        while running():
            message = self.consumer.poll(0.1)
            if message is not None:
                if message.error():
                    log.warning("Kafka: %s", message.error())
                else:
                    self.take(message)
            self.settle()

    def take(self, message):
        key = message.topic(), message.partition()
        lane = self.lanes.setdefault(key, Lane())
        lane.waiting.append(message)
        if len(lane.waiting) == 1:
            self.ready.put((lane, message))
        if len(lane.waiting) >= LIMIT and not lane.paused:
            self.pause(key, lane, True)

    def settle(self):
        """Notes what the workers have finished, and gives them the next records."""
        while not self.finished.empty():
            lane, message, error = self.finished.get()
            if error is not None:
                # A mistake of this program. It ends instead of skipping the record: nothing after the record was committed.
                raise error
            key = message.topic(), message.partition()
            if self.lanes.get(key) is not lane:
                # The group has given the partition to another process, which notifies again.
                continue
            lane.waiting.popleft()
            # The commits, in the background and at the end, include only stored offsets.
            self.consumer.store_offsets(message)
            if lane.waiting:
                self.ready.put((lane, lane.waiting[0]))
            if lane.paused and len(lane.waiting) <= LIMIT // 2:
                self.pause(key, lane, False)

    def pause(self, key, lane, paused):
        partitions = [it for it in self.consumer.assignment() if (it.topic, it.partition) == key]
        (self.consumer.pause if paused else self.consumer.resume)(partitions)
        lane.paused = paused
        log.info("%s %s[%s]", "paused" if paused else "resumed", *key)

    def give_up(self, partition):
        lane = self.lanes.pop((partition.topic, partition.partition), None)
        if lane is not None:
            lane.given_up.set()
            if lane.paused:
                # Otherwise it would still be paused when it comes back, and no waiting record would ever resume it.
                self.consumer.resume([partition])

    def revoked(self, _, partitions):
        """Stores what is finished, and forgets what waits or is being worked on: the next owner does that."""
        log.info("revoked %s", len(partitions))
        self.settle()
        for partition in partitions:
            self.give_up(partition)

    def lost(self, _, partitions):
        """Forgets partitions that another process owns already, so that their offsets cannot be stored any more."""
        log.warning("lost %s", len(partitions))
        for partition in partitions:
            self.give_up(partition)


def work(loop, notifier):
    """Runs a worker: takes records for ever and returns each with its error, if there was one."""
    while True:
        lane, message = loop.ready.get()
        error = None
        try:
            notifier.handle(message, lane.given_up)
        except Exception as caught:  # noqa: BLE001
            error = caught
        loop.finished.put((lane, message, error))


def answer(error):
    """Returns who answered with an error, and the status; the status is 0 where there was no answer."""
    if isinstance(error, ApiError):
        return "Frame.io", error.status_code or 0
    return ("the sink", error.code) if isinstance(error, urllib.error.HTTPError) else ("nobody", 0)


def for_good(error):
    """Returns whether another attempt would be refused like this one."""
    _, status = answer(error)
    return 400 <= status < 500 and status not in PASSING


class Notifier:
    """Makes the notification of each event."""

    def __init__(self, producer):
        self.producer = producer
        self.putting = threading.Lock()
        if os.environ.get("FRAMEIO_CLIENT_ID"):
            # Gets a new token whenever the old one is about to expire.
            auth = ServerToServerAuth(
                client_id=os.environ["FRAMEIO_CLIENT_ID"], client_secret=os.environ["FRAMEIO_CLIENT_SECRET"]
            )
            token = auth.get_token
        else:
            token = os.environ["FRAMEIO_TOKEN"]
        self.frameio = Frameio(base_url=os.environ.get("FRAMEIO_URL", "https://api.frame.io"), token=token, timeout=20)

    def handle(self, message, given_up):
        """Makes the notification of a record, with as many attempts as it needs. Returns when it is made, when the record is put aside
        because the notification is refused for good, or when another process owns the partition."""
        try:
            event = Event.FromString(message.value() or b"")
        except DecodeError:
            event = Event()
        # For protobuf, an empty value is an event without fields.
        if event.provider != "frameio" or event.type not in KINDS:
            log.error("skipped %s[%s]@%s: it is no event for us", message.topic(), message.partition(), message.offset())
            return
        attempt, refusal = 0, None
        while not given_up.is_set():
            try:
                if refusal is not None:
                    return self.put_aside(message, refusal)
                return post({"id": event.id, "type": event.type, "resource": event.subject, "text": self.text(event)})
            except (ApiError, FrameioAuthError, httpx.HTTPError, http.client.HTTPException, OSError, KafkaException) as error:
                who, status = answer(error)
                reason = f"{who} answers {status}" if status else str(error) if refusal else type(error).__name__
                if for_good(error):
                    refusal = reason
                    continue
                attempt += 1
                # Random, so that many workers do not try again in the same moment.
                pause = min(2**attempt / 4, LONGEST_PAUSE) * random.uniform(0.5, 1)
                log.warning("%s of %s: attempt %s failed, again in %.1f s: %s", event.type, event.subject, attempt, pause, reason)
                given_up.wait(pause)

    def put_aside(self, message, reason):
        """Writes the unchanged record to a topic, for a person. Returns when Kafka has it, or raises."""
        where = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset(), "reason": reason}
        headers = [*(message.headers() or []), *((f"put-aside-{name}", str(value).encode()) for name, value in where.items())]
        delivered = []
        # One record at a time, so that `flush` returns after the answer for this one.
        with self.putting:
            self.producer.produce(
                PUT_ASIDE_TOPIC, message.value(), message.key(), headers=headers, on_delivery=lambda error, _: delivered.append(error)
            )
            self.producer.flush()
        if delivered[0] is not None:
            raise KafkaException(delivered[0])
        log.error("put aside %s[%s]@%s: %s", message.topic(), message.partition(), message.offset(), reason)

    def text(self, event):
        account, resource = event.frameio_event.account_id, event.subject
        # Frame.io refuses for good where the resource is gone or the event is from the legacy API. Then the notification has only the ids,
        # which is better than none. But a person must fix a 403.
        bare = f"{event.type}: {resource}"
        if not account:
            return bare
        # The client itself tries again twice, and obeys Retry-After.
        try:
            if event.type == "file.ready":
                file = self.frameio.files.show(account, resource).data
                return f"{file.name} is ready: {file.view_url}"
            comment = self.frameio.comments.show(account, resource, include="owner").data
            file = self.frameio.files.show(account, comment.file_id).data
            owner = (comment.owner and comment.owner.name) or "Somebody"
            return f"{owner} {COMMENTS[event.type]} on {file.name}: {comment.text}"
        except (ParsingError, AttributeError):
            # An answer that lacks documented fields. The client does not check all of them.
            return bare
        except ApiError as error:
            if error.status_code == 403 or not for_good(error):
                raise
            return bare


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects. urllib would follow a redirected POST with a GET, which does not carry the notification."""

    def redirect_request(self, *_):
        return None


SINK = urllib.request.build_opener(NoRedirects)


def post(notification):
    """Posts a notification to the sink. A sink that knows Idempotency-Key can drop a repetition, because it has the same id."""
    if not os.environ.get("SINK_URL"):
        print(json.dumps(notification), flush=True)
        return
    headers = {"Content-Type": "application/json", "Idempotency-Key": notification["id"]}
    request = urllib.request.Request(os.environ["SINK_URL"], json.dumps(notification).encode(), headers, method="POST")
    SINK.open(request, timeout=20).close()


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    # httpx would log the URL of each request.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    more = filter(None, os.environ.get("KAFKA_PROPERTIES", "").split(","))
    kafka = {
        "bootstrap.servers": os.environ.get("KAFKA_BROKERS", "127.0.0.1:19092"),
        **dict(it.split("=", 1) for it in more),
    }
    consumer = Consumer(
        {
            "group.id": os.environ.get("GROUP", "review-notifier"),
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 1000,
            # In a rebalance, only the partitions that move are interrupted.
            "partition.assignment.strategy": "cooperative-sticky",
            **kafka,
        }
    )
    # A record that Kafka does not take within this time is tried again.
    producer = Producer({"message.timeout.ms": 10000, **kafka})
    stopping = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    loop, notifier = Loop(consumer), Notifier(producer)
    for _ in range(int(os.environ.get("WORKERS", "8"))):
        threading.Thread(target=work, args=(loop, notifier), daemon=True).start()
    topics = [f"{os.environ.get('TOPIC_PREFIX', 'hookgate.')}frameio.{kind}" for kind in KINDS]
    consumer.subscribe(
        topics,
        on_assign=lambda _, given: log.info("assigned %s", len(given)),
        on_revoke=loop.revoked,
        on_lost=loop.lost,
    )
    try:
        loop.run(lambda: not stopping)
    finally:
        # This commits what the workers have finished. The next owner does what they are still working on.
        consumer.close()


if __name__ == "__main__":
    main()
