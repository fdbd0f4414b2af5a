"""Figures beside the differences: what stands in them is what was computed, and nothing where there is nothing."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from report.synthetic import make_study

from ecrnn.report import Analysis, analyse, read_study
from ecrnn.report.content.effects_table import effects, effects_table, removed
from ecrnn.report.figure import Figure
from ecrnn.report.render.figures import _score_curves, draw_figures
from ecrnn.report.render.pair_figures import draw_chances, draw_effects, draw_profiles
from ecrnn.report.render.svg import STYLE
from ecrnn.report.render.write import report_files
from ecrnn.stats import METRICS

SMALL: dict[str, Any] = {"n_validation": 300, "epochs": 3}


def of(folder: Path, accuracies: dict[str, float] | None = None, **more: Any) -> Analysis:
    models = accuracies or {"cnn": 0.7, "ecnn": 0.75}
    return analyse(read_study([make_study(folder, models, **SMALL | more)]))


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return of(tmp_path_factory.mktemp("figures") / "study", repeats=6)


def drawn(draw: Any, analysis: Analysis) -> Figure | None:
    with matplotlib.rc_context(STYLE):
        found: Figure | None = draw(analysis)
        return found


def test_effects_by_hand(analysis: Analysis) -> None:
    (pair,), (one,) = analysis.comparison.pairs, effects(analysis)
    assert pair.test is not None
    scores = {row.model: np.array(row.scores) for row in analysis.models}
    difference = scores["ecnn"] - scores["cnn"]
    errors = 1 - scores["cnn"].mean()
    assert one.size == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert one.removed == pytest.approx(difference.mean() / errors)
    assert (one.low, one.high) == pytest.approx((pair.test.low / pair.test.sd, pair.test.high / pair.test.sd))
    assert one.removed_low == pytest.approx(pair.test.low / errors)
    (row,) = effects_table(analysis).rows
    assert [row[2].values[0], row[4].values[0]] == [one.size, one.removed]


def test_a_gain_is_above_0_where_lower_is_better(tmp_path: Path) -> None:
    found = of(tmp_path / "study", {"one": 0.5, "other": 0.3}, repeats=5, task="transcription")
    (one,) = effects(found)
    (a, b) = (np.array(row.scores) for row in found.models)
    assert one.size > 0
    assert one.removed == pytest.approx((a - b).mean() / a.mean())
    assert removed(found.metric) == "share of B's character error rate that A removes"
    assert removed(METRICS["accuracy"]) == "share of B's errors that A removes"


def test_what_each_figure_says(analysis: Analysis) -> None:
    (pair,), (one,) = analysis.comparison.pairs, effects(analysis)
    chances, sizes, profiles = (drawn(draw, analysis) for draw in (draw_chances, draw_effects, draw_profiles))
    assert pair.probability is not None
    assert chances
    assert f"ecnn beats cnn: {pair.probability.estimate:.3f}".removesuffix(".000") in chances.svg
    assert sizes
    assert f"ecnn minus cnn: {one.size:.2f}" in sizes.svg
    assert "share of B's errors that A removes" in sizes.svg
    assert profiles
    assert "Score profiles of cnn and ecnn" in profiles.svg
    assert "Clopper and Pearson" in profiles.caption


def test_few_repeats_have_no_such_figures(tmp_path: Path) -> None:
    few = of(tmp_path / "study", repeats=2)
    assert drawn(draw_chances, few) is None
    assert drawn(draw_profiles, few) is None
    alone = of(tmp_path / "alone", {"cnn": 0.7}, repeats=6)
    assert [drawn(draw, alone) for draw in (draw_chances, draw_effects, draw_profiles)] == [None] * 3


def test_many_models_are_the_best(tmp_path: Path) -> None:
    many = of(tmp_path / "study", {f"m{k}": 0.6 + 0.03 * k for k in range(8)}, repeats=5)
    figure = drawn(draw_profiles, many)
    assert figure
    assert "The 6 models with the best means; 2 more are left out." in figure.caption
    assert "Clopper" not in figure.caption  # bands of so many would cover each other
    assert "m7" in figure.svg
    assert not re.search(r"\bm0\b", figure.svg)
    chances = drawn(draw_chances, many)
    assert chances
    assert "The first 24 pairs of 28; the table has all." in chances.caption


def test_every_training_has_its_line(analysis: Analysis) -> None:
    curve = next(one for one in analysis.curves if one.quantity == "validation_accuracy")
    assert np.array(curve.trials).shape == (6, 3)
    assert np.array(curve.trials).mean(axis=0) == pytest.approx(curve.mean)
    assert "Thin lines: every training" in drawn(_score_curves, analysis).caption
    single = replace(curve, trials=curve.trials[:1])
    bands = [single if one is curve else one for one in analysis.curves]
    assert (
        "The band goes from the lowest to the highest"
        in drawn(_score_curves, replace(analysis, curves=tuple(bands))).caption
    )


CONTRASTS = {"E or not": {"plus": ["ecnn"], "minus": ["cnn"]}}


@pytest.mark.usefixtures("undrawn")
def test_contrasts_are_drawn_said_and_flagged(tmp_path: Path) -> None:
    study = make_study(
        tmp_path / "study", {"cnn": 0.7, "ecnn": 0.75}, **SMALL, repeats=6, contrasts=CONTRASTS, planned_repeats=6
    )
    planned = analyse(read_study([study]))
    figures = {figure.key: figure for figure in draw_figures(planned)}
    (contrast,) = planned.comparison.contrasts
    assert f"E or not: +{100 * (contrast.pair.difference or 0):.2f} points, {contrast.pair.verdict}" in (
        figures["contrasts"].svg
    )
    files = report_files(planned)
    for name in ("report.md", "report.html"):
        assert f"E or not: {contrast.pair.sentence}" in html.unescape(files[name].replace("\\", ""))
    assert "chosen" not in files["report-contrasts.csv"]
    after = report_files(analyse(read_study([study]), rope=0.02))
    assert "chosen_after_the_results" in after["report-contrasts.csv"].splitlines()[0]
    assert "chosen" not in report_files(analyse(read_study([study]), baseline="cnn"))["report-contrasts.csv"]
