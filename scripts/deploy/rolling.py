"""Replaces a daemon of one version by one of another and back, as a Deployment would: start, wait until ready, then SIGTERM to the other. nginx is before
them and repeats nothing. Signed deliveries go on all the time. Each must be answered 200, and both versions must read all that both have stored.

example: python3 scripts/deploy/rolling.py --old /tmp/hookgate --new target/debug/hookgate --port 20992
  --old, --new  the programs
  --port        the port of a real broker; the daemons and nginx have ports from this one + 3 on
"""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

PROVIDERS = ["filespin", "filesafety", "frameio", "uploadcare"]
SECRETS = {name: f"made-up-secret-of-{name}" for name in PROVIDERS}
# How long one version serves alone, so that it stores events of its own.
ALONE_SECONDS = 3
SENDERS = 4


class Traffic:
    """Sends webhooks of Uploadcare until it is stopped, and keeps each answer's status and id."""

    def __init__(self, port):
        self.port, self.stopped, self.statuses, self.ids = port, threading.Event(), [], []
        self.threads = [threading.Thread(target=self.send) for _ in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while not self.stopped.is_set():
            body = json.dumps({"hook": {"event": "file.stored"}, "data": {"uuid": str(uuid.uuid4())}}).encode()
            proof = "v1=" + hmac.new(SECRETS["uploadcare"].encode(), body, hashlib.sha256).hexdigest()
            status, answer = post(self.port, body, {"X-Uc-Signature": proof, "Content-Type": "application/json"})
            self.statuses.append(status)
            if status == 200:
                self.ids.append(json.loads(answer)["id"])
            time.sleep(0.02)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def post(port, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("POST", "/webhooks/uploadcare", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error), b""
    finally:
        connection.close()


class Nginx:
    def __init__(self, folder, port, replica):
        self.folder, self.port = folder, port
        self.write([replica])
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin") or sys.exit("nginx is missing")
        command = [program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "nginx.log"]
        self.process = subprocess.Popen(command)

    def write(self, replicas):
        servers = "".join(f"server 127.0.0.1:{replica};" for replica in replicas)
        places = "".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        (self.folder / "nginx.conf").write_text(
            f"daemon off; pid {self.folder}/nginx.pid; events {{}}\n"
            f"http {{ access_log off; {places} upstream replicas {{ {servers} }}\n"
            f"server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass http://replicas; proxy_next_upstream off; }} }} }}\n"
        )

    def point_to(self, replicas):
        self.write(replicas)
        self.process.send_signal(signal.SIGHUP)
        # nginx has no answer to the signal: its new workers are there at once, the old ones finish what they have.
        time.sleep(1)


class Daemon:
    def __init__(self, program, configuration, port):
        self.program, self.port, self.admin = program, port, port + 1
        listen = {"HOOKGATE_HTTP__LISTEN": f"127.0.0.1:{port}", "HOOKGATE_ADMIN__LISTEN": f"127.0.0.1:{self.admin}"}
        self.log = open(configuration.parent / f"{port}.log", "a")
        self.process = subprocess.Popen([program, "serve", "--config", configuration], env=environment() | listen, stderr=self.log)
        wait_until(f"{program} is ready", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            sys.exit(f"{self.program} has ended with {self.process.returncode}, see {self.log.name}:\n{pathlib.Path(self.log.name).read_text()[-2000:]}")
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def end(self):
        code = self.process.wait(30)
        self.log.close()
        if code != 0:
            sys.exit(f"{self.program} has ended with {code} after SIGTERM")


def environment():
    return dict(os.environ) | {f"SECRET_{name.upper()}": secret for name, secret in SECRETS.items()}


def wait_until(what, condition):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"after a minute it does not hold: {what}")
        time.sleep(0.1)


def run(program, *arguments):
    result = subprocess.run([program, *arguments], env=environment(), capture_output=True, text=True, timeout=120)
    if result.returncode != 0:
        sys.exit(f"{program} {' '.join(map(str, arguments))}: exit code {result.returncode}\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout


def alone(program, configuration, traffic, port):
    """Lets one version serve, and sends a sample of every type that it knows. Returns how many deliveries it answered."""
    before = len(traffic.ids)
    samples = 0
    for provider in PROVIDERS:
        for event_type in run(program, "send", provider, "--list").split():
            run(program, "send", provider, event_type, "--config", configuration, "--url", f"http://127.0.0.1:{port}/webhooks/{provider}")
            samples += 1
    time.sleep(ALONE_SECONDS)
    stored = len(traffic.ids) - before
    if stored == 0 or samples == 0:
        sys.exit(f"{program} has stored {stored} deliveries and {samples} samples")
    print(f"  {program}: {stored} deliveries and {samples} samples, alone")


def replace(daemon, program, configuration, nginx, port):
    """Replaces a daemon as a Deployment does: the Service drops a pod a little after the pod has got its signal."""
    successor = Daemon(program, configuration, port)
    nginx.point_to([daemon.port, successor.port])
    daemon.process.terminate()
    time.sleep(0.5)
    nginx.point_to([successor.port])
    daemon.end()
    return successor


def read(program, configuration):
    """Returns every record as a version reads it: the id and type of the event, by its place."""
    records = {}
    for line in run(program, "tail", "--config", configuration, "--from-beginning", "--exit", "--format", "json").splitlines():
        record = json.loads(line)
        event = record["event"]
        if not isinstance(event, dict) or not event.get("id"):
            sys.exit(f"{program} cannot read a record: {line[:500]}")
        records[record["topic"], record["partition"], record["offset"]] = (event["id"], record["headers"]["ce_type"])
    return records


def check(traffic, old, new, configuration):
    refused = [status for status in traffic.statuses if status != 200]
    if refused:
        sys.exit(f"{len(refused)} of {len(traffic.statuses)} deliveries were not answered 200: {refused[:10]}")
    by_old, by_new = read(old, configuration), read(new, configuration)
    if by_old != by_new:
        sys.exit(f"the versions read different events: {list(by_old.items() ^ by_new.items())[:5]}")
    lost = set(traffic.ids) - {identifier for identifier, _ in by_new.values()}
    if lost:
        sys.exit(f"{len(lost)} events were answered 200 and are on no topic: {sorted(lost)[:5]}")
    types = {event_type for _, event_type in by_new.values()}
    print(f"  {len(traffic.statuses)} deliveries, all answered 200; both versions read {len(by_new)} records of {len(types)} types")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--old", type=pathlib.Path, required=True)
    arguments.add_argument("--new", type=pathlib.Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    given = arguments.parse_args()
    old, new, port = given.old.resolve(), given.new.resolve(), given.port
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        configuration = folder / "hookgate.toml"
        endpoints = "".join(f'[endpoints.{name}]\nprovider = "{name}"\nsecrets = ["env:SECRET_{name.upper()}"]\n' for name in PROVIDERS)
        configuration.write_text(
            f'[kafka]\nbrokers = ["127.0.0.1:{port}"]\n[topics]\npartitions = 1\nreplication = 1\n[shutdown]\npre_stop = "3s"\n{endpoints}'
        )
        # The old version creates its topics, then the new one those that it has more, as docs/upgrading.md says.
        for program in [old, new]:
            run(program, "topics", "--apply", "--config", configuration)
        daemon = nginx = traffic = None
        try:
            daemon = Daemon(old, configuration, port + 4)
            nginx = Nginx(folder, port + 3, daemon.port)
            wait_until("nginx answers", lambda: not isinstance(post(nginx.port, b"", {})[0], str))
            traffic = Traffic(nginx.port)
            alone(old, configuration, traffic, nginx.port)
            daemon = replace(daemon, new, configuration, nginx, port + 6)
            alone(new, configuration, traffic, nginx.port)
            daemon = replace(daemon, old, configuration, nginx, port + 4)
            alone(old, configuration, traffic, nginx.port)
            traffic.stop()
            check(traffic, old, new, configuration)
        finally:
            if traffic:
                traffic.stop()
            for process in [daemon and daemon.process, nginx and nginx.process]:
                if process and process.poll() is None:
                    process.terminate()
                    process.wait(30)


main()
