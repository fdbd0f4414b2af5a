"""What a trial costs beside its training when workers share a study: python benchmarks/workers.py [--out FILE]

The same small study is trained by `ecrnn compare --jobs 1`, and by `ecrnn work` with 1, 2 and 4 workers that are
commands of their own. For each: seconds until the last one has left, seconds of the trainings as their manifests say,
the seconds a trial that are neither, and the processor's seconds of all of it. The last are about the same on a
busy machine; for the others a quiet one is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ecrnn.core.devices import environment
from ecrnn.core.files import write_atomically
from ecrnn.core.manifests import read_manifest
from ecrnn.core.text import json_text

ECRNN = (sys.executable, "-m", "ecrnn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=20)
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
    found = {
        "trials": asked.repeats,
        "rows": {name: _medians(of) for name, of in rows.items()},
        "start_of_a_worker": [statistics.median(times) for times in zip(*starts, strict=True)],
        "load": os.getloadavg(),
        "environment": environment(),
    }
    print(json.dumps(found, indent=2))
    if asked.out:
        write_atomically(asked.out, json_text(found, 2) + "\n")


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
        study = [
            "digits",
            "--models",
            "mlp-4",
            "--repeats",
            "1",
            "--epochs",
            "1",
            "--image-size",
            "8",
            "--threads",
            "1",
        ]
        run = [*ECRNN, "compare", *study, "--out", f"{place}/study"]
        subprocess.run(run, check=True, capture_output=True, env=_environment())
        begin, before = time.monotonic(), processor()
        subprocess.run([*ECRNN, "work", f"{place}/study"], check=True, capture_output=True, env=_environment())
        return time.monotonic() - begin, processor() - before


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def _medians(rows: list[dict[str, float]]) -> dict[str, Any]:
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}


if __name__ == "__main__":
    main()
