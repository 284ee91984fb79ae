"""Pastes the installations of docs/kubernetes.md, with Helm and without, into a cluster without Hookgate, for scripts/deploy/e2e.

It replaces only what a reader replaces too: the image, Kafka's address, and the number of replicas of topics, because there is one broker.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from pasted import ROOT, blocks, paste, replaced

NAMESPACE = "hookgate"
DOCUMENT = "docs/kubernetes.md"
# The port of the secured broker; scripts/deploy/e2e also starts a plain one.
SECURED_PORT = 20892
USER, PASSWORD = "hookgate", "made-up-for-the-guide"


def with_helm(image, host, folder, shell):
    """Runs the installation with Helm, with a Kafka with TLS and SCRAM."""
    _, install = blocks(DOCUMENT, "## Install", "sh")[:2]
    values = blocks(DOCUMENT, "## Install", "yaml")[0]
    repository, tag = image.rsplit(":", 1)
    values = replaced(
        values,
        [
            ("registry.example.com/hookgate", f"{repository}\n  tag: {json.dumps(tag)}"),
            ("[kafka-1:9093, kafka-2:9093, kafka-3:9093]", f"[{host}:{SECURED_PORT}]"),
            ("  endpoints:\n", "  topics: {replication: 1, partitions: 1}\n  endpoints:\n"),
        ],
    )
    folder.joinpath("my-values.yaml").write_text(values)
    said = paste(install, folder, shell | {"KAFKA_PASSWORD": PASSWORD})
    if "Phase:          Succeeded" not in said:
        sys.exit(f"helm test reports no success:\n{said}")


def without_helm(image, kafka, folder, shell):
    """Runs the installation with the manifests, with a plain Kafka."""
    manifests = folder / "deploy/kubernetes"
    brokers = 'brokers = ["kafka-1:9092", "kafka-2:9092", "kafka-3:9092"]'
    for name, pairs in {
        "configmap.yaml": [(brokers, f'brokers = ["{kafka}"]\n\n    [topics]\n    replication = 1\n    partitions = 1')],
        "deployment.yaml": [('image: "hookgate:0.1.0"', f'image: "{image}"')],
    }.items():
        manifests.joinpath(name).write_text(replaced(manifests.joinpath(name).read_text(), pairs))
    (install,) = blocks(DOCUMENT, "### Without Helm", "sh")
    paste(install, folder, shell)


def secured_kafka(host, environment):
    """Starts a broker with a user that may create topics and write to them. Returns the file of its authority."""
    def kafka(*arguments):
        done = subprocess.run([ROOT / "scripts/kafka/broker", *arguments], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"scripts/kafka/broker {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    broker = ("--secured", "--port", str(SECURED_PORT))
    kafka("start", *broker)
    tool = ("tool", *broker)
    kafka(*tool, "kafka.admin.ConfigCommand", "--alter", "--entity-type", "users", "--entity-name", USER,
          "--add-config", f"SCRAM-SHA-512=[password={PASSWORD}]")  # fmt: skip
    rights = [part for right in ("Create", "Write", "Describe", "DescribeConfigs") for part in ("--operation", right)]
    kafka(*tool, "AclCommand", "--add", "--allow-principal", f"User:{USER}", "--resource-pattern-type", "prefixed", "--topic", "hookgate.", *rights)
    line = next(line for line in kafka("env", *broker).splitlines() if line.startswith("export KAFKA_CA="))
    return pathlib.Path(line.split("=", 1)[1].strip("'"))


def paste_both(image, host, plain):
    """Runs both installations, one after the other. `plain` is the address of a Kafka without TLS."""
    environment = {**os.environ, "KAFKA_HOST": host}
    kubectl, helm = (shutil.which(os.environ.get(name.upper(), name)) for name in ("kubectl", "helm"))
    shell = dict(os.environ)
    if subprocess.run([kubectl, "get", "namespace", NAMESPACE], capture_output=True).returncode == 0:
        sys.exit(f"the guide needs a cluster without the namespace {NAMESPACE}")
    try:
        authority = secured_kafka(host, environment)
        for install, kafka in ((with_helm, host), (without_helm, plain)):
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                shutil.copytree(ROOT / "deploy", folder / "deploy")
                shutil.copy(authority, folder / "ca.crt")
                binaries = folder / "bin"
                binaries.mkdir()
                binaries.joinpath("kubectl").symlink_to(kubectl)
                binaries.joinpath("helm").symlink_to(helm)
                install(image, kafka, folder, shell | {"PATH": f"{binaries}:{os.environ['PATH']}"})
            print(f"{DOCUMENT}, {install.__name__.replace('_', ' ')}: works as pasted", flush=True)
            subprocess.run([kubectl, "delete", "namespace", NAMESPACE, "--wait"], check=True, capture_output=True)
    finally:
        subprocess.run([kubectl, "delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait"], capture_output=True)
        subprocess.run([ROOT / "scripts/kafka/broker", "stop", "--secured", "--port", str(SECURED_PORT)], env=environment, capture_output=True)
