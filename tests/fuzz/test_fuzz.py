"""Builds the fuzz targets with clang, AddressSanitizer and UBSan, and runs each for a short time from its seed corpus.

FUZZ_SECONDS   how long each target runs, 10 by default; 0 only replays the corpus
FUZZ_BUILD     where to build, build-fuzz of this checkout by default
FUZZ_CORPUS    a folder that keeps what was found between runs, none by default
An input that crashes is printed as base64; put it into corpus/<target>/ together with the fix."""
import base64
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("FUZZ_BUILD", ROOT / "build-fuzz"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "10"))
TARGETS = sorted(path.stem for path in HERE.glob("fuzz_*.c"))
CLANG = shutil.which("clang") or shutil.which("clang-14")


@pytest.fixture(scope="module")
def targets():
    if not CLANG:
        pytest.skip("clang is not installed: apt-get install clang-14")
    configure = ["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", f"-DCMAKE_C_COMPILER={CLANG}", "-DCMAKE_BUILD_TYPE=Debug",
                 "-DFUZZ=ON", "-DASAN=ON", "-DUBSAN=ON", "-DWERROR=ON"]
    commands = [] if (BUILD / "CMakeCache.txt").exists() else [configure]
    for command in (*commands, ["cmake", "--build", BUILD, "--target", "fuzz_targets"]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return BUILD / "fuzz"


@pytest.mark.parametrize("name", TARGETS)
def test_fuzz(targets, name, tmp_path):
    seeds = HERE / "corpus" / name.removeprefix("fuzz_")
    assert any(seeds.iterdir()), f"no seeds in {seeds}"
    found = pathlib.Path(os.environ["FUZZ_CORPUS"]) / name if "FUZZ_CORPUS" in os.environ else tmp_path / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    limit = ["-runs=0"] if SECONDS == 0 else [f"-max_total_time={SECONDS}"]
    done = subprocess.run([targets / name, *limit, "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1",
                           f"-artifact_prefix={tmp_path}/", found, seeds],
                          capture_output=True, text=True, errors="replace", cwd=tmp_path)
    inputs = [path for path in tmp_path.iterdir() if path.is_file()]
    texts = [f"{path.name}: {base64.b64encode(path.read_bytes()).decode()}" for path in inputs]
    assert done.returncode == 0, "\n".join([done.stderr[-6000:], *texts])
    assert not inputs, texts
    if SECONDS > 0:
        runs = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        assert int(runs[0].split()[-1]) > 100, "it hardly ran:\n" + done.stderr[-2000:]
