#!/usr/bin/env python3
"""Takes a picture of the dashboard: python3 -m tests.dashboards.picture.make_picture [--light] [--stock] FILE.png

A server works under load for a minute while an exporter and a Prometheus watch it; the answers to all queries are drawn
by Grafana's own components (render.jsx) in a headless Chromium. Needs `npm ci --ignore-scripts --legacy-peer-deps` in
this folder once (380 packages, 420 MB), which is why it is a tool and not one of the tests. Exit status 1 and a line on
what was wrong if a panel fails, or is empty that should not be.
"""
import argparse
import contextlib
import functools
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

from tests.dashboards import queries, stack
from tests.dashboards.test_dashboards_live import DASHBOARD, NOT_TOLD, choose, scene

HERE = pathlib.Path(__file__).parent
MODULES = HERE / "node_modules"
WIDTH, ROW, GAP = 1600, 30, 8
LOADERS = ["--loader:.svg=dataurl", "--loader:.woff2=dataurl", "--loader:.ttf=dataurl"]


def answers(kind, job, seconds):
    """What the data source answers to each target of each panel, all at one moment."""
    with scene(kind) as prometheus:
        time.sleep(seconds)
        prometheus.pinned = time.time()
        chosen = choose(prometheus, job)
        return {"dashboard": DASHBOARD, "to": prometheus.pinned,
                "from": prometheus.pinned - prometheus.range_seconds(),
                "answers": {f"{panel['id']} {target['refId']}":
                            (prometheus.instant if target.get("instant") else prometheus.range)(
                                target["expr"], **chosen)
                            for panel in queries.panels(DASHBOARD) for target in panel["targets"]}}


def write_page(folder, picture):
    """The page and everything it loads, in one folder."""
    subprocess.run([MODULES / ".bin" / "esbuild", HERE / "render.jsx", "--bundle", "--minify", "--jsx=automatic",
                    f"--outfile={folder}/bundle.js", '--define:process.env.NODE_ENV="production"', *LOADERS,
                    "--log-level=error"], check=True, timeout=120)
    shutil.copytree(MODULES / "@grafana" / "ui" / "dist" / "public" / "img", folder / "public" / "build" / "img")
    (folder / "picture.js").write_text(
        "window.grafanaBootData = {settings: {}};\nwindow.PICTURE = " + json.dumps(picture) + ";\n")
    (folder / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="bundle.css"><body style="margin:0">'
        '<div id="root"></div><script src="picture.js"></script><script src="bundle.js"></script>')


@contextlib.contextmanager
def served(folder):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def photograph(folder, file):
    """The picture; returns what the page said on its console."""
    height = (ROW + GAP) * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in DASHBOARD["panels"])
    with served(folder) as url:
        done = subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--enable-logging=stderr", f"--window-size={WIDTH},{height}", "--virtual-time-budget=15000",
             f"--user-data-dir={folder}/profile", f"--screenshot={file}", url],
            capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit(f"chromium failed: {done.stderr[-2000:]}")
    return re.findall(r'CONSOLE[^\]]*\] "(.*)", source', done.stderr)


def main():
    parser = argparse.ArgumentParser(description="Takes a picture of the dashboard.")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--light", action="store_true", help="Grafana's light theme")
    parser.add_argument("--stock", action="store_true", help="a nats-server behind the exporter instead of Clearwing")
    parser.add_argument("--seconds", type=float, default=60, help="how long to watch (default 60)")
    arguments = parser.parse_args()
    if not MODULES.exists():
        sys.exit(f"{MODULES} is missing: run npm ci --ignore-scripts --legacy-peer-deps in {HERE}")
    way = ("stock", "nats-exporter") if arguments.stock else ("clearwing", "All")
    picture = answers(*way, arguments.seconds) | {"mode": "light" if arguments.light else "dark", "width": WIDTH}
    with stack.folder() as folder:
        write_page(pathlib.Path(folder), picture)
        said = photograph(folder, arguments.file.resolve())
    empty = {line.removeprefix("EMPTY ") for line in said if line.startswith("EMPTY ")}
    faults = [line for line in said if not line.startswith("EMPTY ")]
    faults += [f"{title} is empty" for title in sorted(empty - NOT_TOLD[way])]
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
