#!/usr/bin/env python3
"""Prints every record of some Kafka topics as the official CloudEvents SDK for Python reads it, one JSON object per line.

example: read_cloudevents.py --brokers 127.0.0.1:19092 --prefix hookgate.

It has the arguments of consume.py, and `--without NAME`, which removes a header before the SDK sees the record. Each line has topic, the
event's attributes as the SDK has checked them, and event, the `hookgate.v1.Event` that is the event's data. occurred_at_us and the
attribute time are cut to microseconds, because Python's time type has no more digits. Exit codes: 0 all was read, 1 not, also where the
SDK refuses a record, 2 usage.
"""

import json
import sys
from datetime import timezone

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from google.protobuf.json_format import MessageToDict

import consume


def understand(message, without, event_type):
    """Returns a record as the SDK reads it."""
    headers = {name: value for name, value in message.headers() if name != without}
    read = from_binary(KafkaMessage(headers, message.key(), message.value()), JSONFormat())
    data = read.get_data()
    # The SDK returns data as text if it is valid UTF-8 by chance.
    event = event_type.FromString(data.encode() if isinstance(data, str) else data)
    attributes = read.get_attributes()
    # If the record has no time, the SDK takes one from its own clock.
    time = attributes.pop("time")
    if "ce_time" in headers:
        attributes["time"] = time.isoformat()
    line = {"topic": message.topic(), "attributes": attributes}
    line["event"] = MessageToDict(event, preserving_proto_field_name=True)
    if event.HasField("occurred_at"):
        line["occurred_at_us"] = event.occurred_at.ToDatetime(tzinfo=timezone.utc).isoformat()
    return line


def main():
    without = None
    if "--without" in sys.argv:
        at = sys.argv.index("--without")
        without = sys.argv[at + 1]
        del sys.argv[at : at + 2]
    options = consume.arguments()
    try:
        event_type = consume.event_class(options.proto)
        reader = consume.Reader(options)
        for message in reader.records(reader.partitions(options)):
            print(json.dumps(understand(message, without, event_type), ensure_ascii=False))
        reader.consumer.close()
    except (consume.Failed, CloudEventValidationError) as failure:
        print(f"read_cloudevents.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
