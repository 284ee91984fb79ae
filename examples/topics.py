"""Functions with which the examples' tests read topics, independently of the example."""

import importlib
import subprocess
import sys
import time

import testing
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition


def records(topic):
    """Returns every committed record of a topic, up to its current end, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": testing.BROKERS,
            "group.id": "examples-look",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    partitions = consumer.list_topics(topic, timeout=testing.PATIENCE).topics[topic].partitions
    unread, found = set(partitions), []
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    ends_at = time.monotonic() + testing.PATIENCE
    while unread:
        assert time.monotonic() < ends_at, f"{topic} could not be read"
        for message in consumer.consume(500, timeout=1):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                unread.discard(message.partition())
            else:
                raise KafkaException(error)
    consumer.close()
    return found


def newest(topic):
    """Returns the newest value of each key, as a table of the topic has it. Keys whose newest value is null are left out."""
    values = {message.key().decode(): message.value() for message in records(topic)}
    return {key: value for key, value in values.items() if value is not None}


def generate(folder, root, file):
    """Generates the classes of a schema into a folder, and returns their module."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{root}", f"--python_out={folder}", file]
    subprocess.run(command, check=True)
    sys.path.append(str(folder))
    return importlib.import_module(file.removesuffix(".proto").replace("/", ".") + "_pb2")
