"""Checks deploy/compose.yaml with the schema of Compose, and what the schema does not cover: mounted files exist, services depend only on
existing services, and ports are published only on this machine.

example: .work/venv-deploy/bin/python scripts/deploy/compose.py …/compose-spec.json
"""

import json
import pathlib
import re
import sys

import jsonschema
import yaml

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy"


def complaints(compose, schema):
    found = [f"{'.'.join(map(str, it.absolute_path))}: {it.message[:300]}" for it in jsonschema.Draft7Validator(schema).iter_errors(compose)]
    services = compose["services"]
    for name, service in services.items():
        found += [f"{name}: waits for {other}, which does not exist" for other in service.get("depends_on", {}) if other not in services]
        found += [f"{name}: publishes {port} to everybody" for port in service.get("ports", []) if not str(port).startswith("127.0.0.1:")]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and not (FOLDER / source).exists():
                found.append(f"{name}: mounts {source}, which does not exist")
        image = service.get("image", "")
        # Only images that are built here may have no version.
        if "build" not in service and "extends" not in service and not re.search(r":v?[0-9][^:/]*$", image):
            found.append(f"{name}: the image {image!r} has no version")
    return found


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text())
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    found = complaints(compose, schema)
    if found:
        sys.exit("\n".join(f"compose.yaml: {it}" for it in found))
    broken = {"services": {"hookgate": {"imagine": "x"}}}
    if not list(jsonschema.Draft7Validator(schema).iter_errors(broken)):
        sys.exit("the schema of Compose accepts an unknown key")
    for name in ("prometheus/prometheus.yml", "grafana/datasource.yaml", "grafana/provider.yaml"):
        yaml.safe_load((FOLDER / name).read_text())
    print(f"compose.yaml is valid: {', '.join(compose['services'])}")


main()
