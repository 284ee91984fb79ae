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
    """Returns the names that the program of the document defines."""
    text = (ROOT / "docs/consumers.md").read_text()
    blocks = text.split("```python\n")[1:]
    if len(blocks) != 1:
        raise SystemExit(f"docs/consumers.md has {len(blocks)} Python programs, expected 1")
    names = {}
    exec(compile(blocks[0].split("```")[0], "docs/consumers.md", "exec"), names)
    return names


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
