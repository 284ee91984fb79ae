#!/usr/bin/env python3
"""Runs the functions of docs/signed-urls.md that make signed URLs, in Python and in Node.js, against the vectors of the tests.

example: tests/codegen/mint.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIELDS = ["secret", "endpoint", "reference", "expires"]
# Reads the vectors' fields on standard input, and prints what the function returns for each.
RUNNER = """
import { readFileSync } from "node:fs";
import { mint } from "./mint.mjs";
const all = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(all.map((it) => (it[3] === "never" ? mint(it[0], it[1], it[2]) : mint(...it)))));
"""


def block(language):
    """Returns the block of the page in this language."""
    page = (ROOT / "docs/signed-urls.md").read_text()
    return page.split(f"```{language}\n", 1)[1].split("```", 1)[0]


def in_python(fields):
    names = {}
    exec(compile(block("python"), "docs/signed-urls.md", "exec"), names)
    return [names["mint"](*it[:3]) if it[3] == "never" else names["mint"](*it) for it in fields]


def in_node(fields):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"mint.mjs": block("javascript"), "run.mjs": RUNNER}.items():
            (pathlib.Path(folder) / name).write_text(text)
        done = subprocess.run(["node", "run.mjs"], cwd=folder, input=json.dumps(fields), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main():
    vectors = json.loads((ROOT / "tests/codegen/signed_urls.json").read_text())
    fields = [[vector[name] for name in FIELDS] for vector in vectors]
    for name, made in {"Python": in_python(fields), "Node.js": in_node(fields)}.items():
        wrong = [vector["reference"] for vector, signed in zip(vectors, made, strict=True) if vector["signed"] != signed]
        if wrong:
            sys.exit(f"tests/codegen/mint.py: {name} makes other URLs for {wrong}")
        print(f"{name}: makes the {len(vectors)} signed URLs of the vectors")


main()
