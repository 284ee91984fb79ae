"""Renders the chart for each case of cases.yaml. It validates the objects with the schemas and compares them. Where the chart must refuse the values,
helm must print one sentence and no trace of a template. At last it renders the chart as a dependency, which its parent switches on and off, with null
instead of each value, and with secrets in the values.

example: .work/venv-deploy/bin/python scripts/deploy/cases.py --helm .work/go/helm
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import validate

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/hookgate"
MINIMAL = CHART / "ci/minimal-values.yaml"
EVERYTHING = CHART / "ci/everything-values.yaml"
# The form of a label's value, because kubernetes_validate checks only its type.
LABEL = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"


def template(helm, chart, values, *files):
    """Returns what helm renders, or what it says where it refuses the values."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        of_files = [part for name in (*files, file.name) for part in ("--values", name)]
        done = subprocess.run([helm, "template", "hookgate", chart, "--namespace", "hookgate", *of_files], capture_output=True, text=True)
    return (done.stdout, None) if done.returncode == 0 else (None, done.stderr)


def named(text):
    """Returns the objects by `Kind/name`. The ServiceAccount of a hook is `Kind/name hook`, because another object has its name."""
    objects = {}
    for value in yaml.safe_load_all(text):
        if value:
            name = f"{value['kind']}/{value['metadata']['name']}"
            mark = " hook" if validate.is_hook(value) and value["kind"] == "ServiceAccount" else ""
            objects[name + mark] = value
    return objects


def at(value, path):
    for part in filter(None, re.split(r"(?<!\\)\.", path)):
        part = part.replace("\\.", ".")
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = (value or {}).get(part)
    return value


def differs(objects, place, wanted):
    name, _, path = place.partition(" ")
    if path == "hook" or path.startswith("hook "):
        name, path = f"{name} hook", path[5:]
    found = at(objects.get(name), path)
    if isinstance(wanted, dict) and set(wanted) <= {"has", "has_not"}:
        good = wanted.get("has", "") in found and ("has_not" not in wanted or wanted["has_not"] not in found)
    else:
        good = found == wanted
    return [] if good else [f"{place} is {found!r}, not {wanted!r}"]


def labels(value):
    """Yields every label in an object."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key in ("labels", "matchLabels") and isinstance(part, dict):
            yield from part.items()
        yield from labels(part)


def faults(case, helm):
    text, said = template(helm, CHART, case["set"], MINIMAL)
    if "refused" in case:
        if said is None:
            return ["is not refused"]
        found = ["is refused with a trace of a template"] if "executing" in said else []
        found += [] if case["refused"] in said else [f"is not refused with {case['refused']!r}"]
        return [f"{fault}; helm says:\n{said}" for fault in found]
    if said is not None:
        return [said]
    objects = named(text)
    found = [fault for value in objects.values() for fault in validate.faults(value, {}, [])]
    found += [f"the label {key}: {it!r} is illegal" for value in objects.values() for key, it in labels(value) if not re.fullmatch(LABEL, it)]
    return found + [fault for place, wanted in case["yields"].items() for fault in differs(objects, place, wanted)]


def as_dependency(helm):
    """Returns the faults of the chart in a parent chart with `condition: hookgate.enabled`."""
    found = []
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    with tempfile.TemporaryDirectory() as folder:
        parent = pathlib.Path(folder) / "parent"
        shutil.copytree(CHART, parent / "charts/hookgate")
        dependency = {"name": "hookgate", "version": version, "repository": "", "condition": "hookgate.enabled"}
        parent.joinpath("Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [dependency]}))
        minimal = yaml.safe_load(MINIMAL.read_text())
        for values, wanted in (({"enabled": True}, "Deployment/hookgate"), ({}, "Deployment/hookgate"), ({"enabled": False}, None)):
            text, said = template(helm, parent, {"hookgate": minimal | values})
            there = set(named(text)) if text is not None else {said}
            if wanted not in there if wanted else there:
                found.append(f"as a dependency with {values}: {there}")
        _, said = template(helm, parent, {"hookgate": minimal | {"enabld": True}})
        if "'enabld' not allowed" not in (said or ""):
            found.append(f"as a dependency a misspelled value is not refused: {said}")
    return found


def keys(values, path=()):
    """Yields the path of every value and of every table."""
    for key, value in values.items():
        yield (*path, key)
        yield from keys(value, (*path, key)) if isinstance(value, dict) else ()


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def without_values(helm):
    """Returns the faults with null instead of each value: helm must render the chart, or refuse it in a sentence."""
    found = []
    for path in keys(yaml.safe_load((CHART / "values.yaml").read_text())):
        _, said = template(helm, CHART, nested(path, None), EVERYTHING)
        if said is not None and ("executing" in said or "YAML" in said.splitlines()[0]):
            found.append(f"{'.'.join(path)}: null makes a trace of a template; helm says:\n{said}")
    return found


def secrets(schema, path=()):
    """Yields the path of every secret in the schema of `config`, and whether it is an item of a list."""
    for name, part in [*schema.get("properties", {}).items(), *(("a", it) for it in schema.get("patternProperties", {}).values())]:
        if part.get("items", part) in ({"$ref": "#/definitions/secret"}, {"$ref": "#/definitions/listedSecret"}):
            yield (*path, name), "items" in part
        yield from secrets(part, (*path, name))


def inline_secrets(helm):
    """Returns the faults with a secret in the values. Helm must refuse it and must not print it, because pipelines log what helm prints."""
    found, schema = [], json.loads((CHART / "values.schema.json").read_text())["definitions"]["config"]
    paths = list(secrets(schema, ("config",)))
    for path, in_list in paths:
        for secret in ("hunter2", "hunter2 with blanks", {"secretName": "a", "key": "hunter2 with blanks"}, {"secretName": "a", "hunter": "hunter2"}):
            _, said = template(helm, CHART, nested(path, [secret] if in_list else secret), MINIMAL)
            if said is None or "hunter2" in said or "executing" in said:
                found.append(f"{'.'.join(path)}: the secret {secret!r} is not refused, or is printed; helm says:\n{said}")
    return found + ([] if len(paths) >= 5 else [f"only these secrets were found: {paths}"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--helm", required=True, help="the helm to render with")
    arguments = arguments.parse_args()
    cases = yaml.safe_load(pathlib.Path(__file__).with_suffix(".yaml").read_text())
    complaints = [f"{json.dumps(case['set'])}: {fault}" for case in cases for fault in faults(case, arguments.helm)]
    for check in (as_dependency, without_values, inline_secrets):
        complaints += check(arguments.helm)
    # A comparison that finds no faults anywhere would be silent as well, so it must find these.
    if not faults({"set": {}, "yields": {"Deployment/hookgate spec.replicas": 3}}, arguments.helm) or not faults(
        {"set": {}, "refused": "anything"}, arguments.helm
    ):
        complaints.append("the comparison finds no faults")
    if complaints:
        sys.exit("\n".join(complaints))
    refused = sum("refused" in case for case in cases)
    print(f"{len(cases) - refused} cases render as expected, {refused} are refused in a sentence; the chart works as a dependency, with nulls, and refuses secrets")


main()
