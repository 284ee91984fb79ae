#!/usr/bin/env python3
"""Prints the table of `bench/run` from its results file; exit code 1 when Hookgate costs too much.

Environment: BENCH_LIMIT, the most that Hookgate may cost in floors (1.5); BENCH_NO_ASSERT=1 reports and always succeeds.
"""

import json
import os
import sys
from statistics import median

# The columns of a row: the heading, the field of the load generator's result, and the number of decimals.
COLUMNS = [
    ("CPU us/event", "cpu_us_per_answer", 1),
    ("2xx/s", "answered_per_second", 0),
    ("p50 ms", "p50_ms", 1),
    ("p99 ms", "p99_ms", 1),
    ("max ms", "max_ms", 1),
    ("RSS peak MiB", "rss_peak_mib", 1),
]


def median_of(results, field):
    return median(result[field] for result in results)


def main():
    limit = float(os.environ.get("BENCH_LIMIT", "1.5"))
    rows = {}
    faults = []
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            result = entry["result"]
            rows.setdefault((entry["load"], entry["program"], entry["codec"]), []).append(result)
            # A refusal costs less than a delivery, so a run with refusals would look cheap.
            if set(result["statuses"]) != {"200"} or result["failures"]:
                faults.append(f"{entry['program']}, {entry['load']}: {result['statuses']} {result['failures']}")

    print(f"{'load':<16}{'program':<10}{'codec':<8}{'x floor':>8}" + "".join(f"{name:>14}" for name, *_ in COLUMNS))
    for (load, program, codec), results in sorted(rows.items()):
        ratio = ""
        floor = rows.get((load, "floor", codec))
        if floor:
            times = median_of(results, "cpu_us_per_answer") / median_of(floor, "cpu_us_per_answer")
            ratio = f"{times:.2f}"
            if times > limit:
                faults.append(f"{program}, {load}: {times:.2f} times the floor is more than {limit}")
        cells = "".join(f"{median_of(results, field):>14.{digits}f}" for _, field, digits in COLUMNS)
        print(f"{load:<16}{program:<10}{codec:<8}{ratio:>8}{cells}")
    print(f"medians of {max(map(len, rows.values()))} rounds")

    for fault in faults:
        print(f"bench: {fault}", file=sys.stderr)
    return 1 if faults and os.environ.get("BENCH_NO_ASSERT") != "1" else 0


if __name__ == "__main__":
    sys.exit(main())
