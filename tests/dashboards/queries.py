"""What the dashboard and the rules ask: their queries, the metrics and labels in them, and the metrics there are.

Queries are read with a few patterns, not with a full parser: promtool and Prometheus judge the grammar, this module
only has to find names. A name it cannot place is an unknown metric, so a query that it misreads makes a test fail.
"""
import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "dashboards"
OVERVIEW = FOLDER / "overview.json"
RULES = FOLDER / "alerts.yml"

UNIT_SUFFIX = {"NONE": "", "BYTES": "_bytes", "SECONDS": "_seconds", "NS": "_seconds", "DURATION": "_seconds",
               "TIME": "_seconds", "PERCENT": "_cores", "CORES": "_cores", "RATIO": "_ratio"}

PROMETHEUS = {"up": "gauge", "ALERTS": "gauge"}
LABELS = {"job", "instance", "nats_cluster", "nats_server", "version", "reason", "le", "alertname", "alertstate"}

# A row of the table: field, sometimes a scope, kind, unit, sometimes how workers combine, name.
ROW = re.compile(r'^METRIC_\w+\s*\(\s*\w+\s*,(?:\s*[A-Z_]+\s*,)?\s*(COUNTER|GAUGE)\s*,\s*(\w+)\s*,'
                 r'(?:\s*(?:SUM|MAX)\s*,)?\s*"([^"]+)"', re.M)
DISTRIBUTIONS = {"nats_connections_rtt_seconds", "nats_connections_queue_bytes"}


def table():
    """The metrics of broker/metrics.def: Prometheus name to kind."""
    names = {}
    for kind, unit, name in ROW.findall((ROOT / "broker" / "metrics.def").read_text()):
        suffix = UNIT_SUFFIX[unit] + ("_total" if kind == "COUNTER" else "")
        names[name + suffix] = kind.lower()
    return names


def rows():
    """How many rows the table has; each must have been read by table()."""
    return len(re.findall(r"^METRIC_\w+\s*\(", (ROOT / "broker" / "metrics.def").read_text(), re.M))


def known_metrics():
    recorded = {rule["record"]: "gauge" for rule in rules() if "record" in rule}
    buckets = {name + "_bucket": "gauge" for name in DISTRIBUTIONS & set(table())}
    return table() | buckets | PROMETHEUS | recorded


def overview():
    return json.loads(OVERVIEW.read_text())


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels(dashboard):
    """The panels that show something; rows are left out."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard):
    """Every query of the dashboard with the name of its place."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]


def _bare(expr):
    """The query without what is no metric: strings, selectors, windows, label lists, variables."""
    expr = re.sub(r'"[^"]*"', '""', expr)
    expr = re.sub(r"\{[^}]*\}", "", expr)
    expr = re.sub(r"\[[^\]]*\]", "", expr)
    return re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", expr)


def metrics_of(expr):
    bare = re.sub(r"\b(offset)\s+\w+", "", _bare(expr))
    words = re.findall(r"[a-zA-Z_][\w:]*(?!\w)(?!\s*\()", bare)
    keywords = {"or", "and", "unless", "bool", "by", "without", "sum", "max", "min", "count"}
    return {word for word in words if word not in keywords}


def labels_of(expr):
    lists = re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", expr)
    selectors = re.findall(r"\{([^}]*)\}", expr)
    names = {name.strip() for text in lists for name in text.split(",") if name.strip()}
    return names | {name for text in selectors for name in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", text)}


def rated(expr):
    """The metrics whose growth is asked for."""
    return set(re.findall(r"\b(?:rate|increase)\((\w+)", expr))


def plain(expr):
    """The metrics whose value itself is asked for."""
    return metrics_of(re.sub(r"\b(?:rate|increase)\(\w+", "(", expr))
