"""One trained model on data: the figures against a slow count, and the page."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from report.synthetic import make_logits
from rich.console import Console

from ecrnn.core.errors import DataError
from ecrnn.report import evaluate_predictions, print_evaluation, write_evaluation
from ecrnn.stats import wilson

CLASSES = ("cat", "dog & <b>", "한국어", "never")


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 200)
    return label, make_logits(rng, label, 0.8, 4)


def test_figures_are_those_of_a_slow_count(data, tmp_path: Path) -> None:
    label, logits = data
    made = evaluate_predictions(label, logits, CLASSES, model="cnn", data="pets", n_note="the test part")
    given = [int(np.argmax(row)) for row in logits]
    right = sum(g == t for g, t in zip(given, label, strict=True))
    assert made.accuracy == wilson(right, 200)
    losses = [
        -np.log(np.exp(row.astype(float))[t] / np.exp(row.astype(float)).sum())
        for row, t in zip(logits, label, strict=True)
    ]
    assert made.cross_entropy == pytest.approx(np.mean(losses))
    dog = made.classes[1]
    hits = sum(g == t == 1 for g, t in zip(given, label, strict=True))
    assert dog.recall == wilson(hits, int((label == 1).sum()))
    assert dog.precision == wilson(hits, given.count(1))
    assert made.classes[3].recall is None
    assert np.array(made.confusion.counts).sum() == 200

    paths = write_evaluation(made, tmp_path / "out")
    content = json.loads(paths["evaluation.json"].read_text())
    assert content["accuracy"]["estimate"] == right / 200
    page = paths["evaluation.html"].read_text()
    assert "dog &amp; &lt;b&gt;" in page
    assert "<b>" not in page
    assert made.headline in page
    console = Console(file=io.StringIO(), width=150)
    print_evaluation(made, console)
    assert "한국어" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_perfect_model_confuses_nothing(tmp_path: Path) -> None:
    label = np.arange(10) % 4
    made = evaluate_predictions(label, np.eye(4)[label], CLASSES, model="cnn", data="pets")
    assert made.confusion.most_confused == ()
    assert "No image was given a wrong class." in write_evaluation(made, tmp_path)["evaluation.html"].read_text()


@pytest.mark.parametrize(
    ("label", "logits", "match"),
    [
        (np.zeros(3, int), np.zeros((3, 2)), r"logits must be \(3, 4\)"),
        (np.zeros(0, int), np.zeros((0, 4)), "no images"),
        (np.array([0, 4]), np.zeros((2, 4)), "whole numbers from 0 to 3"),
        (np.array([0.0, 1.0]), np.zeros((2, 4)), "whole numbers from 0 to 3"),
        (np.array([0, 1]), np.full((2, 4), np.nan), "not finite"),
    ],
)
def test_what_cannot_be_judged_is_one_line(label, logits, match: str) -> None:
    with pytest.raises(DataError, match=match):
        evaluate_predictions(label, logits, CLASSES, model="cnn", data="pets")


def test_examples_have_the_name_of_their_task(data, tmp_path: Path) -> None:
    made = evaluate_predictions(*data, CLASSES, model="sentiment", data="reviews", examples="texts")
    assert made.headline.endswith("of 200 texts of reviews the right class.")
    paths = write_evaluation(made, tmp_path)
    assert json.loads(paths["evaluation.json"].read_text())["examples"] == "texts"
    console = Console(file=io.StringIO(), width=150)
    print_evaluation(made, console)
    for text in (paths["evaluation.html"].read_text(), console.file.getvalue()):  # type: ignore[attr-defined]
        assert "image" not in text
        assert "none of the texts was trained on" in text
    plain = evaluate_predictions(*data, CLASSES, model="cnn", data="pets")
    assert "examples" not in json.loads(write_evaluation(plain, tmp_path)["evaluation.json"].read_text())
