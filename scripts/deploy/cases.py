"""Renders the chart for each case of cases.yaml: what it yields is validated against the schemas and compared, and what it refuses is one sentence
of helm's, not a template's trace. At last the chart as a dependency, which its parent switches on and off, null in the place of each value, and secrets
that stand in the values.

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
# A label's value: kubernetes_validate has only the types.
LABEL = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"


def template(helm, chart, values, *files):
    """What helm prints, and what it says where it refuses."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        of_files = [part for name in (*files, file.name) for part in ("--values", name)]
        done = subprocess.run([helm, "template", "hookgate", chart, "--namespace", "hookgate", *of_files], capture_output=True, text=True)
    return (done.stdout, None) if done.returncode == 0 else (None, done.stderr)


def named(text):
    """The objects by `Kind/name`; those that helm deletes again also as `Kind/name hook`, where another one has the name."""
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
    """Every map of labels in an object."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key in ("labels", "matchLabels") and isinstance(part, dict):
            yield from part.items()
        yield from labels(part)


def faults(case, helm):
    text, said = template(helm, CHART, case["set"], MINIMAL)
    if "refused" in case:
        if said is None:
            return ["is not refused"]
        found = ["is a template's trace"] if "executing" in said else []
        found += [] if case["refused"] in said else [f"is not refused as {case['refused']!r}"]
        return [f"{fault}; helm says:\n{said}" for fault in found]
    if said is not None:
        return [said]
    objects = named(text)
    found = [fault for value in objects.values() for fault in validate.faults(value, {}, [])]
    found += [f"the label {key}: {it!r} is illegal" for value in objects.values() for key, it in labels(value) if not re.fullmatch(LABEL, it)]
    return found + [fault for place, wanted in case["yields"].items() for fault in differs(objects, place, wanted)]


def as_dependency(helm):
    """A parent chart with `condition: hookgate.enabled`."""
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
    """The path of every value and of the tables that they stand in."""
    for key, value in values.items():
        yield (*path, key)
        yield from keys(value, (*path, key)) if isinstance(value, dict) else ()


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def without_values(helm):
    """With null in the place of each value, helm renders the chart or refuses that in a sentence."""
    found = []
    for path in keys(yaml.safe_load((CHART / "values.yaml").read_text())):
        _, said = template(helm, CHART, nested(path, None), EVERYTHING)
        if said is not None and ("executing" in said or "YAML" in said.splitlines()[0]):
            found.append(f"{'.'.join(path)}: null is a template's trace; helm says:\n{said}")
    return found


def secrets(schema, path=()):
    """The path of every secret in the schema of `config`; one of a list is the list's only item."""
    for name, part in [*schema.get("properties", {}).items(), *(("a", it) for it in schema.get("patternProperties", {}).values())]:
        if part.get("items", part) == {"$ref": "#/definitions/secret"}:
            yield (*path, name), "items" in part
        yield from secrets(part, (*path, name))


def inline_secrets(helm):
    """A secret that stands in the values is refused, and is not in what helm prints: that ends in the logs of pipelines."""
    found, schema = [], json.loads((CHART / "values.schema.json").read_text())["definitions"]["config"]
    paths = list(secrets(schema, ("config",)))
    for path, in_list in paths:
        for secret in ("hunter2", "hunter2 with blanks", {"secretName": "a", "key": "hunter2 with blanks"}, {"secretName": "a", "hunter": "hunter2"}):
            _, said = template(helm, CHART, nested(path, [secret] if in_list else secret), MINIMAL)
            if said is None or "hunter2" in said or "executing" in said:
                found.append(f"{'.'.join(path)}: the secret {secret!r} is not refused, or is printed; helm says:\n{said}")
    return found + ([] if len(paths) >= 5 else [f"there are more secrets than {paths}"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--helm", required=True, help="the helm to render with")
    arguments = arguments.parse_args()
    cases = yaml.safe_load(pathlib.Path(__file__).with_suffix(".yaml").read_text())
    complaints = [f"{json.dumps(case['set'])}: {fault}" for case in cases for fault in faults(case, arguments.helm)]
    for check in (as_dependency, without_values, inline_secrets):
        complaints += check(arguments.helm)
    # A comparison that finds nothing wrong with anything would be silent as well.
    if not faults({"set": {}, "yields": {"Deployment/hookgate spec.replicas": 3}}, arguments.helm) or not faults(
        {"set": {}, "refused": "anything"}, arguments.helm
    ):
        complaints.append("the comparison is blind")
    if complaints:
        sys.exit("\n".join(complaints))
    refused = sum("refused" in case for case in cases)
    print(f"{len(cases) - refused} cases render as they should, {refused} are refused in a sentence, the chart is a dependency, and no null and no secret does harm")


main()
