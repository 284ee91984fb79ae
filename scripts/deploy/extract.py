"""Reads rendered objects from standard input, or documents.

- extract.py FOLDER: prints hookgate.toml as the pods have it, and makes the mounted files under FOLDER
- extract.py --limit REPORT: checks that the memory limit holds the ceiling that `hookgate check --json` reported
- extract.py --versions Cargo.toml: checks that the chart on standard input has the program's version
- extract.py --examples DOCUMENT FOLDER: writes every block of the chart's values in a document to FOLDER, and prints their number
"""

import json
import pathlib
import re
import subprocess
import sys

import yaml

MOUNTS = "/etc/hookgate/"


def objects(kind):
    return [value for value in yaml.safe_load_all(sys.stdin) if value and value["kind"] == kind]


def toml(folder):
    """Prints hookgate.toml with each mounted path replaced by a file of FOLDER. Each file has its own contents, because endpoints must not share a secret."""
    # The first ConfigMap with one: the topics Job has the same hookgate.toml.
    text = next(it["data"]["hookgate.toml"] for it in objects("ConfigMap") if "hookgate.toml" in it.get("data", {}))
    for path in set(re.findall(rf'{MOUNTS}([^"]+)"', text)):
        file = pathlib.Path(folder) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix in {".crt", ".key"}:
            # Kafka's client reads these when the configuration is checked.
            pair(file.with_suffix(".crt"), file.with_suffix(".key"))
        else:
            file.write_text(f"made up {abs(hash(path)):x}\n")
    print(text.replace(MOUNTS, f"{folder}/"))


def pair(certificate, key):
    """Makes a certificate and its key, unless they exist already."""
    if not certificate.exists():
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=made-up".split()
        subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)


def limit(report):
    ceiling = json.loads(pathlib.Path(report).read_text())["memory_ceiling_bytes"]
    units = {"Mi": 1 << 20, "Gi": 1 << 30}
    for deployment in objects("Deployment"):
        text = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
        size = int(text[:-2]) * units[text[-2:]]
        if size < ceiling:
            sys.exit(f"resources.limits.memory {text} is less than the memory ceiling of {-(-ceiling // (1 << 20))}Mi")
        print(f"good; ceiling {-(-ceiling // (1 << 20))}Mi, limit {text}")


def versions(cargo):
    program = re.search(r'^version = "(.+)"', pathlib.Path(cargo).read_text(), flags=re.M)[1]
    chart = yaml.safe_load(sys.stdin)["appVersion"]
    if chart != program:
        sys.exit(f"Chart.yaml: appVersion is {chart}, and Cargo.toml has {program}")


def examples(document, folder):
    known = set(yaml.safe_load(pathlib.Path("deploy/helm/hookgate/values.yaml").read_text()))
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    blocks = re.findall(r"^```yaml\n(.*?)^```", pathlib.Path(document).read_text(), flags=re.M | re.S)
    # Other blocks are objects of Kubernetes, or parts of an example.
    values = [block for block in blocks if known & set(yaml.safe_load(block))]
    for block in values:
        (folder / f"{len(list(folder.iterdir()))}.yaml").write_text(block)
    print(f"{len(values)} examples in {document}")


if sys.argv[1] == "--examples":
    examples(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "--limit":
    limit(sys.argv[2])
elif sys.argv[1] == "--versions":
    versions(sys.argv[2])
else:
    toml(sys.argv[1])
