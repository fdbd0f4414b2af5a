"""A stranger's task in a package of its own: `counting`, whether a row of numbers is long or short, in all commands.

Everything is done as a user does it, in processes that find the package by its entry points.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FACTS = '''\
"""What is plain about the task."""

from ecrnn.core.tasks import Card, Task

TASK = Task(
    name="counting",
    metric="accuracy",
    examples="rows",
    use="ecrnn predict {bundle} --text '1 2 3'",
    card=Card(
        what="A counter",
        each="a row of {length} numbers",
        command="ecrnn predict {folder} --text '1 2 3'",
        call='.predict(["1 2 3"])',
        limits="It counts short rows only.",
    ),
    load="counting.data:load",
    prepare="counting.data:prepare",
    objective="counting.objective:Counting",
    predictor="counting.predictor:CountingPredictor",
    random_batch="counting.objective:random_batch",
    inputs=("tokens", "classes"),
    usual={"tokens": 14, "classes": 2},
    parts=("vocabulary", "length"),
    classes=True,
    reads="texts",
    data_sets=("rows",),
    defaults={"tokens": "words", "length": 12, "training": {"epochs": 2, "batch_size": 16}},
)
'''
DATA = '''\
"""Rows of numbers: made here by the name "rows", or a file of `class: numbers` lines."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecrnn.data import catalogue, tokens
from ecrnn.data.keys import of_texts
from ecrnn.models.prepared import Prepared

from counting.facts import TASK


@dataclass(frozen=True)
class Rows:
    name: str
    rows: tuple
    labels: np.ndarray
    classes: tuple
    n_train: int
    fingerprint: str

    def __len__(self):
        return len(self.rows)

    def keys(self):
        return of_texts(self.rows)


def read(data):
    place = catalogue.place(data, "counting", "a file of rows")
    if place is None:
        draw = np.random.default_rng(0)
        drawn = [draw.integers(0, 10, draw.integers(1, 9)) for _ in range(120)]
        lines = [f"{'long' if len(row) > 4 else 'short'}: {' '.join(map(str, row))}" for row in drawn]
    else:
        lines = Path(place).read_text().splitlines()
    names, rows = zip(*(line.split(": ") for line in lines), strict=True)
    classes = ("long", "short")
    digest = hashlib.sha256("\\n".join(lines).encode()).hexdigest()
    return Rows(str(data), rows, np.array([classes.index(name) for name in names]), classes, len(rows), digest)


def load(settings, data_dir, loading):
    return read(settings.data)


def prepare(data, split, settings):
    vocabulary = tokens.fit(settings.tokens, [data.rows[i] for i in split.train], settings.vocabulary)
    return Prepared(TASK, data.classes, vocabulary=vocabulary, length=settings.length)
'''
OBJECTIVE = '''\
"""What a training learns."""

import numpy as np
import torch

from ecrnn.data.batches import padded
from ecrnn.explain.batches import of_classes, texts
from ecrnn.training.classification import Classification


class Counting(Classification):
    def __init__(self, data, split, prepared, settings, seed):
        super().__init__(split, settings)
        self.tokens, self.labels = [prepared.encode(row) for row in data.rows], data.labels

    def batch(self, positions, epoch):
        index = self.split.train[positions]
        *inputs, labels = self._tensors(*padded([self.tokens[i] for i in index]), self.labels[index])
        return tuple(inputs), labels

    def logits(self, model, index):
        return logits(model, [self.tokens[i] for i in index])


def logits(model, rows):
    with torch.no_grad():
        return model.eval()(*map(torch.from_numpy, padded(rows))).numpy().astype(np.float32)


def random_batch(spec, n, steps, generator):
    return of_classes(texts(generator, n, steps, spec.tokens), spec, n, generator)
'''
PREDICTOR = '''\
"""A trained model in use."""

import numpy as np

from ecrnn.core.predictions import Predictions
from ecrnn.models.inference import softmax
from ecrnn.serving.model import Judged, Model

from counting.data import read
from counting.objective import logits


class CountingPredictor(Model):
    @property
    def classes(self):
        return self.prepared.classes

    def examples(self, data, data_dir=None):
        return read(data)

    def judge(self, data, index):
        found = logits(self.network, [self.prepared.encode(data.rows[i]) for i in index])
        return Judged(Predictions(index, data.labels[index], found))

    def answers(self, inputs):
        return softmax(logits(self.network, [self.prepared.encode(row) for row in inputs]))
'''
MODELS = '''\
"""A family for it."""

import ecrnn
import torch
from torch import nn


@ecrnn.register("tally", task="counting", recipe={"lr": 0.05})
class Tally(nn.Module):
    def __init__(self, spec, *, width: int = 4):
        super().__init__()
        self.embedding, self.head = nn.Embedding(spec.tokens, width), nn.Linear(width + 1, spec.classes)

    def forward(self, ids, lengths):
        mean = self.embedding(ids).mean(1)  # (B, width)
        return self.head(torch.cat([mean, lengths[:, None].to(mean.dtype) / 4], 1))
'''
ENTRIES = """\
[ecrnn.tasks]
counting = counting.facts:TASK
broken = counting.nowhere:TASK
misnamed = counting.facts:TASK
[ecrnn.models]
tally = counting.models
astray = counting.astray
lost = counting.lost
"""
ASTRAY = 'import ecrnn\n\n\n@ecrnn.register("{}", task="{}")\ndef build(spec): ...\n'


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed in it."""
    folder = tmp_path_factory.mktemp("foreign")
    package, facts = folder / "counting", folder / "counting-1.dist-info"
    package.mkdir()
    facts.mkdir()
    files = {"__init__": "", "facts": FACTS, "data": DATA, "objective": OBJECTIVE, "predictor": PREDICTOR}
    files |= {"models": MODELS, "astray": ASTRAY.format("astray", "broken"), "lost": ASTRAY.format("lost", "misnamed")}
    for name, code in files.items():
        (package / f"{name}.py").write_text(code)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(ENTRIES)
    return folder


@pytest.fixture(scope="module")
def folder(alone: Path) -> Path:
    """The same with a study of two repeats in two processes."""
    done = ecrnn("compare rows --models tally,tally+width=2 --repeats 2 --jobs 2 --threads 1 -o study", alone)
    assert done.returncode == 0, done.stderr
    return alone


def ecrnn(words: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "ecrnn", *words.split(), *more]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)


@pytest.mark.slow
def test_one_process_has_the_bits_of_two(folder: Path) -> None:
    done = ecrnn("compare rows --models tally,tally+width=2 --repeats 2 --threads 1 -o alone", folder)
    assert done.returncode == 0, done.stderr
    found = {}
    for study in ("study", "alone"):
        paths = sorted((folder / study).rglob("predictions.npz"))
        assert len(paths) == 4
        found[study] = [np.load(path)["logits"].tolist() for path in paths]
    assert found["study"] == found["alone"]


@pytest.mark.slow
def test_its_report(folder: Path) -> None:
    done = ecrnn("report study", folder)
    assert done.returncode == 0, done.stderr
    report = (folder / "study" / "report" / "report.md").read_text()
    assert "36 validation rows" in report
    assert json.loads((folder / "study" / "report" / "report.json").read_text())["task"] == "counting"


@pytest.mark.slow
def test_it_is_trained_judged_and_used(folder: Path) -> None:
    words = "train rows --model tally+width=3 --epochs 12 --threads 1 -o bundle"
    done = ecrnn(words, folder)
    assert done.returncode == 0, done.stderr
    assert "Use it: ecrnn predict bundle --text '1 2 3'" in done.stderr + done.stdout
    card = (folder / "bundle" / "README.md").read_text()
    assert "A counter trained with" in card
    assert "multiply-adds a row of 32 numbers" in card
    (folder / "mine.txt").write_text("short: 1 2\nlong: 1 2 3 4 5 6 7\nshort: 3\nlong: 9 8 7 6 5 4 3 2\n")
    judged = ecrnn("evaluate bundle mine.txt --json", folder)
    assert judged.returncode == 0, judged.stderr
    assert json.loads(judged.stdout)["accuracy"]["estimate"] == 1
    predicted = ecrnn("predict bundle --json --top 1", folder, "--text", "5 5 5 5 5 5 5 5", "--text", "5")
    assert predicted.returncode == 0, predicted.stderr
    best = [json.loads(line)["classes"][0]["class"] for line in predicted.stdout.splitlines()]
    assert best == ["long", "short"]
    bundled = ecrnn("bundle study --model tally -o kept", folder)
    assert bundled.returncode == 0, bundled.stderr


def test_its_table(alone: Path) -> None:
    done = ecrnn("summary tally --json", alone)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trainable"] == 14 * 4 + 5 * 2 + 2


@pytest.mark.slow
def test_its_gradients(alone: Path) -> None:
    assert ecrnn("gradcheck tally", alone).returncode == 0


NAMES = """
from ecrnn.core.errors import EcrnnError
from ecrnn.models.names import task
for model in ("astray", "lost", "mlp-4"):
    try:
        print(task(model))
    except EcrnnError as error:
        print(error)
"""


def test_a_task_that_cannot_be_imported_is_one_line(alone: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(alone)}
    done = subprocess.run([sys.executable, "-c", NAMES], capture_output=True, text=True, env=environment)
    broken, misnamed, *right = done.stdout.splitlines()
    missing = "ModuleNotFoundError: No module named 'counting.nowhere'"
    assert f"task 'broken' of counting (counting.nowhere:TASK) cannot be imported: {missing}" in broken
    assert "should be an ecrnn.core.tasks.Task named 'misnamed', not a task named 'counting'" in misnamed
    assert right == ["image-classification"]
