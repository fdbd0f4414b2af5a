"""What the sharing of a study costs: trials of no work, taken by several processes, and the calls to the file system.

    python benchmarks/leases.py [--trials 1000] [--workers 1 2 4 8] [--folder DIR] [--out FILE]

Each worker takes trials as `ecrnn work` does, writes a manifest of a line instead of training, and puts them into their
place. DIR should lie on the file system that is asked about; by default it is the system's folder for temporary files.
The calls count what a network file system would be asked at the most: a client answers some from its memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.files import write_atomically
from ecrnn.core.runs import read_settings, write_settings
from ecrnn.core.text import json_text
from ecrnn.studies.shared_trials import SharedTrials

CALLS = ("open", "stat", "lstat", "listdir", "scandir", "mkdir", "rmdir", "rename", "replace", "unlink", "fsync")
MODELS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    repeats = max(1, asked.trials // MODELS)
    rows = [measure(asked.folder, repeats, workers) for workers in asked.workers]
    found = {"trials": MODELS * repeats, "platform": platform.platform(), "cores": os.cpu_count(), "rows": rows}
    print(json.dumps(found, indent=2))
    if asked.out:
        write_atomically(asked.out, json_text(found, 2) + "\n")


def measure(folder: Path | None, repeats: int, workers: int) -> dict[str, Any]:
    """One study by so many workers; seconds and calls a trial."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        study = Path(place, "study")
        models = [f"mlp-{n + 1}" for n in range(MODELS)]
        write_settings(study, StudySettings.read({"data": "digits", "models": models, "repeats": repeats}))
        begin = time.monotonic()
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            done = pool.map(take_all, [study] * workers, chunksize=1)
        seconds = time.monotonic() - begin
        trials = sum(taken for taken, _, _ in done)
        assert trials == MODELS * repeats
        assert len(list(study.rglob("manifest.json"))) == trials
        assert not (study / ".work").exists()
        calls = sum((counted for _, counted, _ in done), Counter())
        return {
            "workers": workers,
            "seconds": round(seconds, 2),
            "ms_a_trial_of_a_worker": round(1000 * sum(busy for _, _, busy in done) / trials, 2),
            "calls_a_trial": round(sum(calls.values()) / trials, 1),
            "by_call": {name: round(count / trials, 1) for name, count in calls.most_common()},
        }


def take_all(study: Path) -> tuple[int, Counter[str], float]:
    """Take trials until none is left; gives how many, the calls to the file system and the seconds."""
    counted: Counter[str] = Counter()
    for name in CALLS:
        setattr(os, name, counting(getattr(os, name), name, counted))
    shared = SharedTrials(study, read_settings(study), host=f"host-{os.getpid()}")
    counted.clear()
    taken, begin = 0, time.monotonic()
    while True:
        attempt = shared.take()
        if attempt is None:
            if not shared.needed():
                return taken, counted, time.monotonic() - begin
            time.sleep(0.01)
            continue
        (attempt.folder / "manifest.json").write_text('{"facts": {"host": "' + shared.leases.host + '"}}')
        shared.publish(attempt)
        taken += 1


def counting(call: Any, name: str, counted: Counter[str]) -> Any:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        counted[name] += 1
        return call(*arguments, **options)

    return wrapped


if __name__ == "__main__":
    main()
