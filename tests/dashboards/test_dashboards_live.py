"""The dashboard asked of a real Prometheus: every query answers while servers work, and the first screen is right.

Two scenes. "stock": a nats-server behind clearwing-exporter. "clearwing": one Clearwing scraped twice, by the exporter
and directly, so that each way is tried alone and both together, when it must still count once.
"""
import contextlib
import math
import signal
import time

import pytest

from tests.dashboards import queries, stack
from tests.support.server import Server

DASHBOARD = queries.overview()
TARGETS = {(panel["title"], target["refId"]): target
           for panel in queries.panels(DASHBOARD) for target in panel["targets"]}
SCRAPES = 7

# What a way of scraping cannot tell, panel by panel; anything else must answer. Short, and explained in
# docs/dashboards.md under "Some panels need more".
NOT_TOLD = {
    ("stock", "nats-exporter"): {"Stalls and stale connections / min", "Messages nobody got / min",
                                 "Refused clients / min"},
    ("clearwing", "nats-exporter"): set(),
    ("clearwing", "clearwing"): set(),
    ("clearwing", "All"): set(),
}


@contextlib.contextmanager
def scene(kind):
    """One server, under a name: without one the exporter calls it by its address and its own /metrics by its id."""
    with stack.folder() as folder, Server(kind, "--name", "nats-1") as server, \
            stack.exporter(folder, server) as exporter:
        targets = {"nats-exporter": exporter}
        if kind == "clearwing":
            targets["clearwing"] = server.monitor.removeprefix("http://")
        with stack.Load(server) as load, stack.prometheus(folder, targets) as prometheus:
            prometheus.server, prometheus.kind, prometheus.load = server, kind, load
            wait_for_scrapes(prometheus, targets)
            yield prometheus
            assert not load.failures, load.failures


def wait_for_scrapes(prometheus, jobs):
    """Until every job was scraped often enough for a rate, and the clients' round trips are known."""
    deadline = time.monotonic() + 60
    while True:
        counts = {item["metric"]["job"]: int(item["value"][1]) for item in prometheus.instant(
            "count_over_time(up[1h]) and on (job) up == 1")}
        if all(counts.get(job, 0) >= SCRAPES for job in jobs):
            return
        assert time.monotonic() < deadline, f"scrapes so far: {counts}, {prometheus.api('targets')['activeTargets']}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def scenes():
    """Scenes by kind, each built when first asked for and then kept."""
    with contextlib.ExitStack() as open_scenes:
        built = {}

        def get(kind):
            if kind not in built:
                built[kind] = open_scenes.enter_context(scene(kind))
            return built[kind]

        yield get


WAYS = pytest.mark.parametrize("kind,job", list(NOT_TOLD))


def choose(prometheus, job):
    return prometheus.variables(DASHBOARD, **({} if job == "All" else {"job": job}))


def finite(series):
    values = series.get("values") or [series["value"]]
    return [float(value) for _, value in values if math.isfinite(float(value))]


@WAYS
@pytest.mark.parametrize("title,ref", list(TARGETS))
def test_query_answers(scenes, kind, job, title, ref):
    prometheus = scenes(kind)
    target = TARGETS[title, ref]
    ask = prometheus.instant if target.get("instant") else prometheus.range
    answer = ask(target["expr"], **choose(prometheus, job))
    if title in NOT_TOLD[kind, job]:
        assert not answer, f"{title} answers now: take it off the list"
        return
    assert answer and any(finite(series) for series in answer), f"no data: {target['expr']}"
    if target.get("instant"):
        return
    for series in answer:
        assert len(answer) < 50
        for label in set(stack.labels_of_legend(target["legendFormat"])):
            assert label in series["metric"], f"{label} is missing in {series['metric']}"


@WAYS
def test_annotations_are_valid(scenes, kind, job):
    prometheus = scenes(kind)
    for annotation in DASHBOARD["annotations"]["list"]:
        assert prometheus.range(annotation["expr"], **choose(prometheus, job)) == [], annotation["name"]


@WAYS
def test_first_screen_is_right(scenes, kind, job):
    prometheus = scenes(kind)
    chosen = choose(prometheus, job)

    def shown(title):
        [series] = prometheus.instant(TARGETS[title, "A"]["expr"], **chosen)
        return float(series["value"][1])

    assert shown("Servers up") == 1 and shown("Servers down") == 0
    assert shown("Alerts firing") == 0 and shown("Health") == 1
    assert 3 <= shown("Connections") <= 5
    sent = 6 * stack.Load.RATE
    assert sent / 2 < shown("Messages in / s") < sent * 1.5
    assert shown("Messages out / s") > 0
    assert shown("Slow consumers") == 0


@WAYS
def test_closed_connections_count_once(scenes, kind, job):
    """The two sources spell the reasons differently, so that adding both would double the total."""
    prometheus = scenes(kind)
    answer = prometheus.instant(TARGETS["Closed connections / min by reason", "A"]["expr"], **choose(prometheus, job))
    opened = prometheus.instant("60 * max(rate(nats_server_connections_opened_total[8s]))")
    closed = sum(float(series["value"][1]) for series in answer)
    assert closed > 0 and abs(closed / float(opened[0]["value"][1]) - 1) < 0.3, answer


@WAYS
def test_table_has_one_line_per_server(scenes, kind, job):
    prometheus = scenes(kind)
    chosen = choose(prometheus, job)
    for target in next(p for p in queries.panels(DASHBOARD) if p["title"] == "Servers")["targets"]:
        answer = prometheus.instant(target["expr"], **chosen)
        assert len(answer) == 1, f"{target['legendFormat']}: {answer}"
        assert set(answer[0]["metric"]) <= {"nats_server", "nats_cluster", "version"}


@pytest.mark.parametrize("kind", ["stock", "clearwing"])
def test_kinds_are_as_the_rules_take_them(scenes, kind):
    """rate() only where the exposition itself says counter or histogram."""
    metadata = scenes(kind).api("metadata")
    for name, said in queries.known_metrics().items():
        if name in metadata:
            wanted = {"gaugehistogram"} if name in queries.DISTRIBUTIONS else {said}
            assert {entry["type"] for entry in metadata[name]} == wanted, name


@pytest.mark.parametrize("kind", ["stock", "clearwing"])
def test_rules_run_without_error(scenes, kind):
    groups = scenes(kind).api("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(queries.rules())
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []


@pytest.mark.parametrize("kind", ["stock", "clearwing"])
def test_a_server_that_dies_is_shown(scenes, kind):
    """Last of all: the scene's server is killed, and the first screen says so."""
    prometheus = scenes(kind)
    chosen = choose(prometheus, "All")
    prometheus.load.__exit__()
    prometheus.server.stop(signal.SIGKILL)
    scraped, alerts = (2, {"NatsServerDown", "NatsScrapeFailing"}) if kind == "clearwing" else (1, {"NatsServerDown"})
    deadline = time.monotonic() + 20
    while True:
        values = [float(prometheus.instant(TARGETS[title, "A"]["expr"], **chosen)[0]["value"][1])
                  for title in ("Servers up", "Servers down")]
        pending = {rule["name"] for group in prometheus.api("rules")["groups"] for rule in group["rules"]
                   if rule.get("state") == "pending"}
        if values == [0, scraped] and pending == alerts:
            return
        assert time.monotonic() < deadline, f"up and down: {values}, alerts: {pending}"
        time.sleep(0.2)
