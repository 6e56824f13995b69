"""From runs to rows: medians, ratios, goals, and what the figures must be taken with.

The ratio is ours divided by the other's, of medians; next to it stand the smallest and the largest ratio of a pair. Whether
more or less is better, the goal's sign says, and the arrow after the figure where there is no goal.
"""
import math
import statistics

from tests.bench import workloads

GENERATOR_BUSY, SERVER_IDLE = 0.9, 0.9

HEAD = (f"{'workload':<19} {'figure':<16} {'ours':>7} {'other':>7} {'ratio':>6}  {'of each pair':<13} {'goal':<8} {'reached':<7} "
        f"{'of limit':>8}  {'server CPU s':<12} {'generator':<10} other is")


def short(value):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def divided(above, below):
    return above / below if below else math.nan


def share(runs, name):
    """The median part of the time in which a process had a core: above 1 where several threads had several."""
    return statistics.median(divided(run[name], run["wall_seconds"]) for run in runs)


def busy(runs):
    return share(runs, "load_cpu_seconds") if runs and "load_cpu_seconds" in runs[0] else math.nan


class Row:
    """One line of the table: one figure of one workload, ours against another server's, and against the relay's."""

    def __init__(self, workload, figure, ours, other, other_label, limit=(), with_goal=True):
        self.workload, self.figure, self.other_label = workload, figure, other_label
        self.ours = [figure.value(run) for run in ours]
        self.other = [figure.value(run) for run in other]
        self.ratio = divided(statistics.median(self.ours), statistics.median(self.other))
        self.pair_ratios = [divided(a, b) for a, b in zip(self.ours, self.other)]
        is_rate = figure.path == "units_per_cpu_second"
        self.of_limit = divided(statistics.median(self.ours), statistics.median(map(figure.value, limit))) if limit and is_rate else None
        self.cpu = [statistics.median(run.get("server_cpu_seconds", math.nan) for run in runs) for runs in (ours, other)]
        self.busy = [busy(ours), busy(other)]
        self.goal = figure.goal if figure.goal and with_goal else None
        self.reached = self.goal.reached(statistics.median(self.ours), self.ratio) if self.goal else None

    def text(self):
        better = "+" if self.figure.more_is_better else "-"
        goal, reached = (self.goal.text, "yes" if self.reached else "NO") if self.goal else (better, "")
        limit = f"{self.of_limit:.2f}" if self.of_limit is not None else ""
        pairs = f"{min(self.pair_ratios):.2f}..{max(self.pair_ratios):.2f}"
        cpu = "/".join(f"{seconds:.2f}" for seconds in self.cpu)
        load = "/".join("" if math.isnan(part) else f"{part:.0%}" for part in self.busy)
        return (f"{self.workload:<19} {self.figure.name:<16} {short(statistics.median(self.ours)):>7} "
                f"{short(statistics.median(self.other)):>7} {self.ratio:6.2f}  {pairs:<13} {goal:<8} {reached:<7} {limit:>8}  "
                f"{cpu:<12} {load:<10} {self.other_label}")

    def document(self):
        return {"workload": self.workload, "figure": self.figure.name, "more_is_better": self.figure.more_is_better,
                "ours": self.ours, "other": self.other, "other_label": self.other_label, "ratio": self.ratio,
                "pair_ratios": self.pair_ratios, "of_limit": self.of_limit, "server_cpu_seconds": self.cpu,
                "generator_busy": self.busy, "goal": self.goal.text if self.goal else None, "reached": self.reached}


def bottleneck(workload, label, runs):
    """A line where the generator had no time left while the server had, or None. A paced generator spins, which is no
    want of time."""
    if workload.paced or workload.kind not in ("shared", "relay"):
        return None
    load, server = busy(runs), share(runs, "server_cpu_seconds")
    if load <= GENERATOR_BUSY or server >= SERVER_IDLE:
        return None
    return (f"{workload.name}: the generator was the bottleneck ({load:.0%} of a core) while {label} was busy for {server:.0%} of "
            f"the time: it read in smaller pieces than under full load, so its figure is too low")


def too_few_scrapes(workload, label, runs):
    """A line where the monitoring port was read less often than it should have been, or None."""
    if workload.kind != "scraped":
        return None
    rate = statistics.median(run["scrapes_per_second"] for run in runs)
    if rate >= 0.8 * workloads.SCRAPE_HZ:
        return None
    return f"{workload.name}: {label} was read {rate:.1f} times a second, {workloads.SCRAPE_HZ} were wanted: the machine or the server was too busy"


def warnings(workload, label, runs):
    return [text for text in (bottleneck(workload, label, runs), too_few_scrapes(workload, label, runs)) if text]


def summary(rows):
    """How many goals were reached, and which were not."""
    judged = [row for row in rows if row.goal]
    if not judged:
        return "no goals here: they are ratios to the stock server 2.9.10 as it comes"
    short_of = [f"{row.workload} {row.figure.name} {statistics.median(row.ours) if row.goal.is_own else row.ratio:.2f} ({row.goal.text})"
                for row in judged if not row.reached]
    text = f"goals reached: {len(judged) - len(short_of)} of {len(judged)}"
    return text + ("; not: " + ", ".join(short_of) if short_of else "")
