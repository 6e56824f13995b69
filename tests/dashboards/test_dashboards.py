"""The dashboard and the rules as files: every name known, every panel whole, every file accepted by its own tool."""
import itertools
import json
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from tests.dashboards import queries
from tests.support.server import BIN

DASHBOARD = queries.overview()
PANELS = queries.panels(DASHBOARD)
EXPRESSIONS = list(queries.expressions(DASHBOARD)) + [
    (rule.get("alert") or rule["record"], rule["expr"]) for rule in queries.rules()]
# Counters that are shown as they are, on purpose: the table shows the count since the server's start.
PLAIN_COUNTERS = {("Servers I", "nats_server_slow_consumers_total")}
UNITS = {"none", "short", "mps", "binBps", "bytes", "s", "percentunit", "cps", "ops"}

by_title = pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
by_expression = pytest.mark.parametrize("place,expr", EXPRESSIONS, ids=[place for place, _ in EXPRESSIONS])


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=queries.FOLDER, timeout=60)
    return done.returncode, done.stdout + done.stderr


# Names.

def test_reading_of_queries():
    expr = ('60 * sum by (reason) (rate(a_total{job=~"$job"}[5m]) or label_replace(vector(0), "x", "y", "", "")) '
            '/ on (nats_server) group_left () b:c:ratio offset 5m > 1')
    assert queries.metrics_of(expr) == {"a_total", "b:c:ratio"}
    assert queries.rated(expr) == {"a_total"} and queries.plain(expr) == {"b:c:ratio"}
    assert queries.labels_of(expr) == {"reason", "job", "nats_server"}


def test_every_row_of_the_table_is_read():
    assert len(queries.table()) == queries.rows() > 50


def test_table_is_read_as_the_server_lists_it():
    server = BIN / "clearwing"
    if not server.exists():
        pytest.skip("the server is not built")
    listed = subprocess.run([server, "--list-metrics"], capture_output=True, text=True, check=True, timeout=10).stdout
    assert set(queries.table()) == set(re.findall(r"^\| `(\w+)`", listed, re.M))


@by_expression
def test_metrics_are_known(place, expr):
    used = queries.metrics_of(expr)
    assert used, "no metric found in the query"
    assert not used - set(queries.known_metrics()), "not in broker/metrics.def"


@by_expression
def test_labels_are_known(place, expr):
    assert not queries.labels_of(expr) - queries.LABELS


@by_expression
def test_rates_are_of_counters_and_values_of_gauges(place, expr):
    kinds = queries.known_metrics()
    assert {kinds[name] for name in queries.rated(expr)} <= {"counter"}
    shown = {name for name in queries.plain(expr) if kinds[name] == "counter"}
    assert {(place, name) for name in shown} <= PLAIN_COUNTERS


@by_expression
def test_no_irate(place, expr):
    assert "irate(" not in expr


@pytest.mark.parametrize("place,expr", list(queries.expressions(DASHBOARD)))
def test_windows_are_grafanas(place, expr):
    assert set(re.findall(r"\[[^\]]*\]", expr)) <= {"[$__rate_interval]", "[$__range]"}


@pytest.mark.parametrize("place,expr", list(queries.expressions(DASHBOARD)))
def test_servers_are_chosen_by_the_variables(place, expr):
    for name, selector in re.findall(r"\b(nats_\w+)(\{[^}]*\}|)(?=[^\w,)]|\))", expr):
        if name in queries.LABELS:
            continue
        assert selector == '{job=~"$job",nats_cluster=~"$cluster",nats_server=~"$server"}', name


# Shape.

def test_dashboard_is_what_its_maker_makes():
    status, output = run(sys.executable, "make_overview.py", "--check")
    assert status == 0, output


def test_a_changed_dashboard_is_found(tmp_path):
    for name in ("make_overview.py", "overview.json"):
        (tmp_path / name).write_text((queries.FOLDER / name).read_text())
    with open(tmp_path / "overview.json", "a") as file:
        file.write(" ")
    status, output = run(sys.executable, tmp_path / "make_overview.py", "--check")
    assert status == 1 and "run dashboards/make_overview.py" in output


def test_frame():
    assert DASHBOARD["uid"] == "nats-overview" and DASHBOARD["schemaVersion"] == 39 and DASHBOARD["version"] == 1
    assert "id" not in DASHBOARD and "__inputs" not in DASHBOARD
    assert "nats" in DASHBOARD["tags"] and DASHBOARD["graphTooltip"] == 1 and DASHBOARD["liveNow"] is False
    text = queries.OVERVIEW.read_text()
    assert len(text) < 200_000 and "\t" not in text and " \n" not in text
    assert len(PANELS) <= 30


def test_panels_lie_on_the_grid_without_overlap():
    places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARD["panels"]]
    for title, at in places:
        assert at["x"] >= 0 and at["y"] >= 0 and at["w"] > 0 and at["h"] > 0 and at["x"] + at["w"] <= 24, title
    for (one, a), (other, b) in itertools.combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, f"{one} and {other} overlap"
    covered = sum(at["w"] * at["h"] for _, at in places)
    assert covered == 24 * max(at["y"] + at["h"] for _, at in places), "a hole in the grid"
    assert max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in PANELS[:9]) <= 20, "the first screen is too tall"


def test_ids_are_unique():
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers) and len(set(titles)) == len(titles)


GRAFANA = pathlib.Path(__file__).with_name("grafana")
needs_node = pytest.mark.skipif(not (GRAFANA / "node_modules").exists(),
                                reason="npm ci --ignore-scripts in tests/dashboards/grafana first")


@needs_node
def test_grafanas_own_types_accept_it():
    status, output = run("node", GRAFANA / "check_schema.mjs", queries.OVERVIEW)
    assert status == 0, output


@needs_node
def test_grafanas_own_types_refuse_a_wrong_one(tmp_path):
    wrong = queries.overview()
    wrong["panels"][0]["options"]["graphMode"] = "arena"
    wrong["panels"][0]["colour"] = "red"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    status, output = run("node", GRAFANA / "check_schema.mjs", tmp_path / "wrong.json")
    assert status == 1 and "graphMode" in output and "colour" in output


@by_title
def test_queries_have_only_keys_that_grafana_reads(panel):
    keys = {"datasource", "editorMode", "expr", "legendFormat", "refId", "range", "instant", "format"}
    for target in panel["targets"]:
        assert set(target) <= keys and (target.get("range") or target.get("instant"))


@by_title
def test_panel_is_whole(panel):
    assert panel["type"] in {"stat", "timeseries", "table"}
    assert 0 < len(panel["title"]) <= 40
    assert 60 <= len(panel["description"]) <= 600 and panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    assert defaults["thresholds"]["steps"][0]["value"] is None
    limits = [step["value"] for step in defaults["thresholds"]["steps"][1:]]
    assert limits == sorted(limits)
    references = [target["refId"] for target in panel["targets"]]
    assert references and len(set(references)) == len(references)
    assert all(target["legendFormat"] for target in panel["targets"])
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"] and panel["options"]["tooltip"]["mode"] == "multi"
        drawn = defaults["custom"]["thresholdsStyle"]["mode"]
        assert (drawn == "off") == (not limits), "thresholds drawn without limits, or limits not drawn"


def test_data_source_is_the_variable_everywhere():
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    owners = PANELS + [target for panel in PANELS for target in panel["targets"]]
    owners += DASHBOARD["annotations"]["list"]
    owners += [item for item in DASHBOARD["templating"]["list"] if item["type"] == "query"]
    assert all(owner["datasource"] == wanted for owner in owners)
    assert DASHBOARD["templating"]["list"][0]["name"] == "datasource"


def test_variables_are_defined_and_used():
    defined = {item["name"] for item in DASHBOARD["templating"]["list"]}
    text = queries.OVERVIEW.read_text()
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert used == defined


def test_legends_name_labels_that_the_query_keeps():
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = set(re.split(r"[,\s]+", ",".join(re.findall(r"\bby \(([^)]*)\)", target["expr"]))))
            assert named <= kept, f"{panel['title']}: {target['legendFormat']}"


# The files that go with it.

def test_rules_are_accepted():
    status, output = run("promtool", "check", "rules", "alerts.yml")
    assert status == 0 and "SUCCESS" in output, output


def test_rules_do_as_their_tests_say():
    status, output = run("promtool", "test", "rules", "alerts_test.yml")
    assert status == 0, output


def test_a_wrong_rule_is_found(tmp_path):
    (tmp_path / "alerts.yml").write_text((queries.RULES).read_text().replace("> 2\n", "> 20\n"))
    (tmp_path / "alerts_test.yml").write_text((queries.FOLDER / "alerts_test.yml").read_text())
    status, output = run("promtool", "test", "rules", tmp_path / "alerts_test.yml")
    assert status != 0 and "NatsServerFlapping" in output


def test_scrape_configuration_is_accepted():
    status, output = run("promtool", "check", "config", "prometheus.yml")
    assert status == 0 and "SUCCESS" in output, output


def test_every_alert_is_tested_and_explained():
    tested = (queries.FOLDER / "alerts_test.yml").read_text()
    page = (queries.ROOT / "docs" / "dashboards.md").read_text()
    sections = {heading.lower() for heading in re.findall(r"^### (\w+)$", page, re.M)}
    alerts = [rule for rule in queries.rules() if "alert" in rule]
    assert len(alerts) >= 10
    for rule in alerts:
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "action", "runbook", "dashboard"}, rule["alert"]
        assert notes["dashboard"] == DASHBOARD["uid"]
        assert notes["runbook"] == "docs/dashboards.md#" + rule["alert"].lower()
        assert rule["alert"].lower() in sections, f"docs/dashboards.md has no section {rule['alert']}"
        assert rule["alert"] in tested, f"alerts_test.yml does not test {rule['alert']}"


def test_every_row_is_explained():
    page = (queries.ROOT / "docs" / "dashboards.md").read_text()
    for panel in DASHBOARD["panels"]:
        if panel["type"] == "row":
            assert f"| {panel['title']} |" in page


def test_provisioning_agrees_with_the_rest():
    read = {name: yaml.safe_load((queries.FOLDER / name).read_text()) for name in (
        "prometheus.yml", "provisioning/datasources/prometheus.yml", "provisioning/dashboards/nats.yml")}
    scrape, source, provider = read.values()
    [source], [provider] = source["datasources"], provider["providers"]
    assert source["jsonData"]["timeInterval"] == scrape["global"]["scrape_interval"]
    assert provider["type"] == "file" and not provider["allowUiUpdates"]
    readme = (queries.FOLDER / "README.md").read_text()
    assert provider["options"]["path"] in readme
    jobs = [job["job_name"] for job in scrape["scrape_configs"]]
    down = next(rule["expr"] for rule in queries.rules() if rule.get("alert") == "NatsScrapeFailing")
    pattern = re.search(r'job=~"([^"]+)"', down).group(1)
    assert all(re.fullmatch(pattern, job) for job in jobs), "the alert would not see this job"
