"""How many trials of a study one NVIDIA card had better train at a time.

    python benchmarks/gpu_trials.py --together 1 2 4 8 --trials 8

The same study of `--trials` trials is trained with that many of them sharing the card, a process each. For each number:
seconds of the command, the median of the seconds that a trial trained, trials a minute of training (so many together,
divided by that median) with their ratio to one at a time, and whether the predictions of all trials have the same bytes
as one at a time. A line of JSON after each number, with all so far, so that a time limit loses only what was not
measured; `--device cpu` tries the program where there is no card, with so many jobs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ecrnn.core.manifests import read_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--together", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--model", default="ecrnn-bilstm-16")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    asked = parser.parse_args()
    found, first = {}, None
    for together in asked.together:
        row, digests = measure(asked, together)
        first = first or (row, digests)
        row["rate_to_first"] = round(row["trials_a_minute"] / first[0]["trials_a_minute"], 2)
        row["same_bytes"] = digests == first[1]
        found[str(together)] = row
        print(json.dumps({"model": asked.model, "trials": asked.trials, "together": found}), flush=True)


def measure(asked: argparse.Namespace, together: int) -> tuple[dict[str, Any], list[str]]:
    """Train the study with so many trials at a time; gives figures, and digests of the predictions."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "ecrnn", "compare", asked.data, "--models", asked.model]
        command += ["--repeats", str(asked.trials), "--epochs", str(asked.epochs), "--device", asked.device]
        command += ["--threads", "1", "--out", place, "--json"]
        command += ["--image-size", str(asked.image_size)] if asked.image_size else []
        command += ["--engine", "processes", "--jobs", str(together)]
        command += ["--trials-per-gpu", str(together)] if asked.device == "cuda" else []
        begin = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        whole = time.monotonic() - begin
        folders = [Path(place, asked.model, f"repeat-{repeat}") for repeat in range(asked.trials)]
        facts = [manifest for folder in folders if (manifest := read_manifest(folder))]
        digests = [hashlib.sha256((folder / "predictions.npz").read_bytes()).hexdigest() for folder in folders]
    seconds = statistics.median(of["seconds"] for of in facts)
    row = {
        "seconds": round(whole, 1),
        "seconds_a_trial": round(seconds, 2),
        "trials_a_minute": round(60 * together / seconds, 1),
        "shared_by": sorted({of.get("trials_per_gpu") for of in facts}, key=str),
    }
    return row, digests


if __name__ == "__main__":
    main()
