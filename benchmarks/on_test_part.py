"""The networks of a finished study on the data set's own test part, whose images none of them was trained on.

    python benchmarks/on_test_part.py runs/study --data-dir DATA --out results/confirm/test-part.npz

Each trial becomes a bundle (`ecrnn bundle`) that answers for every test image (`ecrnn evaluate --part test`); the file
keeps which answers are correct, a bit each. Given again, the command asks the networks that are missing. It then prints
what `ecrnn judge --fixed-test` says of them: the differences vary with the networks, of which each has a seed and a
split of its own, and with the test images, which all share.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ecrnn
from ecrnn.core.files import write_atomically


def answers(study: Path, model: str, repeat: int, data: str, data_dir: Path) -> NDArray[np.bool_]:
    """Which images of the test part a network answers correctly, in their order."""
    with tempfile.TemporaryDirectory() as folder:
        bundle, out = Path(folder) / "bundle", Path(folder) / "evaluation"
        place = ["--data-dir", str(data_dir)]
        _ecrnn("bundle", str(study), "--model", model, "--repeat", str(repeat), "-o", str(bundle), *place)
        _ecrnn("evaluate", str(bundle), data, "--part", "test", "--out", str(out), *place)
        with (out / "predictions.csv").open(newline="", encoding="utf-8") as file:
            return np.array([row["correct"] == "1" for row in csv.DictReader(file)])


def _ecrnn(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "ecrnn", *arguments], check=True, stdout=subprocess.DEVNULL)


def judged(correct: dict[str, NDArray[np.bool_]], n_train: int = 35_000) -> ecrnn.Report:
    """Verdict and report on the answers, by ``MODEL/repeat-N``, of networks that ``n_train`` images trained."""
    rows = [
        {"model": name.partition("/")[0], "repeat": int(name.rpartition("-")[2]), "example": i, "correct": int(hit)}
        for name, hits in correct.items()
        for i, hit in enumerate(hits)
    ]
    return ecrnn.judge(rows, fixed_test=True, n_train=n_train)


def read(path: Path) -> dict[str, NDArray[np.bool_]]:
    """What a file of this script holds."""
    with np.load(path) as file:
        images = int(file["images"])
        return {name: np.unpackbits(file[name], count=images).astype(bool) for name in file.files if name != "images"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n-train", type=int, default=35_000, help="images that trained each network, for the report")
    asked = parser.parse_args()
    correct = read(asked.out) if asked.out.exists() else {}
    for trial in sorted(asked.study.glob("*/repeat-*/manifest.json")):
        model, repeat = trial.parent.parent.name, int(trial.parent.name.removeprefix("repeat-"))
        name = f"{model}/repeat-{repeat}"
        if name in correct:
            continue
        correct[name] = answers(asked.study, model, repeat, asked.data, asked.data_dir)
        print(f"{name}: {100 * correct[name].mean():.2f} % of {len(correct[name]):,} test images", flush=True)
        file = io.BytesIO()
        images = np.array(len(correct[name]))
        np.savez_compressed(file, images=images, **{n: np.packbits(hits) for n, hits in sorted(correct.items())})
        write_atomically(asked.out, file.getvalue())
    for pair in judged(correct, asked.n_train).analysis.comparison.pairs:
        print(pair.sentence)


if __name__ == "__main__":
    main()
