"""Reports of studies that train each split several times: means of splits, failures, and what varies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.synthetic import make_study

from ecrnn.core.manifests import write_manifest
from ecrnn.core.runs import read_trial
from ecrnn.report import Analysis, analyse, read_study, write_report
from ecrnn.report.content.tables import models_table, trials_table
from ecrnn.report.content.variation_table import variation_table
from ecrnn.stats import clopper_pearson, compare, seed_and_split

MODELS = {"cnn": 0.7, "ecnn": 0.75}
SMALL: dict[str, Any] = {"n_validation": 300, "epochs": 3, "repeats": 8, "seeds_per_split": 2, "score_epochs": 1}


def make(folder: Path, **more: Any) -> Path:
    return make_study(folder, MODELS, **SMALL, **more)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("seeds") / "study")


@pytest.fixture(scope="module")
def analysis(study: Path) -> Analysis:
    return analyse(read_study([study]))


def correct(study: Path, model: str) -> np.ndarray:
    """(splits, trainings, n)"""
    found = [read_trial(study, model, repeat) for repeat in range(8)]
    return np.stack([one.predictions.correct for one in found if one]).reshape(4, 2, -1)


def test_the_verdict_stands_on_the_means_of_splits(study: Path, analysis: Analysis) -> None:
    means = {model: list(correct(study, model).mean(axis=1)) for model in MODELS}
    index = [read_trial(study, "cnn", 2 * split).predictions.index for split in range(4)]  # type: ignore[union-attr]
    expected = compare(means, 3500, 300, index=index)
    assert analysis.comparison.pairs == expected.pairs
    assert [model.scores for model in analysis.comparison.models] == [model.scores for model in expected.models]
    assert [model.trainings for model in analysis.comparison.models] == [8, 8]
    assert "A repeat of models, pairs and verdicts is a split" in analysis.warnings[0]
    assert ("Splits", "4, each trained 2 times") in analysis.subject.facts
    assert models_table(analysis).rows[0][1].values == (4,)


def test_every_training_is_in_the_list_with_its_split(analysis: Analysis) -> None:
    assert [row.split for row in analysis.trials if row.model == "cnn"] == [f"0.7 #{r // 2}" for r in range(8)]
    assert len(trials_table(analysis).rows) == 16


def test_what_varies(study: Path, analysis: Analysis) -> None:
    a, b = correct(study, "ecnn").astype(float), correct(study, "cnn").astype(float)
    by_name = {(one.model_a, one.model_b): one.found for one in analysis.variation}
    assert list(by_name) == [("cnn", None), ("ecnn", None), ("ecnn", "cnn")]
    alone = seed_and_split(a.mean(axis=2), list(a))
    assert by_name["ecnn", None].seed.estimate == pytest.approx(alone.seed.estimate)
    assert by_name["ecnn", None].split.high == pytest.approx(alone.split.high)
    found, expected = by_name["ecnn", "cnn"], seed_and_split((a - b).mean(axis=2), list(a - b))
    assert found.seed.estimate == pytest.approx(expected.seed.estimate)
    assert found.images
    assert expected.images
    assert found.images.estimate == pytest.approx(expected.images.estimate)
    rows = variation_table(analysis).rows
    assert [row[0].text for row in rows] == ["cnn", "ecnn", "ecnn \N{MINUS SIGN} cnn"]
    shares = [float(cell.values[0] or 0) for cell in rows[2][-3:]]
    assert sum(shares) == pytest.approx(1)
    assert rows[2][1].values[0] == pytest.approx(found.total**0.5)


@pytest.mark.usefixtures("undrawn")
def test_all_outputs_have_it(study: Path, tmp_path: Path) -> None:
    report = write_report([study], tmp_path)
    for name in ("report.md", "report-tables.tex", "report.html"):
        assert "What varies" in report.paths[name].read_text()
    assert "share_seed" in report.paths["report-variation.csv"].read_text().splitlines()[0]
    assert len(json.loads(report.paths["report.json"].read_text())["variation"]) == 3
    assert "--repeats 8 --split 0.7 --seed 0 --seeds-per-split 2" in report.analysis.command


def test_a_failed_training_is_one_of_the_trainings(tmp_path: Path) -> None:
    found = analyse(read_study([make(tmp_path / "study", failed=[("ecnn", 3)])]))
    share = clopper_pearson(1, 8, 0.95)
    assert found.comparison.models[1].failed == (3,)
    assert found.comparison.models[1].failure == share
    assert "ecnn failed in 1 of 8 trainings" in found.comparison.pairs[0].sentence
    assert len(found.comparison.pairs[0].repeats) == 4  # the split's score is then that of its other training
    assert [one.found.splits for one in found.variation] == [4, 3, 3]


def test_a_plan_counts_splits(tmp_path: Path) -> None:
    study = make(tmp_path / "study", missing=[("ecnn", 7)], planned_repeats=8)
    found = analyse(read_study([study]))
    assert found.plan
    assert (found.plan.repeats, found.plan.unfinished) == (4, 1)
    assert "after 4 of 4 planned repeats" in found.comparison.pairs[0].sentence


def test_a_score_of_no_single_example(tmp_path: Path) -> None:
    found = analyse(read_study([make(tmp_path / "study", metric="macro-f1")]))
    assert all(one.found.images is None for one in found.variation)
    assert [column.title for column in variation_table(found).columns][-2:] == ["Seed (%)", "Split (%)"]


def test_other_images_within_a_split_are_damage(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", MODELS, **SMALL | {"seeds_per_split": 2})
    other = make_study(tmp_path / "other", MODELS, **SMALL | {"seeds_per_split": 1})
    for home in (study / model / f"repeat-{r}" for model in MODELS for r in (1, 3, 5, 7)):
        shutil.copy(other / home.relative_to(study) / "predictions.npz", home)
        manifest = json.loads((home / "manifest.json").read_text())
        write_manifest(home, list(manifest["files"]), manifest["facts"])
    record = read_study([study])
    assert {(one.repeat, one.state) for one in record.unfinished} == {(r, "damaged") for r in (1, 3, 5, 7)}


def test_studies_without_it_have_no_such_table(tmp_path: Path) -> None:
    once = analyse(read_study([make_study(tmp_path / "study", MODELS, **SMALL | {"seeds_per_split": 1})]))
    assert once.variation == ()
    assert not variation_table(once).rows
