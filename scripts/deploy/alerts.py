"""Checks with promtool that every alert fires within five minutes, and that it is silent for seven quiet days.

The tests for the first are written by hand in deploy/prometheus/rules.test.yaml: one with an evaluation time of at most five minutes must expect the
alert to fire. The tests for the second are made here, with the metrics of two deployments over a week in which little happens. They must include every
metric that an alert reads, or its silence would mean nothing. A week with a fault in one place must raise an alert.

example: .work/venv-deploy/bin/python scripts/deploy/alerts.py
needs: promtool
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy/prometheus"
# The week has steps of two minutes, with one scrape and one evaluation each. With shorter steps promtool would take minutes.
STEP_MINUTES = 2
DAY = 24 * 60 // STEP_MINUTES
# The value of a step at which a series has ended; `None` is a step without a sample.
GONE = "stale"


def fail(message):
    sys.exit(f"scripts/deploy/alerts.py: {message}")


def alerts():
    """Returns every alert with its expression."""
    groups = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"] if "alert" in rule}


def minutes(duration):
    parts = re.findall(r"(\d+)([dhms])", duration)
    return sum(int(count) * {"d": 1440, "h": 60, "m": 1, "s": 1 / 60}[unit] for count, unit in parts)


def fire_in_time(names):
    """Fails if an alert has no test that expects it to fire within five minutes."""
    tests = yaml.safe_load((FOLDER / "rules.test.yaml").read_text())["tests"]
    tested = set()
    for check in (check for test in tests for check in test["promql_expr_test"]):
        name = re.search(r'ALERTS\{alertname="(\w+)",alertstate="firing"\}', check["expr"])
        if name and check["exp_samples"] and minutes(check["eval_time"]) <= 5:
            tested.add(name[1])
    if missing := names - tested:
        fail(f"no test in rules.test.yaml expects these to fire within five minutes: {', '.join(sorted(missing))}")


class Series:
    """The series of a test, by name and labels."""

    def __init__(self, length):
        self.length, self.values = length, {}

    def add(self, name, labels, start, values):
        text = ",".join(f'{key}="{value}"' for key, value in labels.items())
        line = self.values.setdefault(f"{name}{{{text}}}", [None] * self.length)
        for step, value in enumerate(values[: self.length - start], start):
            line[step] = value

    def gap(self, start, length):
        """Removes the samples of some steps, as if there had been no scrape."""
        for line in self.values.values():
            line[start : start + length] = [None] * len(line[start : start + length])

    def inputs(self):
        return [{"series": name, "values": compressed(line)} for name, line in self.values.items()]


def compressed(line):
    """Returns the values of a series in promtool's notation."""
    runs = []
    for value in line:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    kinds = {None: lambda count: f"_x{count}", GONE: lambda count: " ".join([GONE] * count)}
    return " ".join(kinds.get(value, lambda count: f"{value:.10g}+0x{count - 1}")(count) for value, count in runs)


# The deliveries of each day: the step, the outcome, and the replica that answers. A retry comes a step later.
ENDPOINTS = {"review": "frameio", "avatars": "filesafety", "uploads": "uploadcare", "_unmatched": ""}
DELIVERIES = {
    # One old delivery is replayed, one forged, one slow.
    "review": [(45, "published", 0), (205, "published", 1), (400, "publish_timeout", 0), (401, "published", 1), (500, "stale", 0)]
    + [(560, "slow_body", 0), (610, "bad_signature", 1), (650, "published", 1)],
    # Somebody opens the URL in a browser, and a stranger guesses its token, in quiet half hours.
    "avatars": [(200, "method", 0), (204, "method", 0), (300, "published", 0), (301, "published", 0), (302, "cancelled", 1)]
    + [(450, "missing_signature", 1), (600, "bad_token", 0)],
    # One is refused while no other request comes.
    "uploads": [(15, "published", 1), (16, "published", 0), (250, "overloaded", 1), (360, "malformed_body", 0), (362, "source_limited", 0)]
    + [(625, "published", 0)],
    # A scanner at a steady pace while something is stored, and bursts where nothing is.
    "_unmatched": [(step, "unknown_endpoint", 0) for step in (36, 41, 46, 51, 100, 101, 101, 101, 106)] + [(350, "method", 1), (700, "bad_request", 1)],
}
STORED = {"published", "unclassified", "quarantined"}
PROVEN = STORED | {"publish_timeout", "cancelled"}
# Outcomes that are at zero all week.
NEVER = "unclassified quarantined publish_failed internal no_secret too_large encoded_body expired".split()
# The broken connections of each day, by step: a burst of scanners without TLS, an idle connection that makes room, the probes of a load balancer.
FAULTS = {"tls": [480] * 6, "bad_request": [520, 525], "header_timeout": [530], "headers_too_large": [], "limit": [580, 582], "cut_off": range(2, DAY, 5)}
CONSTANT = {
    "hookgate_kafka_credentials_pending": 0,
    "hookgate_kafka_leaders_unreachable": 0,
    "hookgate_producer_rebuilds_total": 0,
    "hookgate_topics_missing": 0,
    "hookgate_in_flight_deliveries": 0,
    "hookgate_in_flight_deliveries_max": 8192,
    "hookgate_in_flight_bytes": 0,
    "hookgate_in_flight_bytes_max": 67108864,
    # Proxies keep connections open, and nearly all of them are idle.
    "hookgate_connections": 3900,
    "hookgate_connections_max": 4096,
    "hookgate_kafka_queue_bytes": 0,
    "hookgate_kafka_queue_bytes_max": 67108864,
    "hookgate_publish_timeout_seconds": 3.5,
    "hookgate_memory_ceiling_bytes": 380000000,
    "process_resident_memory_bytes": 40000000,
}


def count(start, life, times):
    """Returns a counter of a process that starts at `start`; it rises at these steps."""
    return [sum(time <= step for time in times) for step in range(start, start + life)]


def replica(series, labels, index, start, life, configuration, static):
    """Adds the series of one process from its start to its orderly end. A static one keeps its instance name and is the only replica."""

    def add(name, values, **more):
        series.add(name, labels | more, start, values if isinstance(values, list) else [values] * life)
        if not static:
            series.add(name, labels | more, start + life, [GONE])

    for name, value in CONSTANT.items():
        add(name, value)
    add("hookgate_build_info", 1, version="1")
    add("hookgate_config_info", 1, hash=configuration)
    add("process_start_time_seconds", start * STEP_MINUTES * 60)
    # The last scrape sees the shutdown. At the first scrape a replica beside another one is not ready; a single instance is away only for seconds.
    add("hookgate_ready", [int(static)] + [1] * (life - 2) + [0])
    add("hookgate_kafka_reachable", [int(static)] + [1] * (life - 1))
    add("hookgate_shutdowns_started_total", [0] * (life - 1) + [1])
    # At its start the process has not read the topics' settings yet.
    for guarantee, topics in {"kept": 9, "weak": 0, "unknown": 0}.items():
        at_first = 9 if guarantee == "unknown" else 0
        add("hookgate_topics_guarantee", [at_first] * 2 + [topics] * (life - 2), guarantee=guarantee)
    for reason, steps in FAULTS.items():
        times = [day * DAY + step for day in range(series.length // DAY + 1) for step in steps if start < day * DAY + step < start + life]
        add("hookgate_connection_faults_total", count(start, life, times), reason=reason)
    for use in ("inbound", "kafka_client"):
        add("hookgate_certificate_expiry_timestamp_seconds", 60 * 86400, use=use)
    acknowledged = []
    for endpoint, provider in ENDPOINTS.items():
        mine = [
            (day * DAY + step, outcome)
            for day in range(series.length // DAY + 1)
            for step, outcome, by in DELIVERIES[endpoint]
            if (static or by == index) and start < day * DAY + step < start + life
        ]
        happens = {outcome for _, outcome, _ in DELIVERIES[endpoint]}
        for outcome in sorted(happens.union(NEVER) if endpoint == "review" else happens):
            times = [step for step, it in mine if it == outcome]
            add("hookgate_deliveries_total", count(start, life, times), endpoint=endpoint, provider=provider, outcome=outcome)
        if not provider:
            continue
        proven = [step for step, outcome in mine if outcome in PROVEN]
        acknowledged += [step for step, outcome in mine if outcome in STORED]
        add("hookgate_secret_matches_total", count(start, life, proven), endpoint=endpoint, provider=provider, slot="1")
        last = [max((time for time in proven if time <= step), default=0) * STEP_MINUTES * 60 for step in range(start, start + life)]
        add("hookgate_last_verified_timestamp_seconds", last, endpoint=endpoint, provider=provider)
        if endpoint == "review":
            # After a replay the offset is a day, the age of the replayed delivery, until the next delivery.
            replays = [step for step, outcome in mine if outcome == "stale"]
            newest = lambda times, step: max((time for time in times if time <= step), default=start - 1)
            offsets = [86400 if newest(replays, step) > newest(proven, step) else 1 + index for step in range(start, start + life)]
            add("hookgate_clock_offset_seconds", offsets, endpoint=endpoint, provider=provider)
    for bound in ("0.05", "1", "2", "+Inf"):
        add("hookgate_publish_seconds_bucket", count(start, life, acknowledged), result="acknowledged", le=bound)


def week(days=7):
    """Returns the series of a release on Kubernetes with two replicas and rolling restarts, and of one whose only instance keeps its name."""
    series = Series(days * DAY + 1)
    for day in range(days):
        # The last processes run until after the week.
        longer = DAY if day == days - 1 else 0
        for index in range(2):
            # One after the other, each new one a step before the old one ends. On the fourth day with another configuration.
            start = day * DAY + index * 3 if day else 0
            life = (day + 1) * DAY + index * 3 + 1 - start + longer
            labels = {"namespace": "quiet", "job": "hookgate", "instance": f"pod-{day}-{index}"}
            replica(series, labels, index, start, life, "a" if day < 3 else "b", static=False)
            for broker in "123":
                # The connections to the brokers are idle all day, and each is closed after a minute. One night the brokers are restarted.
                up = [1] * life
                if day == 2:
                    up[150 + 10 * int(broker)], up[151 + 10 * int(broker)] = 0, GONE
                series.add("hookgate_kafka_broker_up", labels | {"broker": broker}, start, up + [GONE])
        labels = {"namespace": "quiet", "job": "systemd", "instance": "machine"}
        replica(series, labels, 0, day * DAY, DAY + longer, "c", static=True)
        series.add("hookgate_kafka_broker_up", labels | {"broker": "1"}, day * DAY, [1] * (DAY + longer))
        # The textfile collector of a node. Not everything can be known, and nothing is missing.
        node = {"namespace": "quiet", "job": "node", "instance": "node", "provider": "uploadcare", "type": "file.deleted"}
        series.add("hookgate_reconcile_missing", node, day * DAY, [0] * (DAY + longer))
        series.add("hookgate_reconcile_unknown", node, day * DAY, [1] * (DAY + longer))
        # It is written every hour. One night two runs fail.
        hour = 60 // STEP_MINUTES
        steps = range(day * DAY, (day + 1) * DAY + longer)
        bad = range(3 * DAY + 2 * hour, 3 * DAY + 4 * hour)
        of = {key: node[key] for key in node if key != "type"}
        last = [bad.start - hour if step in bad else step // hour * hour for step in steps]
        series.add("hookgate_reconcile_timestamp_seconds", of, day * DAY, [step * STEP_MINUTES * 60 for step in last])
        series.add("hookgate_reconcile_failed", of, day * DAY, [int(step in bad) for step in steps])
        series.add("hookgate_subscription_timestamp_seconds", of, day * DAY, [step * STEP_MINUTES * 60 for step in last])
        node = {"namespace": "quiet", "job": "node", "instance": "node", "provider": "uploadcare", "endpoint": "quiet"}
        for name in "off", "refused", "missing":
            series.add(f"hookgate_subscription_{name}", node, day * DAY, [0] * (DAY + longer))
    if days > 4:
        # A longer gap would raise HookgateAbsent.
        series.gap(4 * DAY + 250, 2)
    return series


def promtool(series, names, folder):
    """Returns promtool's report on the alerts that fire in this time, or an empty text if none does."""
    end = f"{(series.length - 1) * STEP_MINUTES}m"
    fired = 'count_over_time(ALERTS{{alertname="{}",alertstate="firing"}}[{}])'
    checks = [{"expr": fired.format(name, end), "eval_time": end, "exp_samples": []} for name in sorted(names)]
    test = {"name": "quiet", "interval": f"{STEP_MINUTES}m", "input_series": series.inputs(), "promql_expr_test": checks}
    document = {"rule_files": [str(FOLDER / "rules.yaml")], "evaluation_interval": f"{STEP_MINUTES}m", "tests": [test]}
    path = pathlib.Path(folder) / "quiet.test.yaml"
    path.write_text(yaml.safe_dump(document, width=10**9))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def main():
    rules = alerts()
    fire_in_time(set(rules))
    series = week()
    given = {name.split("{")[0] for name in series.values}
    for alert, expression in rules.items():
        if missing := set(re.findall(r"\b(?:hookgate|process)_\w+", expression)) - given:
            fail(f"the quiet week has no {', '.join(sorted(missing))}, which {alert} reads")
    with tempfile.TemporaryDirectory() as folder:
        if said := promtool(series, set(rules), folder):
            fail(f"not silent for seven quiet days\n{said}")
        # A week in which no alert could fire would be silent as well. So one with a fault must raise an alert.
        faulty = week(1)
        for name, line in faulty.values.items():
            if name.startswith("hookgate_kafka_broker_up"):
                line[350:360] = [0] * 10
        said = promtool(faulty, set(rules), folder)
        if 'alertname=\\"HookgateBrokerDown\\"' not in said or said.count("exp:") != 1:
            fail(f"brokers that are down must raise HookgateBrokerDown, and nothing else\n{said}")
    print(f"{len(rules)} alerts: each fires within five minutes, and is silent for seven quiet days")


main()
