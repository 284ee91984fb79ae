#!/usr/bin/env python3
"""Prints every record of some Kafka topics as one JSON object per line, decoded by code that is not Hookgate's.

It reads from each partition's first offset to the end that the partition had at the start, joins no consumer group, and
decodes with Python classes that it generates from `proto/` at each start: what it can read, any consumer can.

example: consume.py --brokers 127.0.0.1:19092 --topics hookgate.filesafety.scan.complete,hookgate.quarantine

Each line has topic, partition, offset, timestamp_ms, key, headers (a list of [name, value]), value_sha256 (hex) and
event, the decoded `hookgate.v1.Event` with the schema's own field names. If a value cannot be decoded, event is null and
decode_error says why. Exit codes: 0 all was read (even if that is nothing), 1 not, 2 usage.
"""

import argparse
import hashlib
import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[2] / "proto"


class Failed(Exception):
    """Not everything could be read. The text says why."""


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--brokers", required=True, help="bootstrap servers, comma-separated")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--topics", help="topics, comma-separated; each must exist")
    which.add_argument("--prefix", help="all topics whose names begin with this")
    parser.add_argument("--timeout", type=float, default=30, help="seconds for everything (30)")
    parser.add_argument("--proto", type=Path, default=PROTO, help="the folder of the schema (the repository's)")
    security = parser.add_argument_group("security")
    security.add_argument(
        "--security", default="plaintext", choices=["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
    )
    security.add_argument("--sasl-mechanism", choices=["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    security.add_argument("--username")
    security.add_argument("--password", default=os.environ.get("KAFKA_PASSWORD"), help="or $KAFKA_PASSWORD")
    security.add_argument("--ca", help="PEM file of the authority that signed the brokers' certificates")
    return parser.parse_args()


def event_class(proto):
    """Returns the class of `hookgate.v1.Event`. It is generated from the schema into a temporary folder."""
    sources = [str(path) for path in sorted(proto.rglob("*.proto"))]
    well_known = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        code = protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", f"--python_out={folder}", *sources])
        if code != 0:
            raise Failed(f"protoc ended with {code}")
        sys.path.insert(0, folder)
        try:
            return importlib.import_module("hookgate.v1.event_pb2").Event
        finally:
            sys.path.remove(folder)


class Reader:
    """A consumer without a group, with one deadline for all its waits."""

    def __init__(self, options):
        self.ends_at = time.monotonic() + options.timeout
        # Only the error callback gets the cause of a refused connection or log-in. The failed call itself merely times out.
        self.cause = None
        properties = {
            "bootstrap.servers": options.brokers,
            # librdkafka demands a name although this consumer never commits or joins a group.
            "group.id": "hookgate-consume",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
            "auto.offset.reset": "error",
            "security.protocol": options.security,
            "error_cb": self.remember,
            # This program reports the cause once, instead of librdkafka in a log line per attempt.
            "log_level": 0,
        }
        optional = {
            "sasl.mechanism": options.sasl_mechanism,
            "sasl.username": options.username,
            "sasl.password": options.password,
            "ssl.ca.location": options.ca,
        }
        properties.update({name: value for name, value in optional.items() if value})
        self.consumer = Consumer(properties)

    def remember(self, error):
        # "All brokers down" follows every cause and would hide it.
        if self.cause is None or error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.cause = error.str()

    def left(self):
        """Returns the seconds until the deadline. Fails when it has passed."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise Failed(f"timed out; last error of the connection: {self.cause or 'none'}")
        return left

    def ask(self, call, *positional):
        """Calls a method with the remaining time as its timeout. A failure names the last error of the connection, if there is one."""
        try:
            return call(*positional, timeout=self.left())
        except KafkaException as error:
            # librdkafka calls callbacks only during a poll.
            self.consumer.poll(0)
            raise Failed(f"{error.args[0].str()}; last error of the connection: {self.cause or 'none'}") from error

    def partitions(self, options):
        """Returns every partition of the selected topics."""
        known = self.ask(self.consumer.list_topics).topics
        if options.prefix is not None:
            names = sorted(name for name in known if name.startswith(options.prefix))
        else:
            names = [name.strip() for name in options.topics.split(",")]
        for name in names:
            if name not in known or known[name].error:
                raise Failed(f"no such topic, or no permission to see it: {name}")
        return [TopicPartition(name, number) for name in names for number in sorted(known[name].partitions)]

    def records(self, partitions):
        """Returns all records from the beginning to the ends as they were at the start."""
        ends = {}
        for partition in partitions:
            low, high = self.ask(self.consumer.get_watermark_offsets, partition)
            if high > low:
                ends[partition.topic, partition.partition] = high
        if not ends:
            return
        self.consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in ends])
        while ends:
            for message in self.consumer.consume(500, timeout=min(self.left(), 1)):
                where = message.topic(), message.partition()
                error = message.error()
                if message.topic() is None:
                    # This error is about the connection, not about a record. librdkafka looks for the coordinator of a
                    # group although no group is joined, so a reader without permission for groups gets a refusal that
                    # does not matter.
                    self.remember(error)
                    continue
                if error is None:
                    if where in ends and message.offset() < ends[where]:
                        yield message
                    reached = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    # Transaction markers and compacted offsets are no records, so the end can be reached without a record.
                    reached = message.offset()
                else:
                    raise Failed(f"{where[0]}[{where[1]}]: {error.str()}")
                if where in ends and reached >= ends[where]:
                    del ends[where]


def describe(message, event_type):
    """Returns a record as it is printed."""
    value = message.value() or b""
    record = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp_ms": message.timestamp()[1],
        "key": text(message.key()),
        "headers": [[name, text(content)] for name, content in message.headers() or []],
        "value_sha256": hashlib.sha256(value).hexdigest(),
    }
    try:
        record["event"] = MessageToDict(event_type.FromString(value), preserving_proto_field_name=True)
    except DecodeError as error:
        record.update(event=None, decode_error=str(error))
    return record


def text(data):
    """Returns bytes as text. Bytes that are not UTF-8 become \\x escapes."""
    return None if data is None else data.decode("utf-8", "backslashreplace")


def main():
    options = arguments()
    try:
        event_type = event_class(options.proto)
        reader = Reader(options)
        for message in reader.records(reader.partitions(options)):
            print(json.dumps(describe(message, event_type), ensure_ascii=False))
        reader.consumer.close()
    except Failed as failure:
        print(f"consume.py: {failure}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
