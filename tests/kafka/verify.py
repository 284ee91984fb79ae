#!/usr/bin/env python3
"""Runs the program of docs/consumers.md that verifies stored events.

Standard input has a line for each event: a secret and the event's bytes, both in hex. For each it prints a JSON object with
the results of the document's functions: proven and delivery_id. The classes are generated from `proto/` at each start, as a
reader of the document would do it.
"""

import json
import sys
from pathlib import Path

from consume import PROTO, event_class

ROOT = Path(__file__).resolve().parents[2]


def shown():
    """Returns the names that the programs of the document define: one proves events, one computes the ids of recovered ones."""
    text = (ROOT / "docs/consumers.md").read_text()
    blocks = text.split("```python\n")[1:]
    if len(blocks) != 2:
        raise SystemExit(f"docs/consumers.md has {len(blocks)} Python programs, expected 2")
    names = {}
    for block in blocks:
        exec(compile(block.split("```")[0], "docs/consumers.md", "exec"), names)
    check_recovered(text, names["recovered_id"])
    return names


def check_recovered(text, recovered_id):
    """Compares the ids in the table of the document with those that its program computes."""
    rows = text.split("| endpoint | type | subject | time | counter | id |\n")[1].split("\n\n")[0].splitlines()[1:]
    for row in rows:
        *parts, counter, expected = [cell.strip().strip("`") for cell in row.strip("|").split("|")]
        if recovered_id(*parts, int(counter)) != expected:
            raise SystemExit(f"docs/consumers.md: the program computes another id for {row}")
    if len(rows) < 3:
        raise SystemExit("docs/consumers.md: the table of recovered ids is gone")


def main():
    # The import in the document finds the module that this call has loaded.
    event = event_class(PROTO)
    names = shown()
    for line in sys.stdin:
        secret, value = (bytes.fromhex(word) for word in line.split())
        stored = event.FromString(value)
        print(json.dumps({"proven": names["proven"](stored, secret), "delivery_id": names["delivery_id"](stored)}))


if __name__ == "__main__":
    main()
