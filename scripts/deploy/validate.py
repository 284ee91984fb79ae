"""Validates rendered objects with the schemas of Kubernetes and of the CRDs, strictly: an unknown field is an error.

example: helm template … | .work/venv-deploy/bin/python scripts/deploy/validate.py --crd …/servicemonitors.yaml
"""

import argparse
import collections
import json
import sys

import jsonschema
import kubernetes_validate
import yaml

# The oldest version of Kubernetes that the chart allows, and a recent one.
VERSIONS = ("1.27", "1.34")


def closed(schema):
    """Returns the schema of a CRD so that it refuses unknown fields, as an API server does with strict validation."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(part) for key, part in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("anyOf", None)
        schema["type"] = ["integer", "string"]
    return schema


def crd_schemas(paths):
    schemas = {}
    for path in paths:
        with open(path) as file:
            spec = yaml.safe_load(file)["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return schemas


def faults(value, crds, unchecked):
    if f"{value.get('apiVersion')}/{value.get('kind')}" in unchecked:
        return []
    schema = crds.get((value.get("apiVersion"), value.get("kind")))
    if schema:
        found = jsonschema.Draft7Validator(schema).iter_errors(value)
        return [f"{'.'.join(map(str, fault.absolute_path))}: {fault.message[:300]}" for fault in found]
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(value, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.InvalidSchemaError) as error:
            found.append(f"{version}: {str(error)[:500]}")
    return found


def is_hook(value):
    """Returns whether an object is a hook. Helm creates and deletes hooks separately, so another object of the release may have the same name."""
    return "helm.sh/hook" in (value["metadata"].get("annotations") or {})


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--crd", action="append", default=[], help="a CustomResourceDefinition beside Kubernetes' own kinds")
    arguments.add_argument("--unchecked", action="append", default=[], help="GROUP/VERSION/KIND of a vendor's object without a public schema")
    arguments.add_argument("--expect", default="", help="kinds (or Kind/name) that must be among the objects, comma-separated")
    arguments = arguments.parse_args()
    crds = crd_schemas(arguments.crd)
    objects = [value for value in yaml.safe_load_all(sys.stdin) if value]
    names = collections.Counter((it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"], is_hook(it)) for it in objects)
    complaints = [f"{name}: there twice" for name, count in names.items() if count > 1]
    for value in objects:
        complaints += [f"{value['kind']}/{value['metadata']['name']}: {fault}" for fault in faults(value, crds, arguments.unchecked)]
    there = {it["kind"] for it in objects} | {f"{it['kind']}/{it['metadata']['name']}" for it in objects}
    missing = {kind for kind in arguments.expect.split(",") if kind} - there
    complaints += [f"no {kind} among the objects" for kind in sorted(missing)]
    if complaints:
        sys.exit("\n".join(complaints))
    print(f"{len(objects)} objects are valid: {json.dumps(collections.Counter(it['kind'] for it in objects))}")


if __name__ == "__main__":
    main()
