#!/usr/bin/env python3
"""Prints every record of some topics as one JSON object per line, decoded by the standard Python deserializer: Confluent's, which asks the
schema registry for the schema that a value was written with.

example: deserialize.py --brokers 127.0.0.1:19092 --registry http://127.0.0.1:19880/apis/ccompat/v7 --topics hookgate.quarantine

Its `Event` class is generated from `proto/` at each start. Each line has topic, key and event. Exit codes: 0 all was read, 1 not.
"""

import argparse
import json
import sys
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf.json_format import MessageToDict

from consume import PROTO, event_class


def records(brokers, topics):
    """Returns all records from the beginning to the present ends."""
    settings = {"bootstrap.servers": brokers, "group.id": "hookgate-deserialize", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer(settings)
    partitions = [
        TopicPartition(topic, number, OFFSET_BEGINNING)
        for topic in topics
        for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ]
    consumer.assign(partitions)
    left = len(partitions)
    while left:
        message = consumer.poll(10)
        if message is None:
            raise TimeoutError("nothing to read for ten seconds")
        if message.error() is None:
            yield message
        elif message.error().code() == KafkaError._PARTITION_EOF:
            left -= 1
        else:
            raise RuntimeError(message.error().str())
    consumer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True, help="the URL of the registry's Confluent API")
    parser.add_argument("--topics", required=True, help="comma-separated")
    parser.add_argument("--proto", type=Path, default=PROTO, help="the folder of the schema (the repository's)")
    options = parser.parse_args()
    registry = SchemaRegistryClient({"url": options.registry})
    deserialize = ProtobufDeserializer(event_class(options.proto), {"use.deprecated.format": False}, registry)
    for message in records(options.brokers, options.topics.split(",")):
        event = deserialize(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
        line = {"topic": message.topic(), "key": message.key().decode(), "event": MessageToDict(event, preserving_proto_field_name=True)}
        print(json.dumps(line))


if __name__ == "__main__":
    sys.exit(main())
