"""Runs one workload on all sides, in pairs: A, B, A, B, ... Each run is a document of the generator's, or made of them.

How depends on the workload's kind:

    shared    a server of each side lives for all rounds; the generator goes to each in turn
    fresh     each run gets a server of its own (memory)
    start-up  the generator starts the server itself
    departed  one run for each side, at the same time: a minute of waiting and two looks at memory
    scraped   shared, with ten thousand idle connections beside the measured one; each turn is two runs on the same
              server, the first without and the second with its monitoring port being read

`failure` of a document says what was wrong with a run (lost, doubled, changed or reordered messages, a count that the
server's own differs from) and is None otherwise.

Nothing is pinned by itself: a Go server that may use one core only is another server (it starts with GOMAXPROCS=1), and so
is ours. With `--pin` the generator has the last core and the servers have all others.
"""
import contextlib
import functools
import json
import os
import pathlib
import resource
import socket
import subprocess
import tempfile
import threading
import time

from tests.bench import scrape, workloads
from tests.support import server as support

LOAD = support.BIN / "clearwing-load"
RELAY = support.BIN / "clearwing-relay"
SCRAPED_SECONDS_LEAST = 2
DESCRIPTORS_APART = 200
STOCK_CONNECTIONS_MAX = 65536


class Cores:
    """Which cores the generator and the servers may use; None: all."""

    def __init__(self, is_pinned=False):
        cores = sorted(os.sched_getaffinity(0))
        if is_pinned and len(cores) < 2:
            raise ValueError("--pin needs two cores")
        self.load, self.server = ({cores[-1]}, set(cores[:-1])) if is_pinned else (None, None)

    @staticmethod
    def pinner(cores):
        return (lambda: os.sched_setaffinity(0, cores)) if cores else None


cores_of_this_run = Cores()


def load_command(arguments):
    if not LOAD.exists():
        raise RuntimeError(f"{LOAD} is missing: cmake --build build --target clearwing-load clearwing-relay")
    return [str(LOAD), *map(str, arguments)]


def read_answer(text, complaint, status):
    """The generator's document, or one that says why there is none."""
    try:
        return json.loads(text)
    except ValueError:
        return {"failure": complaint.strip() or f"clearwing-load ended with {status}"}


def run_load(arguments, environment=None, pin=True):
    done = subprocess.run(load_command(arguments), capture_output=True, text=True, env=environment, timeout=600,
                          preexec_fn=Cores.pinner(cores_of_this_run.load) if pin else None)
    return read_answer(done.stdout, done.stderr, done.returncode)


def start(side, *options):
    return side.start(*options, preexec=Cores.pinner(cores_of_this_run.server))


def on(server, load, seconds):
    """The generator's arguments for a load on a running server; what the load itself says comes last and wins."""
    return ["--port", server.port, "--server-pid", server.pid, "--seconds", seconds, *load]


def counted(server):
    return server.json("/varz").get("in_msgs", 0)


def check_count(server, before, run):
    """Compares the server's own count of messages with what was sent: they agree, within a second, on every server that
    counts at all (a build without counters does not)."""
    sent = run.get("messages_total", 0)
    if run["failure"] or not sent:
        return
    deadline = time.monotonic() + 1
    while (after := counted(server)) - before != sent and time.monotonic() < deadline:
        time.sleep(0.02)
    if after and after - before != sent:
        run["failure"] = f"{sent} messages were sent, the server counted {after - before}"


def run_on(server, load, seconds):
    before = counted(server)
    run = run_load(on(server, load, seconds))
    check_count(server, before, run)
    return run


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_start_up(side):
    port = free_port()
    command = [support.binary(side.kind), "-a", "127.0.0.1", "-p", port, "-m", free_port(), *side.options]
    return run_load(["--port", port, "start-up", "--", *command], side.environment, pin=False)


def run_relay(workload, load, seconds):
    """The load, or the nearest to it that a relay can carry, through the relay: the limit."""
    options, *nearest = workload.limit
    load = nearest[0] if nearest else load
    if "--subscribers" in load:
        options = ["--subscribers", load[load.index("--subscribers") + 1]]
    relay = subprocess.Popen([RELAY, *options], stdout=subprocess.PIPE, text=True,
                             preexec_fn=Cores.pinner(cores_of_this_run.server))
    try:
        port = relay.stdout.readline().split()[1]
        return run_load(["--relay", "--port", port, "--server-pid", relay.pid, "--seconds", seconds, *load])
    finally:
        relay.kill()
        relay.wait()
        relay.stdout.close()


@contextlib.contextmanager
def idle_connections(server, count):
    """Connections with one subscription each that stay while this is entered."""
    command = load_command(["--port", server.port, "--hold", "idle-connections", "--connections", count])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=Cores.pinner(cores_of_this_run.load)) as holder:
        line = holder.stdout.readline()
        if not line or json.loads(line)["failure"]:
            holder.stdin.close()
            raise RuntimeError(line or holder.stderr.read().strip())
        yield
        holder.stdin.close()


def run_scraped(server, load, seconds, paths):
    """A run in peace and one while the monitoring port is read, on the same server."""
    seconds = max(seconds, SCRAPED_SECONDS_LEAST)
    calm = run_on(server, load, seconds)
    scraper = scrape.Scraper(server.monitor, paths, workloads.SCRAPE_HZ)
    with scraper:
        disturbed = run_on(server, load, seconds)
    document = {"unscraped": calm, "scraped": disturbed, "read": scraper.reads, "read_bytes": scraper.bytes,
                "scrapes_per_second": scraper.slowest_rate(),
                "failure": calm["failure"] or disturbed["failure"] or scraper.trouble}
    if not document["failure"]:
        for name in ("p99", "p999"):
            document[f"{name}_ratio"] = disturbed["latency_us"][name] / calm["latency_us"][name]
        for name in ("wall_seconds", "server_cpu_seconds", "load_cpu_seconds", "units"):
            document[name] = calm[name] + disturbed[name]
    return document


def run_departed(side, load):
    with start(side) as server:
        run = run_load(["--port", server.port, "--server-pid", server.pid, *load])
    if not run["failure"]:
        run["departed_ratio"] = run["memory_bytes"] / run["rss_before_bytes"]
    return run


def run_departed_all(load, sides):
    """All sides at the same time: what is compared is memory, and what takes long is waiting."""
    runs = [None] * len(sides)

    def run(number):
        runs[number] = run_departed(sides[number], load)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(sides))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [[run or {"failure": "the server did not start or did not end"}] for run in runs]


def run_fresh(workload, side, load, seconds):
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        options = []
        if workloads.connections_of(workload) > STOCK_CONNECTIONS_MAX:
            config = pathlib.Path(folder) / "server.conf"
            config.write_text(f"max_connections: {workloads.connections_of(workload) + 1000}\n")
            options = ["-c", config]
        with start(side, *options) as server:
            return run_on(server, load, seconds)


def turns(workload, load, sides, seconds, stack):
    """A function for each side that makes one run of it; servers that they share live as long as the stack."""
    if workload.kind == "start-up":
        return [functools.partial(run_start_up, side) for side in sides]
    if workload.kind == "fresh":
        return [functools.partial(run_fresh, workload, side, load, seconds) for side in sides]
    servers = [stack.enter_context(start(side)) for side in sides]
    if workload.kind == "shared":
        return [functools.partial(run_on, server, load, seconds) for server in servers]
    for server in servers:
        stack.enter_context(idle_connections(server, workloads.IDLE_BESIDE))
    return [functools.partial(run_scraped, server, load, seconds, workload.scraped) for server in servers]


def run_all(workload, load, sides, rounds, seconds, limit=False):
    """The runs of each side in the order of `sides`, then those of the relay, where there is one and `limit` asks for it."""
    if workload.kind == "departed":
        return run_departed_all(load, sides) + [[]]
    with contextlib.ExitStack() as stack:
        functions = turns(workload, load, sides, seconds, stack)
        if limit and workload.limit:
            functions.append(functools.partial(run_relay, workload, load, seconds))
        runs = [[] for _ in range(len(sides) + 1)]
        for _ in range(rounds):
            for function, results in zip(functions, runs):
                results.append(function())
    return runs


def missing(workload):
    """Why this machine cannot run a workload, or None."""
    needed = workloads.connections_of(workload) + DESCRIPTORS_APART
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and limit < needed:
        return f"{workload.name}: the limit of open files is {limit} (ulimit -Hn), {needed} are needed"
    return None


def raise_file_limit():
    """For the servers and the generator, which inherit it: thousands of connections need thousands of files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
