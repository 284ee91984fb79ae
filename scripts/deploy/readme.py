"""Pastes the README's "Run it" into two shells, with a real Kafka of one broker, and checks that the sample is on its topic.

example: python3 scripts/deploy/readme.py --port 19692
  --port  the port of the broker; the next three ports are used too. The README's own ports are 19092, 8080 and 9090
environment: HOOKGATE (target/debug/hookgate)
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from pasted import ROOT, blocks, paste, replaced


def ready(admin, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{admin}/readyz", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    process.kill()
    sys.exit(f"the first terminal's block does not end in a daemon that is ready:\n{process.communicate()[0]}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, default=19692)
    port = arguments.parse_args().port
    (configuration,) = blocks("README.md", "## Run it", "toml")
    kafka, first, second = blocks("README.md", "## Run it", "sh")
    kafka = replaced(kafka, [("make kafka", f"scripts/kafka/broker start --port {port}")])
    webhooks, admin = f"127.0.0.1:{port + 2}", f"127.0.0.1:{port + 3}"
    with tempfile.TemporaryDirectory() as folder:
        binaries = pathlib.Path(folder, "bin")
        binaries.mkdir()
        binaries.joinpath("hookgate").symlink_to(ROOT / os.environ.get("HOOKGATE", "target/debug/hookgate"))
        pathlib.Path(folder, "hookgate.toml").write_text(replaced(configuration, [("127.0.0.1:19092", f"127.0.0.1:{port}")]))
        listen = {"HOOKGATE_HTTP__LISTEN": webhooks, "HOOKGATE_ADMIN__LISTEN": admin}
        shell = {"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": folder, **listen}
        try:
            paste(kafka, ROOT, dict(os.environ))
            terminal = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", first],
                cwd=folder, env=shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )
            ready(admin, terminal)
            said = paste(second, folder, shell, seconds=60)
            # Like Ctrl-C, which sends the signal to every process of the terminal.
            os.killpg(terminal.pid, signal.SIGINT)
            log = terminal.communicate(timeout=60)[0]
        finally:
            paste(f"scripts/kafka/broker stop --port {port}", ROOT, dict(os.environ))
    if "200" not in said or '"type":"scan.complete"' not in said.replace(" ", ""):
        sys.exit(f"the sample is not on its topic:\n{said}\n{log}")
    if "stopped" not in log:
        sys.exit(f"Ctrl-C does not shut the daemon down in order:\n{log}")
    print('README.md, "Run it": works as pasted, in two terminals and on one broker')


main()
