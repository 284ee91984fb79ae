"""A bare server with FastAPI and confluent-kafka, to measure Hookgate against.

It answers a signed Uploadcare delivery 200 once Kafka has stored the raw body, 401 without a valid signature, and 503 where Kafka fails. The
environment has its secret (SECRET), the topic (TOPIC), and librdkafka's properties (KAFKA): a line NAME=VALUE for each.
"""

import asyncio
import hmac
import os
import threading
from contextlib import asynccontextmanager

from confluent_kafka import KafkaException, Producer
from fastapi import FastAPI, Request, Response

SECRET = os.environ["SECRET"].encode()
TOPIC = os.environ["TOPIC"]
PROPERTIES = dict(line.split("=", 1) for line in os.environ["KAFKA"].splitlines())


@asynccontextmanager
async def producing(app):
    """Gives each worker a producer, and a thread that takes its reports."""
    producer = app.state.producer = Producer(PROPERTIES)
    ended = threading.Event()

    def poll():
        while not ended.is_set():
            producer.poll(0.1)

    thread = threading.Thread(target=poll)
    thread.start()
    yield
    ended.set()
    thread.join()


app = FastAPI(lifespan=producing)


def proven(body, signature):
    expected = "v1=" + hmac.digest(SECRET, body, "sha256").hex()
    return hmac.compare_digest(expected.encode(), signature.encode())


def settle(report, error):
    # A sender that hangs up cancels its request.
    if not report.done():
        report.set_result(error)


@app.post("/webhooks/uploadcare")
async def deliver(request: Request) -> Response:
    body = await request.body()
    if not proven(body, request.headers.get("x-uc-signature", "")):
        return Response(status_code=401)
    loop = asyncio.get_running_loop()
    report = loop.create_future()

    def delivered(error, _message):
        loop.call_soon_threadsafe(settle, report, error)

    try:
        request.app.state.producer.produce(TOPIC, body, key=b"constant", on_delivery=delivered)
    except (BufferError, KafkaException):
        return Response(status_code=503)
    return Response(status_code=503 if await report else 200)


@app.get("/healthz")
async def health() -> Response:
    return Response(status_code=200)
