#!/usr/bin/env python3
"""Prints the table of `bench/run` from its results file; exit code 1 when Hookgate costs too much.

Environment: BENCH_NO_ASSERT=1 reports and always succeeds.
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


# The most that Hookgate may cost, measured by the same job written by hand. That costs 1.2 to 1.7 floors, so no limit in floors would say anything
# about Hookgate.
WHOLE_JOBS_MAX = 1.0


def median_of(results, field):
    return median(result[field] for result in results)


def ratio(results, floor):
    """Returns the median and the range of the ratios. Each round has a ratio of its own, because its runs were a minute apart and the first
    and the last round were not."""
    rounds = sorted(one["cpu_us_per_answer"] / other["cpu_us_per_answer"] for one, other in zip(results, floor))
    return median(rounds), rounds[0], rounds[-1]


def main():
    rows = {}
    faults = []
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if "stored" in entry:
                # The sums of all rounds up to here, of all programs that write to the topic.
                if entry["stored"] != entry["answered"]:
                    faults.append(f"{entry['program']}: {entry['stored']} records on {entry['topic']}, {entry['answered']} answers with 200")
                continue
            result = entry["result"]
            rows.setdefault((entry["load"], entry["program"], entry["codec"]), []).append(result)
            # A refusal costs less than a delivery, so a run with refusals would look cheap.
            if set(result["statuses"]) != {"200"} or result["failures"]:
                faults.append(f"{entry['program']}, {entry['load']}: {result['statuses']} {result['failures']}")

    print(f"{'load':<8}{'program':<10}{'codec':<8}{'x floor':>18}{'x whole job':>18}" + "".join(f"{name:>14}" for name, *_ in COLUMNS))
    # The rows are in the order of the measurements.
    for (load, program, codec), results in rows.items():
        floors = [rows.get((load, name, codec)) for name in ("floor", "whole")]
        ratios = [ratio(results, floor) if floor and program not in ("floor", name) else None for name, floor in zip(("floor", "whole"), floors)]
        if program == "hookgate" and ratios[1] and ratios[1][0] > WHOLE_JOBS_MAX:
            faults.append(f"{program}, {load}: {ratios[1][0]:.2f} times the whole job is more than {WHOLE_JOBS_MAX}")
        cells = "".join(f"{median_of(results, field):>14.{digits}f}" for _, field, digits in COLUMNS)
        shown = "".join(f"{'{:.2f} ({:.2f}-{:.2f})'.format(*it) if it else '':>18}" for it in ratios)
        print(f"{load:<8}{program:<10}{codec:<8}{shown}{cells}")
    print(f"medians of {max(map(len, rows.values()))} rounds")

    for fault in faults:
        print(f"bench: {fault}", file=sys.stderr)
    return 1 if faults and os.environ.get("BENCH_NO_ASSERT") != "1" else 0


if __name__ == "__main__":
    sys.exit(main())
