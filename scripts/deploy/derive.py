"""Compares the derived files under deploy/ with their sources, or with --bless writes them again:

- `config` in the chart's values.schema.json, from what `hookgate schema config` prints
- the table of values in the chart's README.md, from the comments of values.yaml
- the chart's copies of the alerting rules and the dashboard
- deploy/kubernetes/*.yaml, rendered from the chart

example: .work/venv-deploy/bin/python scripts/deploy/derive.py --helm .work/go/helm --hookgate target/debug/hookgate --bless
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/hookgate"
MANIFESTS = ROOT / "deploy/kubernetes"
NAMESPACE = "hookgate"

HEADER = f"""\
# Rendered from deploy/helm/hookgate with ci/manifests-values.yaml, for those without Helm. docs/kubernetes.md says what to change and
# how to install it. Do not edit it here: `make deploy-bless` writes it.
"""


def config_schema(printed):
    """Returns the program's schema in the form for values. There null means the default, and a file or a secret may be a key of a Secret or a ConfigMap."""
    if "properties" in printed or "patternProperties" in printed:
        return {
            key: {name: config_schema(value) for name, value in part.items()} if key in ("properties", "patternProperties") else part
            for key, part in printed.items()
        }
    match printed:
        case {"$ref": "#/definitions/file"}:
            return {"$ref": "#/definitions/configFile"}
        case {"$ref": "#/definitions/reference"}:
            return {"$ref": "#/definitions/secret"}
        case {"type": "array", "items": {"$ref": "#/definitions/reference"}}:
            return {**printed, "items": {"$ref": "#/definitions/listedSecret"}}
        case {"type": "array", "items": {"$ref": _} as item}:
            return {**printed, "items": config_schema(item)}
        case {"type": "object"}:
            return printed
        case {"enum": words}:
            return {**printed, "enum": [*words, None]}
        case {"type": kinds}:
            return {**printed, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}
    sys.exit(f"hookgate schema config: the chart does not know this kind of schema: {printed}")


def derived_schema(hookgate):
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text())
    printed = json.loads(subprocess.run([hookgate, "schema", "config"], check=True, capture_output=True, text=True).stdout)
    schema["definitions"]["config"] = config_schema({key: printed[key] for key in ("type", "additionalProperties", "properties")})
    # A null removes the whole table from the values.
    schema["definitions"]["config"]["required"] = ["kafka"]
    return {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"}


def documented_values(text):
    """Returns path, default and comment of every value with a `# --` comment. A value without a comment and without documented parts is an error."""
    defaults, rows, stack, bare = yaml.safe_load(text), [], [], []
    comment = inside = None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip().startswith("# -- "):
            comment = line.strip()[5:]
        elif line.strip().startswith("#"):
            comment = f"{comment} {line.strip()[2:]}" if comment else None
        elif not line.strip():
            comment = None
        elif key := re.match(r"\s*([A-Za-z_]+):", line):
            while stack and stack[-1][0] >= indent:
                stack.pop()
            stack.append((indent, key[1]))
            path = ".".join(name for _, name in stack)
            if inside is not None and indent > inside and not comment:
                # This is a part of a value that is documented as a whole.
                continue
            if comment:
                rows.append((path, default_of(defaults, path), comment))
                inside = indent
            else:
                bare.append(path)
                inside = None
            comment = None
    undocumented = [path for path in bare if not any(row[0].startswith(path + ".") for row in rows)]
    if undocumented:
        sys.exit(f"values.yaml: without a `# --` comment: {', '.join(undocumented)}")
    return rows


def default_of(defaults, path):
    value = defaults
    for key in path.split("."):
        value = value[key]
    if isinstance(value, (dict, list)) and len(json.dumps(value)) > 60:
        return "see values.yaml"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def derived_readme():
    path = CHART / "README.md"
    begin, end = "<!-- values: `make deploy-bless` writes this table -->\n", "<!-- end of values -->"
    text = path.read_text()
    before, after = text.split(begin)[0], text.split(end)[1]
    rows = documented_values((CHART / "values.yaml").read_text())
    cells = [f"| `{name}` | {default} | {comment.replace('|', chr(92) + '|')} |" for name, default, comment in rows]
    table = "\n".join(["| value | default | meaning |", "|---|---|---|", *cells])
    return {path: f"{before}{begin}\n{table}\n\n{end}{after}"}


def derived_files():
    """Returns the copies in the chart's folder. They are needed because Helm reads only files in that folder."""
    copies = {"prometheus/rules.yaml": "rules.yaml", "grafana/dashboard.json": "dashboard.json"}
    sources = {name: ROOT / "deploy" / source for source, name in copies.items()}
    return {CHART / "files" / name: source.read_text() for name, source in sources.items() if source.exists()}


def derived_manifests(helm):
    values = CHART / "ci/manifests-values.yaml"
    command = [helm, "template", "hookgate", CHART, "--namespace", NAMESPACE, "--values", values, "--skip-tests"]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    files = {}
    for document in re.split(r"^---\n", rendered, flags=re.M)[1:]:
        source, body = document.split("\n", 1)
        path = MANIFESTS / pathlib.Path(source.removeprefix("# Source: ")).name
        lines = [line.rstrip() for line in body.strip().splitlines() if not re.match(r"\s*(app.kubernetes.io/managed-by|helm.sh/chart):", line)]
        # The annotation would be wrong after the first edit, because nobody updates it by hand.
        at = next((index for index, line in enumerate(lines) if "checksum/config:" in line), None)
        if at:
            del lines[at - 1 : at + 1]
        files[path] = files.get(path, HEADER) + ("---\n" if path in files else "") + "\n".join(lines) + "\n"
    return files


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--helm", required=True, help="the helm to render with")
    arguments.add_argument("--hookgate", required=True, help="the program that prints the schema of its configuration")
    arguments.add_argument("--bless", action="store_true", help="write what is not current")
    arguments = arguments.parse_args()
    stale = []
    # The order matters, because the chart is rendered with its schema and its files.
    for derive in (lambda: derived_schema(arguments.hookgate), derived_files, derived_readme, lambda: derived_manifests(arguments.helm)):
        wanted = derive()
        for path, text in wanted.items():
            if path.exists() and path.read_text() == text:
                continue
            if arguments.bless:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            stale.append(path)
        for path in MANIFESTS.glob("*.yaml"):
            if MANIFESTS in [it.parent for it in wanted] and path not in wanted:
                path.unlink() if arguments.bless else None
                stale.append(path)
    for path in stale:
        print(f"{'written' if arguments.bless else 'not current'}: {path.relative_to(ROOT)}")
    if stale and not arguments.bless:
        sys.exit("`make deploy-bless` brings them up to date; read the diff afterwards")


main()
