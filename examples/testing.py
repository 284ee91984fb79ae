"""The common parts of the examples' tests: a daemon on a real Kafka, deliveries as the providers send them, PostgreSQL, and waits.

    with testing.Scene("asset-sync") as scene:
        hookgate = scene.hookgate()
        hookgate.post("filespin", {"event": "file-saved", "id": "a1", ...})
        consumer = scene.start("consumer", ["python3", "sync.py"], {"TOPIC_PREFIX": hookgate.prefix})
        scene.wait("the row is there", lambda: rows() == expected)

When a scene ends, it kills every process that it has started. When it ends by an exception, it prints the end of every log. `examples/run`
sets KAFKA_BROKERS and HOOKGATE, the path of the binary.
"""

import hashlib
import hmac
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BROKERS = os.environ.get("KAFKA_BROKERS", "127.0.0.1:19092")
# Made-up secrets. Each is different, because Hookgate refuses the same secret at two endpoints. The daemon gets them as variables.
SECRETS = {
    "filespin": "an-unguessable-part-of-the-url",
    "filesafety": "another-unguessable-part-of-a-url",
    "frameio": "a-secret-that-frameio-would-choose",
    "uploadcare": "a-secret-of-32-characters-atmost",
}
ENVIRONMENT = {f"{provider}_secret".upper(): secret for provider, secret in SECRETS.items()}
PATIENCE = 30


def configuration(prefix, tables):
    """Returns a `hookgate.toml` with one endpoint for each provider, which has the provider's name. The secrets are in the environment."""
    text = f'''{tables}
[kafka]
brokers = [{", ".join(json.dumps(broker) for broker in BROKERS.split(","))}]
[http]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[shutdown]
pre_stop = "0s"
[topics]
prefix = "{prefix}"
partitions = 3
replication = 1
'''
    for name in SECRETS:
        text += f'[endpoints.{name}]\nprovider = "{name}"\nsecrets = ["env:{name.upper()}_SECRET"]\n'
    return text


def shuffled(deliveries, seed, copies=2):
    """Returns each delivery from one to `copies` times, in an order that depends only on the seed."""
    dice = random.Random(seed)
    repeated = [delivery for delivery in deliveries for _ in range(dice.randint(1, copies))]
    dice.shuffle(repeated)
    return repeated


class Scene:
    """The processes of one test, and a folder for them."""

    def __init__(self, name):
        self.name = name
        self.processes = []
        self.endings = []

    def __enter__(self):
        # Ctrl-C in the terminal raises KeyboardInterrupt here. This makes `kill` raise an exception too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.folder = Path(tempfile.mkdtemp(prefix=f"hookgate-{self.name}-"))
        # PostgreSQL must read this folder. It runs as another user when this process is root.
        self.folder.chmod(0o755)
        return self

    def __exit__(self, kind, error, trace):
        for process in self.processes:
            process.kill()
        for ending in reversed(self.endings):
            ending()
        if kind is not None:
            for log in sorted(self.folder.rglob("*.log")):
                lines = log.read_text(errors="replace").splitlines()[-30:]
                print(f"--- {log.name}", *lines, sep="\n", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, environment=None, cwd=None):
        """Starts a process whose output goes to `<name>.log`."""
        process = Process(self, name, command, environment, cwd)
        self.processes.append(process)
        return process

    def hookgate(self, tables=""):
        """Starts a daemon whose topics exist and which no other daemon uses. `tables` is more configuration, such as `[topics.map]`."""
        return Hookgate(self, tables)

    def postgres(self):
        """Starts PostgreSQL with an empty database and returns its connection string."""
        return start_postgres(self)

    def wait(self, what, holds, seconds=PATIENCE):
        """Waits until `holds()` is true, and returns its result. Fails at once when a process has ended that the test did not kill."""
        ends_at = time.monotonic() + seconds
        while not (held := holds()):
            for process in self.processes:
                assert process.killed or process.code() in (None, 0), f"{process.name} ended with {process.code()}"
            assert time.monotonic() < ends_at, f"not within {seconds} s: {what}"
            time.sleep(0.05)
        return held

    def serve(self, answer):
        """Starts an HTTP server in place of somebody's API, and returns its URL. `answer(method, path, headers, body)` returns the status
        and an object for JSON, or the status, the object and headers. It is called on many threads."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, content, *more = answer(self.command, self.path, self.headers, body)
                text = json.dumps(content).encode()
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = reply

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                # Tests kill clients on purpose, so an error of a connection is expected.
                pass

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.endings.append(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"


class Process:
    """A process and its log."""

    def __init__(self, scene, name, command, environment, cwd):
        self.name, self.killed = name, False
        self.log = scene.folder / f"{name}.log"
        with self.log.open("ab") as output:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, **{key: str(value) for key, value in (environment or {}).items()}},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=cwd or scene.folder,
                # A separate process group, so that Ctrl-C reaches only the test.
                start_new_session=True,
            )

    def code(self):
        """Returns the exit code, or None while the process runs."""
        return self.child.poll()

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        """Sends SIGKILL to the process and its children, so that it can neither leave its consumer group nor commit."""
        self.killed = True
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()

    def stop(self, seconds=PATIENCE):
        """Sends SIGTERM, waits for the end, and returns the exit code."""
        self.killed = True
        self.child.terminate()
        return self.child.wait(seconds)


class Hookgate:
    """`hookgate serve` on the real Kafka, with its own topics."""

    def __init__(self, scene, tables):
        # Other tests and earlier runs may have used the same Kafka.
        self.prefix = f"{scene.name}.{os.getpid()}."
        file = scene.folder / "hookgate.toml"
        file.write_text(configuration(self.prefix, tables.replace("{prefix}", self.prefix)))
        subprocess.run(
            [os.environ["HOOKGATE"], "topics", "--apply", "--config", file],
            env={**os.environ, **ENVIRONMENT},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.scene, self.file, self.starts = scene, file, 0
        self.start()

    def start(self):
        """Starts the daemon, again after it was stopped, and waits until it listens."""
        self.starts += 1
        command = [os.environ["HOOKGATE"], "serve", "--config", self.file]
        self.process = self.scene.start(f"hookgate-{self.starts}", command, ENVIRONMENT)
        self.address = self.scene.wait("hookgate listens", self.listening)
        host, port = self.address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)

    def listening(self):
        for line in self.process.text().splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            if "listening" in line and "webhooks" in entry:
                return entry["webhooks"]

    def topic(self, kind):
        """Returns the topic of a kind, such as `filespin.file-saved`."""
        return self.prefix + kind

    def post(self, provider, body, signed_at=None):
        """Posts a delivery with the provider's proof, and returns the event's `id`. The body is an object, which is sent as compact JSON,
        or bytes, which are sent as they are. Repeats the delivery, as the provider would, until it is accepted. The same body and, for
        Frame.io, the same `signed_at` make the same delivery with the same `id`."""
        raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        path, headers = f"/webhooks/{provider}", {"Content-Type": "application/json"}
        key = SECRETS[provider].encode()
        if provider in ("filespin", "filesafety"):
            path += f"?token={SECRETS[provider]}"
        elif provider == "frameio":
            moment = str(int(signed_at or time.time()))
            signature = hmac.new(key, f"v0:{moment}:".encode() + raw, hashlib.sha256).hexdigest()
            headers.update({"X-Frameio-Request-Timestamp": moment, "X-Frameio-Signature": f"v0={signature}"})
        else:
            headers["X-Uc-Signature"] = "v1=" + hmac.new(key, raw, hashlib.sha256).hexdigest()
        ends_at = time.monotonic() + PATIENCE
        while True:
            try:
                self.connection.request("POST", path, raw, headers)
                answer = self.connection.getresponse()
                status, text = answer.status, answer.read()
            except (http.client.HTTPException, OSError) as error:
                # A kept connection that was idle has been closed. The next request opens another.
                self.connection.close()
                status, text = 503, str(error)
            if status == 200:
                return json.loads(text)["id"]
            assert status == 503 and time.monotonic() < ends_at, f"{provider}: {status} {text!r}"
            time.sleep(0.1)


def start_postgres(scene):
    """Starts a PostgreSQL cluster in the scene's folder, and returns its connection string. It listens on a socket in that folder, and
    does not sync its files, because it need not survive a crash of the machine."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (config := shutil.which("pg_config")) is not None:
        folder = subprocess.run([config, "--bindir"], check=True, capture_output=True, text=True).stdout
        folders.insert(0, Path(folder.strip()))
    binaries = next((folder for folder in folders if (folder / "initdb").exists()), None)
    assert binaries, "PostgreSQL's server is missing; on Debian: apt-get install postgresql"
    data = scene.folder / "postgres"
    data.mkdir()
    # The server refuses to run as root.
    user = []
    if os.getuid() == 0:
        shutil.chown(data, "postgres", "postgres")
        user = ["runuser", "-u", "postgres", "--"]
    control = [*user, binaries / "pg_ctl", "--silent", "--wait", f"--pgdata={data}"]
    # The server removes its shared memory only when it is asked to stop. So it is not one of the scene's processes, which are killed.
    scene.endings.append(lambda: subprocess.run([*control, "--mode=fast", "stop"], check=False, cwd=data, capture_output=True))
    steps = [
        [*control, "--options=--no-sync --auth=trust --username=test --encoding=UTF8", "initdb"],
        [*control, f"--log={data}/server.log", f"--options=-h '' -k {data} -F -c shared_buffers=16MB", "start"],
    ]
    for step in steps:
        # The output goes to no pipe of this process, because the server would keep that open.
        subprocess.run(step, check=True, cwd=data, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return f"host={data} user=test dbname=postgres"


class Group:
    """The committed offsets of a consumer group, read from outside of the group."""

    def __init__(self, group, topics):
        # Not at the top of the file: a test that reads no group needs no client for Kafka.
        from confluent_kafka import Consumer, TopicPartition

        self.consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": group, "enable.auto.commit": False})
        self.partitions = []
        for topic in topics:
            known = self.ask(self.consumer.list_topics, topic).topics[topic].partitions
            self.partitions += [TopicPartition(topic, number) for number in known]

    def ask(self, call, *arguments):
        """Calls a function of the client, again while Kafka fails it, as it does for topics that were created a moment ago."""
        from confluent_kafka import KafkaException

        ends_at = time.monotonic() + PATIENCE
        while True:
            try:
                return call(*arguments, timeout=5)
            except KafkaException:
                if time.monotonic() > ends_at:
                    raise
                time.sleep(0.1)

    def committed(self):
        """Returns the committed offset of each partition that has one, by (topic, partition)."""
        found = self.ask(self.consumer.committed, self.partitions)
        return {(it.topic, it.partition): it.offset for it in found if it.offset >= 0}

    def ends(self):
        """Returns the offset after the last record of each partition, by (topic, partition)."""
        ends = {it: self.ask(self.consumer.get_watermark_offsets, it)[1] for it in self.partitions}
        return {(it.topic, it.partition): end for it, end in ends.items()}

    def lag(self):
        """Returns how many records are not committed yet."""
        committed, ends = self.committed(), self.ends()
        return sum(end - committed.get(where, 0) for where, end in ends.items())
