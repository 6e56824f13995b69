"""What is compared: one row for each workload, with its figures, their goals, and the relay's load that is its limit.

A row names a workload of clearwing-load with its options; what those are, clearwing-load --help tells. Goals are ratios
to the stock server 2.9.10 with its defaults, of what is better when it is more (">=5") or less ("<=0.4"), or bounds on
our own figure alone ("own<=2").
"""
import collections
import re

STOCK_OF_THE_GOALS = "2.9.10"


class Goal:
    """A bound read from text: ">=5" and "<=0.4" on the ratio to the other, "own<=2" on our figure itself."""

    def __init__(self, text):
        match = re.fullmatch(r"(own)?(<=|>=)(\d+(?:\.\d+)?)", text)
        if not match:
            raise ValueError(f"{text} is no goal: give >=N, <=N, own>=N or own<=N")
        self.text, self.is_own, self.sign, self.bound = text, bool(match[1]), match[2], float(match[3])

    def reached(self, ours, ratio):
        value = ours if self.is_own else ratio
        return value >= self.bound if self.sign == ">=" else value <= self.bound


class Figure:
    """One number of a run: its name in the table, where it is in the run's document, which way is better, its goal."""

    def __init__(self, name, path, goal=None, more_is_better=False):
        self.name, self.path, self.more_is_better = name, path, more_is_better
        self.goal = Goal(goal) if goal else None

    def value(self, run):
        for key in self.path.split("."):
            run = run[key]
        return run


def rate(goal=None):
    return Figure("per CPU second", "units_per_cpu_second", goal, more_is_better=True)


LATENCIES = tuple(Figure(f"{name} us", f"latency_us.{key}") for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999")))


def scraped_figures(goal=None):
    """Latency of deliveries that are not disturbed and of those that are, and the ratio of the two on the same server."""
    calm = tuple(Figure(f"{name} us", f"unscraped.latency_us.{key}") for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999")))
    return (*calm, Figure("p99 us scraped", "scraped.latency_us.p99"), Figure("p99.9 scraped", "scraped.latency_us.p999"),
            Figure("p99 times", "p99_ratio", goal), Figure("p99.9 times", "p999_ratio"), Figure("scrapes/s", "scrapes_per_second", None, True),
            Figure("CPU s scraped", "scraped.server_cpu_seconds"))


# kind: how it is run (runs.py): "shared" on servers that live for all rounds, "fresh" on one each, and some of their own.
# limit: options of the relay and, where it cannot carry the same load, the nearest with as many copies of that size.
# quick: other options for --quick. scraped: which addresses are read. paced: the generator spins to keep its pace.
Workload = collections.namedtuple("Workload", "name load figures kind limit quick scraped paced", defaults=("shared", None, None, (), False))


def row(name, load, *figures, **rest):
    for key in ("limit", "quick"):
        if rest.get(key):
            rest[key] = [part.split() for part in rest[key].split(":")] if key == "limit" else rest[key].split()
    return Workload(name, load.split(), figures, **rest)


CONNZ = "/connz?subs=1&limit=10000"
EVERYTHING = ("/varz", CONNZ, "/subsz", "/metrics")
SCRAPE_HZ = 5
IDLE_BESIDE = 10000  # connections beside the one that is measured in the scraped workloads

ROWS = [
    row("publish-16", "publish --size 16", rate(">=5"), limit="--subscribers 0"),
    row("publish-128", "publish --size 128", rate(">=5"), limit="--subscribers 0"),
    row("publish-1024", "publish --size 1024", rate(), limit="--subscribers 0"),
    row("publish-16384", "publish --size 16384", rate(), limit="--subscribers 0"),
    row("one-to-one-128", "one-to-one --size 128", rate(">=3"), limit="--subscribers 1"),
    row("one-to-one-16384", "one-to-one --size 16384", rate(">=2.5"), limit="--subscribers 1"),
    row("one-per-write", "one-per-write", rate(">=1.2"), limit="--subscribers 1", paced=True),
    row("one-per-write-alone", "one-per-write --window 1", rate(">=1.2"), limit="--subscribers 1", paced=True),
    row("fan-out-10", "fan-out --subscribers 10", rate(">=3"), limit="--subscribers 10"),
    row("fan-out-100", "fan-out --subscribers 100", rate(">=5"), limit="--subscribers 100"),
    row("fan-out-1000", "fan-out --subscribers 1000", rate(), limit="--subscribers 1000", quick="fan-out --subscribers 300"),
    row("fan-out-10-to-10", "fan-out --publishers 10 --subscribers 10", rate(), limit="--subscribers 10:fan-out --subscribers 10"),
    row("many-subjects", "many-subjects", rate(">=12"), limit="--subscribers 1:one-to-one"),
    row("wildcards", "wildcards", rate(">=5"), limit="--subscribers 2:fan-out --subscribers 2"),
    row("queue-1-to-4", "queue --publishers 1 --subscribers 4", rate(">=2.5"), limit="--subscribers 1:one-to-one"),
    row("queue-4-to-16", "queue --publishers 4 --subscribers 16", rate(">=2.5"), limit="--subscribers 1:one-to-one"),
    row("request-1", "request", rate(">=2.2"), *LATENCIES, limit="--pairs 1"),
    row("request-8x16", "request --pairs 8 --window 16", rate(">=2.2"), *LATENCIES, limit="--pairs 8"),
    row("latency-1-to-1", "latency --rate 10000", rate(), *LATENCIES, limit="--subscribers 1"),
    row("latency-1-to-10", "latency --rate 5000 --subscribers 10", rate(), *LATENCIES, limit="--subscribers 10"),
    row("scraped", "latency --rate 10000", *scraped_figures("own<=2"), kind="scraped", scraped=(CONNZ,)),
    row("scraped-all", "latency --rate 10000", *scraped_figures(), kind="scraped", scraped=EVERYTHING),
    row("connection-churn", "connection-churn", rate(">=2")),
    row("subscription-churn", "subscription-churn", rate(), limit="--pairs 1:request --window 16"),
    row("idle", "idle", Figure("resident bytes", "memory_bytes", "<=0.4"), kind="fresh"),
    row("idle-connections", "idle-connections", Figure("bytes each", "memory_bytes", "<=0.1"), rate(), kind="fresh",
        quick="idle-connections --connections 1000"),
    row("idle-100000", "idle-connections --connections 100000", Figure("bytes each", "memory_bytes"), rate(), kind="fresh"),
    row("start-up", "start-up", Figure("to PONG us", "latency_us.p50", "<=0.4"), Figure("CPU s of 5", "server_cpu_seconds"),
        Figure("peak bytes", "rss_peak_bytes"), kind="start-up"),
    row("departed", "departed --seconds 60", Figure("times its start", "departed_ratio", "own<=1.2"),
        Figure("resident bytes", "memory_bytes"), kind="departed", quick="departed --seconds 12"),
]
WORKLOADS = {workload.name: workload for workload in ROWS}


def connections_of(workload):
    """How many connections the load holds at the same time: each is a descriptor of the generator and of the server."""
    if workload.kind == "scraped" or workload.load[0] == "departed":
        return IDLE_BESIDE
    if workload.load[0] == "idle-connections":
        return int(workload.load[workload.load.index("--connections") + 1]) if "--connections" in workload.load else 10000
    return 1100
