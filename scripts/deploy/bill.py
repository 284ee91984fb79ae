"""Checks a bill of materials with the schema of CycloneDX, and that it names the C libraries as advisories do.

example: scripts/tools/sbom && "$(scripts/tools/python deploy)" scripts/deploy/bill.py hookgate.cdx.json
"""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def mistake(bill):
    return JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(bill))


with open(sys.argv[1]) as file:
    bill = json.load(file)
if found := mistake(bill):
    sys.exit(f"{sys.argv[1]} is not CycloneDX 1.5: {found}")
# Otherwise the validator would check nothing.
if not mistake({**bill, "components": [{**bill["components"][0], "type": "librarry"}]}):
    sys.exit("the validator accepts a misspelled word")
named = {it["cpe"].split(":")[4] for it in bill["components"] if "cpe" in it}
if missing := {"libcurl", "openssl", "zlib", "zstandard"} - named:
    sys.exit(f"{sys.argv[1]} does not name {', '.join(sorted(missing))}")
