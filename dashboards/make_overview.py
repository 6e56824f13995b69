#!/usr/bin/env python3
"""Writes overview.json, the Grafana dashboard that answers "is it fine, and if not, where do I look?".

The panels are listed below in the order they are seen: one function per row of the dashboard, each panel with its
query, its unit and the text behind its "i". What all panels of a kind share (data source, legend, tooltip, colours)
is said once, at the top. Run it without arguments after a change; `--check` only says whether overview.json is fresh.

Rules every query keeps, and tests/dashboards holds:
  - {S} picks the chosen jobs, clusters and servers; {R} is Grafana's own rate window, never a fixed one.
  - A server that two jobs scrape (the exporter and the broker's own /metrics) counts once: the inner step of each
    query is PER_SERVER.
  - "or vector(0)" only where no series really means zero. What a server does not offer stays empty, and the panel
    says so.
  - No query needs the recording rules of alerts.yml, so the dashboard works alone.
"""
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).with_name("overview.json")
DOCS = "docs/dashboards.md"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# What the queries below abbreviate. PER_SERVER is one series per server, however many jobs scrape it.
ABBREVIATIONS = {
    "{S}": '{job=~"$job",nats_cluster=~"$cluster",nats_server=~"$server"}',
    "{R}": "[$__rate_interval]",
    "PER_SERVER": "max by (nats_cluster, nats_server)",
}

RED, ORANGE, BLUE, GREEN = "#C4162A", "#FA6400", "#1F60C4", "#37872D"
NONE = "transparent"


def query(text):
    """Writes the abbreviations of a query out."""
    for short, long in ABBREVIATIONS.items():
        text = text.replace(short, long)
    return text


def steps(base, *limits):
    """Thresholds: the colour below the first limit, then (limit, colour) pairs."""
    return {"mode": "absolute",
            "steps": [{"color": base, "value": None}] + [{"color": c, "value": v} for v, c in limits]}


def target(ref, expr, legend, **more):
    return {"datasource": DATASOURCE, "editorMode": "code", "expr": query(expr), "legendFormat": legend,
            "refId": ref, **more}


def targets(pairs, **more):
    return [target(chr(ord("A") + i), expr, legend, **more) for i, (expr, legend) in enumerate(pairs)]


def panel(kind, title, description, **more):
    return {"type": kind, "title": title, "description": description, "datasource": DATASOURCE, **more}


def stat(title, description, expr, unit="none", thresholds=None, mappings=None, empty=None, trend="area"):
    """One coloured number of the first screen."""
    defaults = {"unit": unit, "color": {"mode": "thresholds"}, "mappings": mappings or [],
                "thresholds": thresholds or steps(BLUE, (1, GREEN))}
    if empty:
        defaults["noValue"] = empty
    options = {"colorMode": "background", "graphMode": trend, "justifyMode": "auto",
               "orientation": "auto", "textMode": "value", "wideLayout": True, "showPercentChange": False,
               "percentChangeColorMode": "standard",
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return panel("stat", title, description, fieldConfig={"defaults": defaults, "overrides": []}, options=options,
                 targets=[target("A", expr, title, range=True)])


def custom(thresholds_style="off", stacked=False, bars=False):
    """How the lines of a graph are drawn."""
    return {"axisBorderShow": False, "axisCenteredZero": False, "axisColorMode": "text", "axisLabel": "",
            "axisPlacement": "auto", "drawStyle": "bars" if bars else "line", "fillOpacity": 40 if stacked else 10,
            "gradientMode": "none", "lineInterpolation": "linear", "lineWidth": 1, "pointSize": 5,
            "scaleDistribution": {"type": "linear"}, "showPoints": "never", "spanNulls": False,
            "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
            "thresholdsStyle": {"mode": thresholds_style}}


def graph(title, description, unit, *series, thresholds=None, low=0, high=None, stacked=False, bars=False,
          overrides=(), empty=None, anomaly=None, reach=None):
    """A graph; series are (query, legend) pairs. `empty` is shown when the servers do not offer the figure. `anomaly`
    is the colour of what should be 0: no area is coloured then, since an empty axis would be all alarm. The axis goes
    up to `reach` at least, so that noise does not look like a mountain."""
    style = "line+area" if thresholds else "off"
    defaults = {"unit": unit, "color": {"mode": "palette-classic-by-name"}, "custom": custom(style, stacked, bars),
                "mappings": [], "thresholds": thresholds or steps(NONE)}
    if anomaly:
        defaults["color"] = {"mode": "shades", "fixedColor": anomaly}
    if reach or anomaly:
        defaults["custom"]["axisSoftMax"] = reach or 1
    if low is not None:
        defaults["min"] = low
    if high is not None:
        defaults["max"] = high
    if empty:
        defaults["noValue"] = empty
    return panel("timeseries", title, description,
                 fieldConfig={"defaults": defaults, "overrides": list(overrides)},
                 options={"legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
                          "tooltip": {"mode": "multi", "sort": "desc"}},
                 targets=targets(series, range=True))


def override(pattern, *properties):
    """Fixes the look of all series whose legend matches the pattern."""
    return {"matcher": {"id": "byRegexp", "options": f"/{pattern}/"},
            "properties": [{"id": name, "value": value} for name, value in properties]}


def shades(pattern, colour):
    return override(pattern, ("color", {"mode": "shades", "fixedColor": colour}))


IN_AND_OUT = (shades("\\bin$", "green"), shades("\\bout$", "blue"))
UNSEEN_NONE = override("^none$", ("custom.hideFrom", {"legend": True, "tooltip": True, "viz": False}))
UP_OR_DOWN = [{"type": "value", "options": {"0": {"text": "DOWN", "color": RED, "index": 0},
                                            "1": {"text": "UP", "color": GREEN, "index": 1}}}]
OK_OR_FAIL = [{"type": "value", "options": {"0": {"text": "FAIL", "color": RED, "index": 0},
                                            "1": {"text": "OK", "color": GREEN, "index": 1}}}]
NOT_OFFERED = "not offered by these servers"


def first_screen():
    """Eight numbers: green is fine, red is where to look."""
    return [
        stat("Servers up", "Servers that answered the last scrape. **Normal:** all of yours. **Red:** none answers; "
             "look whether the exporter, or only the network to it, is gone.",
             "count(PER_SERVER (nats_server_info{S})) or vector(0)", thresholds=steps(RED, (1, GREEN))),
        stat("Servers down", "Servers that an exporter could not reach, plus scrapes that Prometheus itself could not "
             "make (the exporter, or a Clearwing server scraped directly). **Normal:** 0. **Else:** see the table "
             "below for which one, then that machine's log.",
             '(count(PER_SERVER (nats_up{S}) == 0) or vector(0)) + (count(up{job=~"$job"} == 0) or vector(0))',
             thresholds=steps(GREEN, (1, RED))),
        stat("Alerts firing", "Alerts of alerts.yml that fire now; 0 also when the rules are not loaded. Their texts "
             "say why they fired and what to do.",
             'count(ALERTS{alertname=~"Nats.*",alertstate="firing"}) or vector(0)',
             thresholds=steps(GREEN, (1, ORANGE), (5, RED))),
        stat("Health", "The worst answer of the servers' own /healthz. **FAIL:** open /healthz on each server, it "
             "names the reason.",
             'min(nats_server_health_status{S})', thresholds=steps(RED, (1, GREEN)),
             mappings=OK_OR_FAIL, empty="not asked"),
        stat("Connections", "Client connections now, on all chosen servers. A step down without a deploy: look at "
             "CLIENTS for the reason of the closes.",
             "sum(PER_SERVER (nats_server_connections{S})) or vector(0)", unit="short"),
        stat("Messages in / s", "Messages received per second, from clients, routes, gateways and leafs: in a cluster "
             "a message counts once per server it passes.",
             "sum(PER_SERVER (rate(nats_server_received_messages_total{S}{R}))) or vector(0)", unit="mps"),
        stat("Messages out / s", "Messages sent per second, once per recipient. Far below **Messages in**: most "
             "messages have no subscriber.",
             "sum(PER_SERVER (rate(nats_server_sent_messages_total{S}{R}))) or vector(0)", unit="mps"),
        stat("Slow consumers", "Connections cut off, in the time range shown, because they read more slowly "
             "than messages arrived. Each one lost messages. **Normal:** 0. **Else:** see PROBLEMS, find the client "
             "in /connz?sort=pending or the log, make it faster or spread it over a queue group.",
             "sum(PER_SERVER (increase(nats_server_slow_consumers_total{S}[$__range]))) or vector(0)",
             thresholds=steps(GREEN, (1, RED)), trend="none"),
    ]


def server_table():
    """One line per server: is it up, which version, how loaded."""
    columns = [
        ("State", "PER_SERVER (nats_up{S} or nats_server_info{S})", "none", None),
        ("Version", "max by (nats_cluster, nats_server, version) (nats_server_info{S})", None, None),
        ("Uptime", "time() - PER_SERVER (nats_server_start_time_seconds{S})", "s", None),
        ("CPU", "PER_SERVER (nats_server_cpu_usage_cores{S} / nats_server_cpu_cores{S})", "percentunit",
         steps(NONE, (0.7, ORANGE), (0.9, RED))),
        ("Memory", "PER_SERVER (nats_server_memory_resident_bytes{S})", "bytes", None),
        ("Connections", "PER_SERVER (nats_server_connections{S})", "short", None),
        ("Of limit", "PER_SERVER (nats_server_connections{S} / (nats_server_connections_limit{S} > 0))", "percentunit",
         steps(NONE, (0.8, ORANGE), (0.95, RED))),
        ("Subscriptions", "PER_SERVER (nats_server_subscriptions{S})", "short", None),
        ("Slow consumers", "PER_SERVER (nats_server_slow_consumers_total{S})", "short", steps(NONE, (1, ORANGE))),
    ]
    refs = [chr(ord("A") + i) for i in range(len(columns))]
    overrides = []
    for title, _, unit, thresholds in columns:
        properties = [{"id": "unit", "value": unit}] if unit else []
        if unit == "percentunit":
            properties.append({"id": "decimals", "value": 1})
        if thresholds:
            properties += [{"id": "thresholds", "value": thresholds},
                           {"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}}]
        if title == "State":
            properties += [{"id": "mappings", "value": UP_OR_DOWN},
                           {"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}}]
        if properties:
            overrides.append({"matcher": {"id": "byName", "options": title}, "properties": properties})
    renames = {f"Value #{ref}": title for ref, (title, *_) in zip(refs, columns) if title != "Version"}
    renames |= {"nats_server": "Server", "nats_cluster": "Cluster", "version": "Version"}
    order = ["nats_server", "Value #A", "nats_cluster", "version"] + [f"Value #{ref}" for ref in refs[2:]]
    return panel(
        "table", "Servers", "One line per server. CPU is the share of all cores, **Of limit** that of max_connections; "
        "slow consumers are counted since the server's start. A line with only its name and DOWN belongs to a server "
        "that the exporter cannot reach.",
        fieldConfig={"defaults": {"unit": "none", "mappings": [], "thresholds": steps(NONE),
                                  "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}},
                     "overrides": overrides},
        options={"cellHeight": "sm", "frameIndex": 0, "showHeader": True,
                 "sortBy": [{"displayName": "Server", "desc": False}]},
        targets=[target(ref, expr, title, format="table", instant=True, range=False)
                 for ref, (title, expr, *_) in zip(refs, columns)],
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True, "Value #B": True},
                                           "indexByName": {name: i for i, name in enumerate(order)},
                                           "renameByName": renames}}])


def servers():
    return [
        server_table(),
        graph("CPU by server", "Share of all cores that the server uses. **Orange** above 70 %, **red** above 90 %: "
              "spread the clients over more servers, or look at TRAFFIC for the fan-out that costs it.",
              "percentunit", ("PER_SERVER (nats_server_cpu_usage_cores{S} / nats_server_cpu_cores{S})",
                              "{{nats_server}}"),
              thresholds=steps(NONE, (0.7, ORANGE), (0.9, RED))),
        graph("Memory by server", "Resident memory. **Normal:** follows the connections and the queues. Steady growth "
              "under a steady load is a leak or a subscriber that falls behind: compare with the largest queue in "
              "PROBLEMS.",
              "bytes", ("PER_SERVER (nats_server_memory_resident_bytes{S})", "{{nats_server}}")),
    ]


def traffic():
    received = "PER_SERVER (rate(nats_server_received_messages_total{S}{R}))"
    sent = "PER_SERVER (rate(nats_server_sent_messages_total{S}{R}))"
    received_bytes = "PER_SERVER (rate(nats_server_received_bytes_total{S}{R}))"
    sent_bytes = "PER_SERVER (rate(nats_server_sent_bytes_total{S}{R}))"
    return [
        graph("Messages / s in (up) and out (down)", "Messages received above the line, sent below it; clients, "
              "routes, gateways and leafs together. A server that receives and sends nothing while its neighbours "
              "work has lost its clients or its routes.",
              "mps", (received, "{{nats_server}} in"), ("-" + sent, "{{nats_server}} out"), low=None,
              overrides=IN_AND_OUT),
        graph("Bytes / s in (up) and out (down)", "Bytes of messages, the same scope. Near the speed of the network "
              "card: queues grow next.",
              "binBps", (received_bytes, "{{nats_server}} in"), ("-" + sent_bytes, "{{nats_server}} out"), low=None,
              overrides=IN_AND_OUT),
        graph("Mean message size", "Bytes per message received. A sudden rise: somebody began to send large "
              "messages; a gap: nothing was received.",
              "bytes", (f"sum({received_bytes}) / (sum({received}) > 0)", "in"),
              (f"sum({sent_bytes}) / (sum({sent}) > 0)", "out"), overrides=IN_AND_OUT),
        graph("Delivery factor (out / in)", "How many recipients a message has on average. **0:** messages arrive "
              "and nobody listens. A rise multiplies the work of the server. A gap: nothing was received.",
              "short", (f"{sent} / ({received} > 0)", "{{nats_server}}")),
    ]


def clients():
    # The two sources spell the reasons differently, so a server's own count leaves no room for the exporter's.
    own = "max by (nats_cluster, nats_server, reason) (rate(nats_server_connections_closed_total{S}{R}))"
    seen = "max by (nats_cluster, nats_server, reason) (rate(nats_connections_closed_total{S}{R}))"
    closed = f"sum by (reason) ({own} or ({seen} unless on (nats_cluster, nats_server) {own}))"
    return [
        graph("Connections by server", "Client connections. **Normal:** evenly spread over the servers of a cluster. "
              "How near to the limit they are is in the table above.",
              "short", ("PER_SERVER (nats_server_connections{S})", "{{nats_server}}")),
        graph("Connects / s", "New client connections per second. **Normal:** near 0 between deploys. Steadily high: "
              "clients connect anew for each message, or are refused and try again; see the reasons beside.",
              "cps", ("PER_SERVER (rate(nats_server_connections_opened_total{S}{R}))", "{{nats_server}}"),
              thresholds=steps(NONE, (20, ORANGE))),
        graph("Subscriptions", "Subscriptions now. Growth that never ends while the connections stay: a client "
              "subscribes without unsubscribing.",
              "short", ("PER_SERVER (nats_server_subscriptions{S})", "{{nats_server}}")),
        graph("Closed connections / min by reason", "Why connections ended. A client that closed is normal; a slow "
              "consumer lost messages, an authentication failure was refused, a stale connection stopped answering. "
              "Counted by Clearwing itself; for other servers by the exporter, from the list of closed connections.",
              "short", (f"60 * ({closed} > 0 or " 'label_replace(vector(0), "reason", "none", "", ""))', "{{reason}}"),
              stacked=True, bars=True, overrides=[UNSEEN_NONE]),
        graph("Round-trip time of clients", "Round trip of the last PING to each client, as quantiles over the "
              "connections of now. p99 above 100 ms: a slow network, or clients too busy to answer.",
              "s", *[("histogram_quantile(%s, sum by (le) (nats_connections_rtt_seconds_bucket{S}))" % q,
                      f"p{int(q * 100)}") for q in (0.5, 0.9, 0.99)],
              thresholds=steps(NONE, (0.1, ORANGE), (1, RED)), empty="no clients"),
    ]


def problems():
    def rate(metric, legend):
        return "60 * PER_SERVER (rate(" + metric + "{S}{R}))", legend

    return [
        graph("Slow consumers / min", "Connections cut off because they read too slowly. Each one lost what was "
              "queued to it. **Normal:** 0. Find the client in the log or /connz?state=closed, then make it faster, "
              "spread its work over a queue group, or raise max_pending if it only has bursts.",
              "short", rate("nats_server_slow_consumers_total", "{{nats_server}}"), anomaly="red"),
        graph("Largest queue of a connection", "The longest queue of one connection, as a share of max_pending, where "
              "it is cut off. **Normal:** near 0. Above 25 %: that client is behind, now is the time to act; "
              "/connz?sort=pending names it.",
              "percentunit", ("PER_SERVER (nats_connections_pending_bytes_max{S} / nats_server_max_pending_bytes{S})",
                              "{{nats_server}}"),
              thresholds=steps(NONE, (0.25, ORANGE), (0.75, RED)), reach=0.1),
        graph("Stalls and stale connections / min", "**Stalled:** a publisher was held back because a subscriber's "
              "queue was nearly full. **Stale:** a connection was closed because it did not answer PINGs. Counted by "
              "Clearwing and by nats-server 2.12 and later.",
              "short", rate("nats_server_stalled_clients_total", "stalled {{nats_server}}"),
              rate("nats_server_stale_connections_total", "stale {{nats_server}}"),
              anomaly="orange", empty=NOT_OFFERED),
        graph("Messages nobody got / min", "**Dropped:** queued to a connection and discarded when it was closed. "
              "**Unmatched:** nobody subscribed to the subject; normal for fire-and-forget events. **No responders:** "
              "requests answered at once with 503 because the service is not there. Counted by Clearwing.",
              "short", rate("nats_server_dropped_messages_total", "dropped {{nats_server}}"),
              rate("nats_server_unmatched_messages_total", "unmatched {{nats_server}}"),
              rate("nats_server_no_responders_replies_total", "no responders {{nats_server}}"), empty=NOT_OFFERED),
        graph("Refused clients / min", "**Authentication:** missing, wrong or late credentials. **Protocol:** bytes "
              "that are not the NATS protocol, such as a browser or a port scan. Counted by Clearwing.",
              "short", rate("nats_server_authentication_failures_total", "authentication {{nats_server}}"),
              rate("nats_server_protocol_errors_total", "protocol {{nats_server}}"),
              anomaly="orange", empty=NOT_OFFERED),
    ]


def subjects():
    return [
        graph("Subject cache hits", "Share of published subjects whose recipients were known without a search. Low "
              "with a high churn beside it: clients subscribe and unsubscribe all the time, for example a new inbox "
              "for each request.",
              "percentunit", ("PER_SERVER (nats_subscription_cache_hit_ratio{S})", "{{nats_server}}"), high=1),
        graph("Subscription churn / s", "Subscriptions added and removed per second. **Normal:** near 0 between "
              "deploys. Hundreds per second: use a client that shares one inbox for all its requests.",
              "ops", ("PER_SERVER (rate(nats_subscription_inserts_total{S}{R}))", "{{nats_server}} in"),
              ("-PER_SERVER (rate(nats_subscription_removes_total{S}{R}))", "{{nats_server}} out"), low=None,
              overrides=IN_AND_OUT),
        graph("Fan-out", "Recipients per cached subject: the largest and the mean. A large one makes each message on "
              "that subject that many writes.",
              "short", ("PER_SERVER (nats_subscription_fanout_max{S})", "{{nats_server}} max"),
              ("PER_SERVER (nats_subscription_fanout_avg{S})", "{{nats_server}} mean")),
    ]


# Title of the row (None: the first screen), its panels, and the sizes they get in turn, in units of 24 columns.
ROWS = [
    (None, first_screen, [(3, 4)]),
    ("SERVERS", servers, [(24, 6), (12, 7), (12, 7)]),
    ("TRAFFIC", traffic, [(12, 7)]),
    ("CLIENTS", clients, [(8, 7), (8, 7), (8, 7), (12, 7), (12, 7)]),
    ("PROBLEMS", problems, [(12, 7), (12, 7), (8, 7), (8, 7), (8, 7)]),
    ("SUBJECTS", subjects, [(8, 7)]),
]


def layout():
    """Places the panels from left to right, top to bottom, and numbers them."""
    placed, number, y = [], 0, 0
    for title, make, sizes in ROWS:
        if title:
            number += 1
            placed.append({"type": "row", "title": title, "id": number, "collapsed": False, "panels": [],
                           "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}})
            y += 1
        x = height = 0
        for i, item in enumerate(make()):
            w, h = sizes[i % len(sizes)]
            if x + w > 24:
                x, y = 0, y + height
            number += 1
            placed.append({"id": number, **item, "gridPos": {"h": h, "w": w, "x": x, "y": y}})
            x, height = x + w, h
        y += height
    return placed


def variable(name, label, metric_query, **more):
    """A drop-down filled from the labels of the servers seen in the time range."""
    return {"type": "query", "name": name, "label": label, "datasource": DATASOURCE, "hide": 0, "includeAll": True,
            "multi": True, "refresh": 2, "sort": 1, "regex": "", "skipUrlSync": False, "options": [],
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "query": {"query": metric_query, "refId": name, "qryType": 1}, **more}


def variables():
    return [
        {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "hide": 0,
         "includeAll": False, "multi": False, "refresh": 1, "regex": "", "skipUrlSync": False, "options": [],
         "current": {"selected": False, "text": "default", "value": "default"}},
        variable("job", "Job", "label_values(nats_server_info, job)",
                 description="The Prometheus jobs that scrape NATS servers. All means just these, not every job."),
        variable("cluster", "Cluster", 'label_values(nats_server_info{job=~"$job"}, nats_cluster)', allValue=".*"),
        variable("server", "Server",
                 'label_values(nats_server_info{job=~"$job",nats_cluster=~"$cluster"}, nats_server)', allValue=".*"),
    ]


def annotation(name, colour, expr, text):
    return {"name": name, "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": colour,
            "expr": query(expr), "titleFormat": text, "textFormat": "{{nats_server}}", "step": "",
            "useValueForTime": False}


def annotations():
    restarted = "changes(nats_server_start_time_seconds{S}{R}) > 0"
    return [
        annotation("Restarts", BLUE, restarted, "Server restarted"),
        annotation("Configuration reloads", GREEN,
                   "(changes(nats_server_config_load_time_seconds{S}{R}) > 0) unless (" + restarted + ")",
                   "Configuration reloaded"),
        annotation("Slow consumers", RED, "increase(nats_server_slow_consumers_total{S}{R}) > 0",
                   "Slow consumer cut off"),
    ]


def dashboard():
    return {
        "uid": "nats-overview", "title": "NATS overview", "tags": ["nats"],
        "description": "Is it fine, and if not, where to look: any NATS or Clearwing servers, by clearwing-exporter or "
                       f"by Clearwing's own /metrics. {DOCS} tells what each row answers.",
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "timezone": "browser",
        "liveNow": False, "refresh": "15s", "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
        "weekStart": "", "fiscalYearStartMonth": 0,
        "links": [{"type": "dashboards", "title": "NATS", "tags": ["nats"], "asDropdown": True, "includeVars": True,
                   "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
        "annotations": {"list": annotations()},
        "templating": {"list": variables()},
        "panels": layout(),
    }


def main(arguments):
    text = json.dumps(dashboard(), indent=2, sort_keys=True) + "\n"
    if arguments not in ([], ["--check"]):
        print("usage: make_overview.py [--check]", file=sys.stderr)
        return 1
    if not arguments:
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        print(f"{FILE.name} is not what make_overview.py makes: run dashboards/make_overview.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
