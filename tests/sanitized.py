"""The native floor under sanitizers, and fuzzers that are guided by what they reach in it.

    python -m tests.sanitized [--seconds 20] [--jobs 2]

Builds build/sanitized with clang (address and undefined-behaviour sanitizers, coverage), runs a
selection of tests on it, then fuzzes each target of `TARGETS` for so many seconds: whatever a port
may bring, into the engine and one protocol's `take`, or through the filter of devices that dial in
(tests/stories/fuzz.pyx). A corpus is begun from what machines of the stories say, and kept in
build/corpus. Ends with status 1 where anything is broken; an input that breaks it lies in build/.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.stories.run import said

ROOT = Path(__file__).resolve().parent.parent
BUILD, CORPUS = ROOT / "build" / "sanitized", ROOT / "build" / "corpus"
CLANG = "clang-14"
#: As native.rows and tests/stories/plans.py name them.
TARGETS = ("rtu", "ascii", "tcp", "meter", "s7", "mixed", "dialin", "dialin-tcp", "overheard")
#: What runs without the programs of .venv/bin, in a minute.
SELECTION = (
    "tests/unit/test_engine_conversations.py", "tests/unit/test_engine_guests.py",
    "tests/unit/test_engine_stop.py", "tests/unit/test_engine_dialin.py",
    "tests/unit/test_engine_overheard_owed.py", "tests/unit/test_native_codec.py",
    "tests/unit/test_native_group.py", "tests/unit/test_native_layouts.py",
    "tests/unit/test_native_link.py", "tests/unit/test_native_port.py",
    "tests/unit/test_native_filter.py", "tests/unit/test_s7_client.py",
    "tests/unit/test_dlt645_codec.py", "tests/unit/test_dlt645_shape.py",
    "tests/fault/test_wire_reopen.py",
    "tests/stories/test_stories.py",
)  # fmt: skip
#: What takes a quarter of a minute or more here, and much memory each.
LEFT_OUT = ("fill_blocks_that_hold_them", "half_a_mib", "768_kib", "long_take_their_bytes")
STORIES = 3000
#: What is broken shows early, and a build that aborts in every test must not hold up whoever waits.
FAILURES_MAX, TESTS_MOST_S = 3, 900
DRIVER = "libfuzzer.so"


def mirror() -> None:
    """Everything that is tracked, or will be, as it stands."""
    told = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for name in filter(None, told.stdout.split("\0")):
        source, place = ROOT / name, BUILD / name
        if not source.is_file():
            continue
        if not place.exists() or place.stat().st_mtime < source.stat().st_mtime:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place)


def runtime(name: str) -> Path:
    """A library of the compiler's."""
    told = subprocess.run(
        [CLANG, "-print-file-name=" + name], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(told.stdout.strip())


def build() -> None:
    """Raises CalledProcessError."""
    mirror()
    tools = {"CC": CLANG, "LDSHARED": f"{CLANG} -shared", "JIAHE_SANITIZE": "1", "JIAHE_TESTS": "1"}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "-j", str(os.cpu_count())],
        cwd=BUILD, env={**os.environ, **tools}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    # Its coverage functions come before the sanitizer's, which do nothing.
    subprocess.run(
        [
            CLANG, "-shared", "-o", str(BUILD / DRIVER), "-Wl,--whole-archive",
            str(runtime("libclang_rt.fuzzer_no_main-x86_64.a")), "-Wl,--no-whole-archive",
            "-lstdc++", "-lpthread", "-lm", "-ldl",
        ],
        check=True,
    )  # fmt: skip


def environment(driver: bool) -> dict[str, str]:
    libraries = [str(runtime("libclang_rt.asan-x86_64.so"))]
    if driver:
        libraries.insert(0, str(BUILD / DRIVER))
    return {
        **os.environ,
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "STORIES": str(STORIES),
    }


def test() -> bool:
    """The selection; whether all is well. Raises TimeoutExpired."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist",
         "loadfile", f"--maxfail={FAILURES_MAX}", "--max-worker-restart=0",
         "-k", " and ".join(f"not {part}" for part in LEFT_OUT), *SELECTION],
        cwd=BUILD, env=environment(driver=False), check=False, timeout=TESTS_MOST_S,
    )  # fmt: skip
    return done.returncode == 0


def fuzz(target: str, seconds: int) -> bool:
    """One target for a time; whether all is well. Raises TimeoutExpired."""
    corpus = CORPUS / target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(said(target)):
        (corpus / f"said-{number}").write_bytes(data)
    code = (
        "import sys; sys.path.insert(0, '.'); from tests.stories.fuzz import drive\n"
        f"sys.exit(drive({target!r}, sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"-max_total_time={seconds}", "-max_len=2048",
         f"-artifact_prefix={ROOT / 'build'}/{target}-", "-timeout=10", str(corpus)],
        cwd=BUILD, env=environment(driver=True), check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds + TESTS_MOST_S,
    )  # fmt: skip
    last = next((line for line in reversed(done.stdout.splitlines()) if "cov:" in line), "")
    sys.stdout.write(f"{target}: {last.strip()}\n" if done.returncode == 0 else done.stdout)
    sys.stdout.flush()
    return done.returncode == 0 and bool(last)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sanitized")
    parser.add_argument("--seconds", type=int, default=20, help="for each fuzzer")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="fuzzers at once")
    options = parser.parse_args()
    build()
    well = [test()]
    with ThreadPoolExecutor(options.jobs) as jobs:
        well += jobs.map(lambda target: fuzz(target, options.seconds), TARGETS)
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
