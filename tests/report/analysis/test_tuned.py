"""What a comparison says of its recipes: how they were found, in what they differ, and which lie at an edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report.synthetic import make_study

from ecrnn.report import Analysis, analyse, read_study

TUNED: dict[str, Any] = {"space": {"lr": "1e-4..1e-2:log", "batch_size": "32|128"}, "budget": 16}
MODELS = {"cnn": 0.74, "ecnn": 0.70, "crnn-bilstm-16": 0.65}


def analysed(folder: Path, facts: dict[str, Any] | None = None, **settings: Any) -> Analysis:
    study = make_study(folder, MODELS, repeats=5, n_validation=600, epochs=3, score_epochs=1, facts=facts, **settings)
    return analyse(read_study([study]))


def line(analysis: Analysis, what: str) -> Any:
    return next(one for one in analysis.fairness if one.what == what)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    search = {**TUNED, "part": "0.2", "edges": {"ecnn": ["lr"]}, "others": {"epochs": 7}}
    recipes = {"ecnn": {"lr": 0.0095}, "cnn": {"lr": 0.002, "batch_size": 32}}
    return analysed(tmp_path_factory.mktemp("tuned") / "study", tuned=search, recipes=recipes)


def test_the_lines_on_recipes(tuned: Analysis) -> None:
    found = line(tuned, "Recipes")
    assert found.status == "differs"
    assert found.text.startswith(
        "16 trials each, tuned on 20 % of the images that no verdict uses; points the same for "
    )
    assert "of lr 1e-4..1e-2:log, batch_size 32|128; the first is the training without a search." in found.text
    assert "They were tuned with epochs 7, which is another training than the one here." in found.text
    assert found.text.endswith(
        "Lr of the recipe of ecnn lies at the edge of the space that was searched, so a better recipe may lie beyond."
    )
    recipe = line(tuned, "Training recipe")
    assert recipe.status == "differs"
    assert "cnn with lr 0.002, batch_size 32; ecnn with lr 0.0095; crnn-bilstm-16 with nothing changed" in recipe.text
    assert "--recipes TUNE" in tuned.command


def test_no_verdict_worse_at_an_edge_without_saying_so(tuned: Analysis) -> None:
    edge = "But lr of the recipe of ecnn lies at the edge of the space that was searched"
    said = {(pair.model_a, pair.model_b): (pair.verdict, edge in pair.sentence) for pair in tuned.comparison.pairs}
    assert said == {
        ("ecnn", "cnn"): ("worse", True),
        ("crnn-bilstm-16", "cnn"): ("worse", False),
        ("crnn-bilstm-16", "ecnn"): ("worse", False),
    }
    assert tuned.headline.endswith(f"{edge}, so a better recipe may lie beyond.")


def test_recipes_found_in_each_trial(tmp_path: Path) -> None:
    facts = {"recipe": {"lr": 0.002}, "recipe_edges": ["lr"], "search_seconds": 60.0, "search_points": 16}
    found = analysed(tmp_path / "study", facts, tuned=TUNED)
    text = line(found, "Recipes").text
    assert text.startswith(
        "16 trials each in every repeat, tuned among its training images alone (15 min 00 s in all), so"
    )
    assert "cnn with lr 0.002; ecnn with lr 0.002" in line(found, "Training recipe").text
    assert "--tune nested --budget 16 --search same --space 'lr=1e-4..1e-2:log,batch_size=32|128'" in found.command
    assert [sentence.count("lies at the edge") for sentence in (p.sentence for p in found.comparison.pairs)] == [
        1,
        1,
        1,
    ]


def test_a_search_that_changed_nothing(tmp_path: Path) -> None:
    found = analysed(tmp_path / "study", tuned={**TUNED, "part": "0.25", "search": "tpe"})
    assert line(found, "Recipes").status == "same"
    assert "tuned on 25 % of the images" in line(found, "Recipes").text
    assert "chosen for each model by Optuna's TPE" in line(found, "Recipes").text
    recipe = line(found, "Training recipe")
    assert (recipe.status, recipe.text.endswith("; the search changed it for no model.")) == ("same", True)


def test_a_study_without_a_search_says_nothing_of_it(tmp_path: Path) -> None:
    found = analysed(tmp_path / "study")
    assert [one.what for one in found.fairness if one.what == "Recipes"] == []
    assert "edge" not in found.headline
