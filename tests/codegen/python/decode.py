"""Decodes one record's value with the generated code and prints what scripts/schema/codegen expects of every language."""

import sys

from hookgate.v1.event_pb2 import Event

with open(sys.argv[1], "rb") as file:
    event = Event.FromString(file.read())
payload = event.WhichOneof("payload")
uploaded = event.uploadcare_file


def time(timestamp):
    return f"{timestamp.seconds}.{timestamp.nanos:09}"


print(f"id={event.id}")
print(f"type={event.type}")
print(f"subject={event.subject}")
print(f"received_at={time(event.received_at)}")
print(f"occurred_at={time(event.occurred_at)}")
print(f"origin={event.origin}")
print(f"proof_header={event.proof.headers[0].name}")
print(f"body_bytes={len(event.body)}")
print(f"payload={payload}")
print(f"size={uploaded.size if uploaded.HasField('size') else 'absent'}")
print(f"is_image={str(uploaded.is_image).lower() if uploaded.HasField('is_image') else 'absent'}")
print(f"infected={str(uploaded.virus_scan.infected).lower()}")
print(f"infected_with={uploaded.virus_scan.infected_with}")
print(f"hook_id={uploaded.hook.id}")
print(f"initiator={uploaded.initiator.type}")
print(f"previous_virus_scan={'present' if uploaded.HasField('previous_virus_scan') else 'absent'}")
