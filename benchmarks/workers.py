"""What a trial costs beside its training when workers share a study: python benchmarks/workers.py [--out FILE]

The same small study is trained by `ecrnn compare --jobs 1`, and by `ecrnn work` with 1, 2 and 4 workers that are
commands of their own, in alternation. A table on the standard output has the medians:

    seconds     until the last command has left
    training    of it in all trials, as their manifests say
    beside      seconds of all workers that are no training, a trial
    processor   the processor's seconds of all commands and what they have started
    each        of them for one command
    a trial     of them, without those that as many workers need that find nothing to do

The processor's seconds are about the same on a busy machine; for the others a quiet one is needed. Three rounds of 12
trials take about 300 s of the processor, which two quiet cores do in some four minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ecrnn.core.devices import environment
from ecrnn.core.files import write_atomically
from ecrnn.core.manifests import read_manifest
from ecrnn.core.text import json_text

ECRNN = (sys.executable, "-m", "ecrnn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the file system that is asked about")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    study = ["digits", "--models", "mlp-16", "--repeats", str(asked.repeats), "--epochs", "2", "--image-size", "8"]
    study += ["--batch-size", "128", "--threads", "1"]
    rows: dict[str, list[dict[str, float]]] = {}
    for _ in range(asked.rounds):  # alternating
        for workers in (0, *asked.workers):
            name = f"{workers} workers" if workers else "compare --jobs 1"
            rows.setdefault(name, []).append(measure(study, workers, asked.repeats, asked.folder))
    starts = [start(asked.folder) for _ in range(asked.rounds)]
    idle = [statistics.median(times) for times in zip(*starts, strict=True)]
    medians = {name: _medians(of) for name, of in rows.items()}
    for name, row in medians.items():
        commands = int(name.split()[0]) if name[0].isdigit() else 1
        row["processor_each"] = round(row["processor"] / commands, 3)
        row["processor_a_trial"] = round((row["processor"] - commands * idle[1]) / asked.repeats, 3)
    _print(medians, idle)
    if asked.out:
        found = {"trials": asked.repeats, "rows": medians, "start_of_a_worker": idle, "load": os.getloadavg()}
        write_atomically(asked.out, json_text({**found, "environment": environment()}, 2) + "\n")


def _print(rows: dict[str, dict[str, float]], idle: list[float]) -> None:
    heads = ("seconds", "training", "beside", "processor", "each", "a trial")
    print(" " * 24 + "".join(f"{head:>12}" for head in heads))
    for name, row in rows.items():
        print(f"{name:24}" + "".join(f"{value:12.2f}" for value in row.values()))
    print(f"{'a worker without a trial':24}{idle[0]:12.2f}{'':24}{idle[1]:12.2f}")


def measure(study: list[str], workers: int, repeats: int, folder: Path | None) -> dict[str, float]:
    """One study; ``workers`` 0: without any. Seconds."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        out = Path(place, "study")
        command = [*ECRNN, "compare", *study, "--out", str(out)]
        if workers:
            subprocess.run([*command, "--engine", "none"], check=True, capture_output=True, env=_environment())
            command = [*ECRNN, "work", str(out), "--no-wait"]
        begin, before = time.monotonic(), processor()
        running = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
            for _ in range(workers or 1)
        ]
        for process in running:
            process.wait()
        seconds = time.monotonic() - begin
        facts = [read_manifest(out / "mlp-16" / f"repeat-{repeat}") for repeat in range(repeats)]
        training = sum(of["seconds"] for of in facts if of is not None)
        assert None not in facts
        beside = ((workers or 1) * seconds - training) / repeats
        used = processor() - before
        return {"seconds": seconds, "training": training, "beside_a_trial": beside, "processor": used}


def processor() -> float:
    """The processor's seconds of all processes that have ended and were waited for."""
    times = os.times()
    return times.children_user + times.children_system


def start(folder: Path | None) -> tuple[float, float]:
    """Seconds, and the processor's seconds, that a worker takes to find that there is nothing to do."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        study = ["digits", "--models", "mlp-4", "--repeats", "1", "--epochs", "1", "--image-size", "8", "--threads=1"]
        run = [*ECRNN, "compare", *study, "--out", f"{place}/study"]
        subprocess.run(run, check=True, capture_output=True, env=_environment())
        begin, before = time.monotonic(), processor()
        subprocess.run([*ECRNN, "work", f"{place}/study"], check=True, capture_output=True, env=_environment())
        return time.monotonic() - begin, processor() - before


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}


if __name__ == "__main__":
    main()
