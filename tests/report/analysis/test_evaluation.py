"""One trained model on data: the figures against a slow count, and the page."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from PIL import Image
from report.korean import english
from report.synthetic import make_logits
from rich.console import Console
from scipy import special
from sklearn import metrics

from ecrnn.core.errors import DataError, EcrnnError
from ecrnn.report import Decision, evaluate_predictions, evaluation_page, print_evaluation, write_evaluation
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
    korean = evaluation_page(made, "ko")
    assert english(korean, [*CLASSES, "cnn", "pets", "image"]) == []
    assert "시험 부분" in korean
    cell = re.compile(r'<td class="right[^"]*">([^<]*)</td>')
    for one, other in zip(cell.findall(page), cell.findall(korean), strict=True):
        assert re.findall(r"[0-9.,]+", one) == re.findall(r"[0-9.,]+", other)
    rows = list(csv.reader(io.StringIO(paths["predictions.csv"].read_text(), newline="")))
    assert rows[0] == ["image", "class", "prediction", "correct", *CLASSES]
    share = special.softmax(logits.astype(float), axis=1)
    assert [[float(cell) for cell in row[4:]] for row in rows[1:]] == made.rows.probability.tolist()
    np.testing.assert_allclose(made.rows.probability, share, rtol=1e-12)
    assert [(row[1], row[2]) for row in rows[1:]] == [
        (CLASSES[t], CLASSES[g]) for t, g in zip(label, given, strict=True)
    ]
    assert sum(int(row[3]) for row in rows[1:]) == right
    assert dog.f1 is not None
    assert dog.f1.estimate == pytest.approx(metrics.f1_score(label == 1, np.array(given) == 1))
    assert made.two_classes is None
    wrong = sorted((share[k, label[k]], k) for k in range(200) if given[k] != label[k])
    assert [one.example for one in made.worst] == [f"image {k}" for _, k in wrong[: len(made.worst)]]
    assert [one.of_true for one in made.worst] == pytest.approx([of for of, _ in wrong[: len(made.worst)]])
    console = Console(file=io.StringIO(), width=150)
    print_evaluation(made, console)
    assert "한국어" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_perfect_model_confuses_nothing(tmp_path: Path) -> None:
    label = np.arange(10) % 4
    made = evaluate_predictions(label, np.eye(4)[label], CLASSES, model="cnn", data="pets")
    assert made.confusion.most_confused == ()
    assert english(evaluation_page(made, "ko"), [*CLASSES, "cnn", "pets"]) == []
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
        assert "image" not in text.split("</style>")[-1]
        assert "none of the texts was trained on" in text
    plain = evaluate_predictions(*data, CLASSES, model="cnn", data="pets")
    assert "examples" not in json.loads(write_evaluation(plain, tmp_path)["evaluation.json"].read_text())


@pytest.fixture(scope="module")
def two() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    label = (rng.random(160) < 0.3).astype(int)
    margin = 3 * rng.normal(size=160) + 4 * label - 2
    return label, np.stack([-margin, margin], axis=1)


def test_a_threshold_of_two_classes_decides_everything(two, tmp_path: Path) -> None:
    label, logits = two
    share = special.softmax(logits / 2, axis=1)
    given = np.where(share[:, 0] >= 0.2, 0, 1)
    decision = Decision(temperature=2.0, threshold=0.2, positive="sick")
    made = evaluate_predictions(label, logits, ("sick", "well"), model="cnn", data="scans", decision=decision)
    assert made.accuracy.estimate == (given == label).mean()
    counts = metrics.confusion_matrix(label, given)
    assert np.array(made.confusion.counts).tolist() == counts.tolist()
    assert made.cross_entropy == pytest.approx(metrics.log_loss(label, share))
    found = made.two_classes
    assert found is not None
    assert found.curve.auc.estimate == pytest.approx(metrics.roc_auc_score(label == 0, share[:, 0]))
    (chosen,) = [point for point in found.points if point.why == "chosen"]
    assert (chosen.threshold, chosen.true_positives, chosen.false_positives) == (0.2, counts[0, 0], counts[1, 0])
    assert {"largest F1", "Youden's J", "chosen"} <= {w for p in found.points for w in p.why.split(", ")}
    assert made.headline.endswith("the right class, which is sick from a probability of 0.2 on.")
    assert made.calibration.accuracy == (share.argmax(axis=1) == label).mean()  # of the more probable class, still
    assert english(evaluation_page(made, "ko"), ["sick", "well", "cnn", "scans", "image"]) == []
    content = json.loads(write_evaluation(made, tmp_path)["evaluation.json"].read_text())
    assert content["two_classes"]["curve"]["auc"] == made.two_classes.curve.auc.__dict__  # type: ignore[union-attr]
    assert content["temperature"] == 2.0


def test_a_fitted_temperature_is_shown_and_not_applied(two, tmp_path: Path) -> None:
    label, logits = two
    made, plain = (
        evaluate_predictions(label, 5 * logits, ("sick", "well"), model="cnn", data="scans", decision=Decision(how))
        for how in ("fit", 1.0)
    )
    assert made.fitted is not None
    assert made.calibration == plain.calibration
    assert made.fitted.calibration.ece < 0.5 * made.calibration.ece
    assert made.fitted.cross_entropy < made.cross_entropy == plain.cross_entropy
    assert english(evaluation_page(made, "ko"), ["sick", "well", "cnn", "scans", "image"]) == []
    assert f"--temperature {made.fitted.all:.4g}" in write_evaluation(made, tmp_path)["evaluation.html"].read_text()


def test_the_page_shows_the_most_wrong_as_they_were_given(data, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 6, 5, 3)).astype(np.uint8)
    look = lambda row: (f"<i>{row}\x1b.png", images[row])  # noqa: E731
    made = evaluate_predictions(*data, CLASSES, model="cnn", data="pets", look=look)
    page = write_evaluation(made, tmp_path)["evaluation.html"].read_text()
    shown = [base64.b64decode(uri) for uri in re.findall(r'src="data:image/png;base64,([^"]*)"', page)]
    wrong = [one.image for one in made.worst]
    assert len(shown) == len(wrong) > 10
    for png, image in zip(shown, wrong, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), image)
    assert "<i>" not in page
    assert "\x1b" not in page
    assert "\\x1b.png" in page


@pytest.mark.parametrize(
    ("decision", "line"),
    [
        (Decision(temperature=0.0), "temperature should be above 0"),
        (Decision(threshold=1.0), "threshold should lie between 0 and 1"),
        (Decision(temperature="warm"), "temperature should be above 0, or fit, not warm"),
        (Decision(temperature=5e-324), "temperature 4.94066e-324 is too small"),
        (Decision(threshold=0.5), "threshold is for models of two classes; this one has 4"),
        (Decision(positive="cat"), "positive is for models of two classes"),
    ],
)
def test_decisions_that_cannot_be_are_one_line(data, decision: Decision, line: str) -> None:
    with one_line(EcrnnError, line):
        evaluate_predictions(*data, CLASSES, model="cnn", data="pets", decision=decision)
    with one_line(EcrnnError, "unknown class 'sik', did you mean 'sick'"):
        Decision(positive="sik").check(("sick", "well"))
