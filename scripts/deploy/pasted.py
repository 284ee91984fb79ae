"""Functions for the blocks of a document that people paste: they find the blocks of a chapter, and run one in a shell."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def blocks(document, heading, language):
    """Returns the fenced blocks of a language under a heading, up to the next heading of its level or a higher one."""
    level = len(heading) - len(heading.lstrip("#"))
    _, found, rest = (ROOT / document).read_text().partition(f"\n{heading}\n")
    if not found:
        sys.exit(f"{document} has no chapter {heading!r}")
    fence = False
    chapter = []
    for line in rest.splitlines(keepends=True):
        fence ^= line.startswith("```")
        # A comment in a shell block is not a heading.
        if not fence and re.match(rf"#{{1,{level}}} ", line):
            break
        chapter.append(line)
    return re.findall(rf"^```{language}\n(.*?)^```$", "".join(chapter), flags=re.M | re.S)


def replaced(text, pairs):
    """Returns the text with parts replaced that do not fit this machine. A part that is not in the text is an error, because the document has changed."""
    for old, new in pairs:
        if old not in text:
            sys.exit(f"there is no {old!r} to replace in\n{text}")
        text = text.replace(old, new)
    return text


def paste(script, folder, environment, seconds=600):
    """Runs a block as an interactive shell would, and returns what it printed. But the first failure ends it."""
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        sys.exit(f"this does not work as pasted:\n{script}\n{done.stdout}{done.stderr}")
    return done.stdout
