"""Builds what is tested and runs the layers of tests; tests/run calls it in the right environment.

A layer is a row of LAYERS: what it runs, on which build, and for how long at most. A folder of tests/ with pytest files
that no row names is a layer by its own name. The outcome is counted from the reports that the tools write (JUnit, cmocka):
what crashes, hangs or cannot run counts as failed, and so does a test that skips itself for want of a tool.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORK = ROOT / "build-tests"
LOGS = WORK / "logs"
CACHE = ROOT / ".cache"

SANITIZED = {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
             "UBSAN_OPTIONS": "print_stacktrace=1", "WIRE_PATIENCE": "60"}
RACED = {"TSAN_OPTIONS": "second_deadlock_stack=1:history_size=4", "WIRE_PATIENCE": "60"}
FUZZED = {"FUZZ_BUILD": str(WORK / "fuzz"), "FUZZ_CORPUS": str(WORK / "fuzz-corpus"), "FUZZ_SECONDS": "15"}

# Name: options of cmake.
BUILDS = {
    "release": ["-DCMAKE_BUILD_TYPE=Release", "-DWERROR=ON"],
    "sanitize": ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DASAN=ON", "-DUBSAN=ON", "-DCMAKE_C_FLAGS=-DCHECK_SLOW"],
    "race": ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DTSAN=ON"],
}

# kind: pytest or ctest. paths: below tests/; a path that is not there is left out, and with it an empty row.
# workers: tests at once; only where they mind neither ports nor the clock. only: pytest -k.
Layer = collections.namedtuple("Layer", "name about kind build paths workers only env minutes",
                               defaults=("pytest", "release", (), 1, "", {}, 10))

LAYERS = [
    Layer("unit", "modules alone, by ctest", "ctest"),
    Layer("tidy", "style, include direction, generated files", paths=("tidy",)),
    Layer("wire", "what clients send and must receive, on both servers", paths=("wire",), workers=2, minutes=12),
    Layer("shape", "both servers' monitoring documents compared", paths=("shape",), workers=2),
    Layer("monitor", "the monitoring port", paths=("monitor",), workers=2),
    Layer("system", "the system account's services and events, on both servers", paths=("system",), workers=2),
    Layer("faults", "descriptors run out, peers are slow or vanish", paths=("faults",)),
    Layer("config", "configuration files and flags", paths=("config",), workers=2),
    Layer("exporter", "the Prometheus exporter", paths=("exporter",), workers=2),
    Layer("interop", "official clients and tools, unmodified", paths=("interop",), minutes=15),
    Layer("screen", "the viewer in a real terminal", paths=("screen",)),
    Layer("dashboards", "dashboards and alerts, with a live Prometheus", paths=("dashboards",)),
    Layer("packaging", "run, completions, installation", paths=("packaging",)),
    Layer("bench", "the floor under the speed", paths=("bench",)),
    Layer("fuzz", "a short run of each fuzzer, by clang's sanitizers", paths=("fuzz",), env=FUZZED),
    Layer("unit-sanitize", "unit, under AddressSanitizer and UBSan", "ctest", "sanitize", env=SANITIZED),
    Layer("wire-sanitize", "wire, monitor, config, system under AddressSanitizer and UBSan", build="sanitize",
          paths=("wire", "monitor", "config", "system"), workers=2, only="not stock", env=SANITIZED, minutes=15),
    Layer("tools-sanitize", "the exporter and the client under AddressSanitizer and UBSan", build="sanitize",
          paths=("exporter/test_exporter.py", "interop/test_client_verbs.py"), only="not stock", env=SANITIZED, minutes=15),
    Layer("race", "what is concurrent, under ThreadSanitizer", build="race",
          paths=("race", "wire/test_concurrent.py", "wire/test_random_sessions.py", "monitor", "system"), only="not stock", env=RACED,
          minutes=15),
]

# Reasons for which a test may skip itself: facts about the servers. Any other counts as a failure.
GOOD_REASONS = re.compile(r"clearwing (lacks|only)\b")
TEST_SECONDS = 300
# More failures than this in a layer are no accident.
SECOND_TRIES = 5
# What is no layer by itself.
NO_LAYER = {"support", "unit"}

Outcome = collections.namedtuple("Outcome", "passed failed skipped complaints")


def layers():
    """The rows that have something to run, and one for each folder that no row names."""
    rows = []
    for row in LAYERS:
        paths = tuple(path for path in row.paths if (ROOT / "tests" / path).exists())
        if paths or not row.paths:
            rows.append(row._replace(paths=paths))
    named = {path.split("/")[0] for row in LAYERS for path in row.paths} | NO_LAYER
    for folder in sorted((ROOT / "tests").iterdir()):
        if folder.is_dir() and folder.name not in named and list(folder.glob("test_*.py")):
            rows.append(Layer(folder.name, f"tests/{folder.name}", paths=(folder.name,)))
    return rows


# Running programs.

def run(command, log, seconds, env=None, cwd=ROOT):
    """Runs a program in a group of its own, with its output in a file; returns its status, or a text when it took too
    long or could not start. Nothing of it is left behind."""
    with open(log, "ab") as output:
        try:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, cwd=cwd, env=env, start_new_session=True)
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"it took longer than {seconds:.0f} s"
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def build(name):
    """None, or why there is no such build."""
    folder, log = WORK / name, LOGS / f"build-{name}.log"
    log.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    generator = ["-G", "Ninja"] if not (folder / "CMakeCache.txt").exists() and shutil.which("ninja") else []
    for command in (["cmake", "-S", ROOT, "-B", folder, *generator, *BUILDS[name]],
                    ["cmake", "--build", folder, "--parallel", str(os.cpu_count())]):
        status = run(command, log, 1200)
        if status != 0:
            return f"the {name} build failed ({status}): {log}\n{tail(log, 30)}"
    return None


def tail(log, count):
    return "\n".join(pathlib.Path(log).read_text(errors="replace").splitlines()[-count:])


# What some layers need beside the packages. Each returns None, or what went wrong.

def older_exporter():
    target = CACHE / "bin" / "prometheus-nats-exporter"
    target.parent.mkdir(parents=True, exist_ok=True)
    status = run(["go", "build", "-o", target, "github.com/nats-io/prometheus-nats-exporter"], LOGS / "go.log", 900,
                 cwd=ROOT / "tests" / "exporter" / "go")
    return None if status == 0 else f"prometheus-nats-exporter was not built ({status}):\n{tail(LOGS / 'go.log', 10)}"


def grafana_types():
    folder = ROOT / "tests" / "dashboards" / "grafana"
    lock, stamp = (folder / "package-lock.json").read_bytes(), folder / "node_modules" / ".installed"
    if stamp.exists() and stamp.read_bytes() == lock:
        return None
    status = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], LOGS / "npm.log", 900, cwd=folder)
    if status != 0:
        return f"Grafana's types were not installed ({status}):\n{tail(LOGS / 'npm.log', 10)}"
    stamp.write_bytes(lock)
    return None


PREPARATIONS = {"exporter": older_exporter, "interop": older_exporter, "tools-sanitize": older_exporter,
                "dashboards": grafana_types}


# Kinds of layers.

def environment(layer):
    exporter = str(CACHE / "bin" / "prometheus-nats-exporter")
    return dict(os.environ, CLEARWING_BIN=str(WORK / layer.build / "bin"), CLEARWING_BUILD=str(WORK / layer.build),
                CLEARWING_CACHE=str(CACHE), PROMETHEUS_NATS_EXPORTER=exporter,
                CLEARWING_PROMETHEUS_NATS_EXPORTER=exporter, PATH=os.environ["PATH"] + ":/usr/sbin",
                PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8", **layer.env)


def count_junit(report):
    """(passed, skipped, [failures]) of a JUnit report."""
    passed, skipped, failures = 0, 0, []
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failures.append(name)
        elif skip is None:
            passed += 1
        elif GOOD_REASONS.search(skip.get("message") or ""):
            skipped += 1
        else:
            failures.append(f"{name}: skipped: {skip.get('message')}")
    return passed, skipped, failures


def pytest_command(report, what):
    return [sys.executable, "-m", "pytest", *what, "-q", "-rfE", "--tb=short", "-p", "no:cacheprovider",
            f"--timeout={TEST_SECONDS}", f"--junit-xml={report}"]


def second_try(layer, log, failures):
    """Runs the tests that failed once more, nothing beside them, and returns those that fail again. What passes now was
    at the mercy of the machine's other work: it counts as passed, and is told. Not for sanitizers, whose findings do not
    have to come twice, nor for more than a few."""
    if layer.build != "release" or not 0 < len(failures) <= SECOND_TRIES:
        return failures
    if any(": skipped:" in name or not name.startswith("tests.") for name in failures):
        return failures
    report = LOGS / f"{layer.name}-again.xml"
    report.unlink(missing_ok=True)
    nodes = [re.sub(r"^([^:]+)", lambda path: path[1].replace(".", "/") + ".py", name, count=1) for name in failures]
    run(pytest_command(report, nodes), log, layer.minutes * 60, environment(layer))
    if not report.exists():
        return failures
    passed, _, again = count_junit(report)
    if passed + len(again) != len(failures):
        return failures
    for name in failures:
        if name not in again:
            print(f"    UNSTEADY {name}: failed beside others, passed alone", flush=True)
    return again


def run_pytest(layer, log, extra):
    report = LOGS / f"{layer.name}.xml"
    report.unlink(missing_ok=True)
    command = pytest_command(report, [f"tests/{path}" for path in layer.paths])
    if layer.workers > 1:
        command += ["-n", str(layer.workers)]
    if layer.only:
        command += ["-k", layer.only]
    status = run(command + extra, log, layer.minutes * 60, environment(layer))
    if not report.exists():
        return Outcome(0, 1, 0, [f"pytest ended with {status} and without a report"])
    passed, skipped, failures = count_junit(report)
    if status not in (0, 1) or (status == 1 and not failures):
        failures.append(f"pytest ended with {status}")
    elif failures:
        first = len(failures)
        failures = second_try(layer, log, failures)
        passed += first - len(failures)
    if passed == 0 and not failures:
        failures.append("not one test ran")
    return Outcome(passed, len(failures), skipped, failures)


def count_cmocka(folder):
    """(passed, [failures]) of the reports that the test programs of cmocka wrote there."""
    passed, failures = 0, []
    for report in sorted(folder.glob("*.xml")):
        try:
            cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
        except xml.etree.ElementTree.ParseError as error:
            failures.append(f"{report.name}: {error}")
            continue
        bad = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
        failures += [f"{report.stem}: {name}" for name in bad]
        passed += len(cases) - len(bad)
    return passed, failures


def run_ctest(layer, log, _):
    """Every entry but tidy, one by one, so that the tests inside a program are counted, and not programs."""
    folder = WORK / layer.build
    listed = subprocess.run(["ctest", "--test-dir", folder, "-N"], capture_output=True, text=True, timeout=60).stdout
    names = [name for name in re.findall(r"Test +#\d+: (\S+)", listed) if name != "tidy"]
    passed, complaints = 0, []
    for name in names:
        reports = LOGS / layer.name / name
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        env = dict(environment(layer), CMOCKA_MESSAGE_OUTPUT="XML", CMOCKA_XML_FILE=str(reports / "%g.xml"))
        status = run(["ctest", "--test-dir", folder, "-R", f"^{re.escape(name)}$", "--output-on-failure", "--no-tests=error",
                      "--timeout", TEST_SECONDS], log, TEST_SECONDS + 60, env)
        right, wrong = count_cmocka(reports)
        if status != 0 and not wrong:
            wrong = [f"ctest ended with {status}"]
        if status == 0 and not right and not wrong:
            right = 1
        passed += right
        complaints += [f"{name}: {complaint}" for complaint in wrong]
    if not names:
        complaints.append("ctest has no tests")
    return Outcome(passed, len(complaints), 0, complaints)


KINDS = {"pytest": run_pytest, "ctest": run_ctest}


def run_layer(layer, missing_builds, extra):
    log = LOGS / f"{layer.name}.log"
    log.unlink(missing_ok=True)
    log.touch()
    if layer.build in missing_builds:
        return Outcome(0, 1, 0, [f"not run: there is no {layer.build} build"])
    trouble = PREPARATIONS.get(layer.name, lambda: None)()
    outcome = KINDS[layer.kind](layer, log, extra)
    if trouble:
        outcome = outcome._replace(failed=outcome.failed + 1, complaints=[trouble, *outcome.complaints])
    return outcome


def show(layer, outcome, seconds):
    print(f"{layer.name:15} {outcome.passed:5} passed {outcome.failed:4} failed {outcome.skipped:4} skipped {seconds:5.0f} s"
          f"   {layer.about}", flush=True)
    if outcome.failed:
        for complaint in outcome.complaints[:50]:
            print(f"    FAILED {complaint}")
        print(f"    {LOGS / (layer.name + '.log')}, its end:")
        print("\n".join("    | " + line for line in tail(LOGS / f"{layer.name}.log", 60).splitlines()), flush=True)


def chosen(names):
    rows = layers()
    known = [row.name for row in rows]
    for name in names:
        if name not in known:
            sys.exit(f"tests/run: there is no layer {name}; there are {', '.join(known)}")
    return [row for row in rows if not names or row.name in names]


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(1, f"tests/run: {message}; tests/run --help shows what there is\n")


def main():
    parser = Parser(prog="tests/run", description="Builds, runs the layers, counts.")
    parser.add_argument("layers", nargs="*", metavar="LAYER", help="which to run; all unless given")
    parser.add_argument("--list", action="store_true", help="list the layers and leave")
    parser.add_argument("--pytest", default="", metavar="OPTIONS", help="more options for pytest, in one word")
    arguments = parser.parse_args()
    rows = chosen(arguments.layers)
    if arguments.list:
        for row in rows:
            print(f"{row.name:15} {row.about}")
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Whoever starts this in the background may have these ignored, and tests send them: a handler here is the default there.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, lambda *_: sys.exit(1))
    passed = failed = 0
    missing = set()
    for name in dict.fromkeys(row.build for row in rows):
        begin, trouble = time.monotonic(), build(name)
        print(f"build {name:9} {'failed' if trouble else 'done':>36} {time.monotonic() - begin:21.0f} s", flush=True)
        if trouble:
            missing.add(name)
            failed += 1
            print(trouble, flush=True)
    for row in rows:
        begin = time.monotonic()
        outcome = run_layer(row, missing, arguments.pytest.split())
        passed, failed = passed + outcome.passed, failed + outcome.failed
        show(row, outcome, time.monotonic() - begin)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
