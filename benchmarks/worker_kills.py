"""Workers of one study that are killed, stopped and continued at random: same bytes, no trial lost, none left running.

    python benchmarks/worker_kills.py --signals 100 --seed 0

Two `ecrnn work` share a study while SIGKILL, SIGSTOP and SIGCONT come at random to them and to their processes. A
command that was killed is given again. Every process that was stopped continues later, some after their leases have
passed. At the end everything is compared with the same study trained by `ecrnn compare --jobs 1`. One line of JSON
comes out, and the status is 0 only if nothing differs and nothing is left running.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ECRNN = (sys.executable, "-m", "ecrnn")
TIMED = {"manifest.json", "metrics.jsonl", "environment.json", ".lock"}  # hold times beside what was computed
LEASE = 3.0  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", default="cnn,ecnn")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--pause", type=float, default=4.0, help="seconds between two signals, on average")
    asked = parser.parse_args()
    study = ["digits", "--models", asked.models, "--repeats", str(asked.repeats), "--epochs", str(asked.epochs)]
    study += ["--image-size", "8", "--batch-size", "128", "--threads", "1", "--set", "training.checkpoint_seconds=0.2"]
    with tempfile.TemporaryDirectory() as place:
        alone, shared = Path(place, "alone"), Path(place, "shared")
        run("compare", *study, "--out", alone, "--jobs", 1)
        run("compare", *study, "--out", shared, "--engine", "none")
        begin = time.monotonic()
        sent = campaign(shared, asked.signals, random.Random(asked.seed), asked.pause)
        seconds = time.monotonic() - begin
        different = compare(alone, shared)
        print(
            json.dumps({"signals": sent, "seconds": round(seconds), "different": different, "left": processes(shared)})
        )
        sys.exit(bool(different or processes(shared)))


def run(*arguments: object) -> None:
    subprocess.run([*ECRNN, *map(str, arguments)], check=True, capture_output=True)


def campaign(study: Path, count: int, draw: random.Random, pause: float) -> dict[str, int]:
    """Send signals until ``count`` were sent and the study is finished; gives how many of each were sent."""
    workers: list[subprocess.Popen[bytes]] = []
    sent = {"SIGKILL": 0, "SIGSTOP": 0, "SIGCONT": 0}
    stopped: dict[int, float] = {}  # process: when it continues
    following = time.monotonic()
    while True:
        workers = [worker for worker in workers if worker.poll() is None]
        if sum(sent.values()) >= count and not stopped:
            run("work", study, "--lease", LEASE)
            for worker in workers:
                worker.wait()
            return sent
        while len(workers) < 2:
            command = [*ECRNN, "work", str(study), "--lease", str(LEASE), "--json"]
            workers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        now = time.monotonic()
        for process in [process for process, until in stopped.items() if now > until]:
            del stopped[process]
            sent["SIGCONT"] += tell(process, signal.SIGCONT)
        if now > following and sum(sent.values()) < count:
            following = now + draw.expovariate(1 / pause)
            alive = [process for process in processes(study) if process not in stopped]
            if alive and draw.random() < 0.5:
                sent["SIGKILL"] += tell(draw.choice(alive), signal.SIGKILL)
            elif alive:
                process = draw.choice(alive)
                sent["SIGSTOP"] += tell(process, signal.SIGSTOP)
                stopped[process] = now + draw.uniform(0, 4 * LEASE)
        time.sleep(0.05)


def tell(process: int, number: signal.Signals) -> bool:
    """Send a signal; False if the process is gone."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def processes(study: Path) -> list[int]:
    """The processes that work on the study, the commands and those that they have started."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit():
                words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
                state = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[0]
                if str(study).encode() in words and state != "Z":
                    found.append(int(entry))
    return found


def compare(alone: Path, shared: Path) -> list[str]:
    """The files that are not the same in both, or in one alone."""
    trees = []
    for place in (alone, shared):
        files = (path for path in place.rglob("*") if path.is_file() and "report" not in path.parts)
        trees.append({str(p.relative_to(place)): None if p.name in TIMED else p.read_bytes() for p in files})
    return sorted(name for name in trees[0].keys() | trees[1].keys() if trees[0].get(name, 0) != trees[1].get(name, 0))


if __name__ == "__main__":
    main()
