"""The defaults of the models' task lie under what was asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from core.lines import one_line

from ecrnn.core.config import StudySettings, TaskSettings, TrainSettings, to_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError, SettingsError
from ecrnn.core.form import FORM
from ecrnn.core.tasks import TASKS, default
from ecrnn.models import registry
from ecrnn.studies.settings import as_begun, check_plan, models_of, read_settings, with_sources
from ecrnn.studies.tasks import task_settings
from ecrnn.tasks.clip_classification.settings import ClipSettings

MODELS = ("cnn", "frames", "sentiment", "charlm", "translate", "caption", "ocr", "sequence")  # one of each task


def test_every_task_has_a_model_here() -> None:
    assert [read_settings(TrainSettings, {"data": "d", "model": model}).model for model in MODELS] == list(MODELS)
    assert len(MODELS) == len(TASKS)


@pytest.mark.parametrize(("task", "model"), list(zip(TASKS.values(), MODELS, strict=True)))
@pytest.mark.parametrize("kind", [StudySettings, TrainSettings])
def test_defaults_of_the_task(task: Any, model: str, kind: Any) -> None:
    asked = {"data": "d", "models": [model]} if kind is StudySettings else {"data": "d", "model": model}
    settings = read_settings(kind, asked).model_dump()
    training = task.defaults.get("training", {})
    assert {key: settings[key] for key in task.defaults if key != "training"} == {
        key: value for key, value in task.defaults.items() if key != "training"
    }
    assert {key: settings["training"][key] for key in training} == training


def test_what_is_asked_for_wins_and_nothing_given_is_none() -> None:
    asked = {"data": "d", "model": "charlm", "length": 8, "split": None, "training": {"lr": 0.1, "epochs": None}}
    settings = read_settings(TrainSettings, asked)
    assert (settings.length, settings.split, settings.training.lr, settings.training.epochs) == (8, "0.9", 0.1, 16)
    assert settings.training.schedule == "cosine"


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"models": ["cnn", "charlm"]}, "cnn is for image-classification and charlm for next-token: only models of"),
        ({"models": ["cnn", "cmn"]}, "unknown model 'cmn'"),
        ({"models": "cnn"}, "models: input should be a valid tuple, not 'cnn'"),
        ({"models": 5}, "models: input should be a valid tuple, not 5"),
        ({"models": []}, "models: tuple should have at least 1 item"),
        ({"models": [5]}, "models.0: input should be a valid string, not 5"),
        ({}, "configuration key 'models' is missing (here.yaml)"),
        ({"models": ["cnn"], "frames": 5}, "frames: it is for clip-classification, not for image-classification"),
        ({"models": ["cnn"], "form": {"window": 5}}, "unknown configuration key 'window', known are "),
        ({"models": ["charlm"], "length": 2**17}, "length: input should be less than or equal to 65536, not 131072 (h"),
        ({"models": ["charlm"], "tokens": "words"}, "tokens: input should be 'characters', not 'words'"),
        ({"models": ["charlm"], "lenght": 5}, "unknown configuration key 'lenght', did you mean 'length'?"),
        ({"models": ["cnn"], "metric": "macro_f1"}, "unknown metric 'macro_f1', did you mean 'macro-f1'?"),
        ({"models": ["charlm"], "metric": "auc"}, "unknown metric 'auc', known are bits (of next-token)"),
    ],
)
def test_wrong_in_one_line(asked: dict[str, Any], line: str) -> None:
    with one_line(EcrnnError, line):
        read_settings(StudySettings, {"data": "d", **asked}, "here.yaml")


def test_each_task_has_settings_of_its_own() -> None:
    study = read_settings(StudySettings, {"data": "d", "models": ["frames-gru-4"], "image_size": 8})
    form = task_settings(TASKS["clip-classification"], study)
    assert form == ClipSettings(data="d", frames=8, image_size=8)
    assert "form" not in to_yaml(study)
    for task in TASKS.values():  # the names of settings in files are those of the tasks
        fields = task.code("settings").model_fields.keys() - TaskSettings.model_fields.keys()
        assert fields <= {*FORM}, task.name


def test_an_old_run_goes_on_though_it_names_what_its_task_does_not_use() -> None:
    before = StudySettings.read({"data": "d", "models": ["cnn"], "frames": 5, **OLD})
    now = read_settings(StudySettings, {"data": "d", "models": ["cnn"]})
    assert as_begun(now, before, default()).frames == 5


def test_no_model_for_a_training() -> None:
    with one_line(EcrnnError, "configuration key 'model' is missing"):
        read_settings(TrainSettings, {"data": "d"})


OLD = {"fingerprint": "0" * 64, "training": {"threads": 3}}  # of a run that was saved before rule and window had names


@pytest.mark.parametrize(
    ("given", "rule"),
    [({}, "even"), ({"lr": 0.1}, "even"), ({"batch_statistics": "recent"}, "recent"), ({"threads": 1}, "even")],
)
def test_a_run_goes_on_with_what_it_was_begun_with(given: dict[str, Any], rule: str) -> None:
    study = as_begun(
        read_settings(StudySettings, {"data": "d", "models": ["cnn"], "training": given}),
        StudySettings.read({"data": "d", "models": ["cnn"], **OLD}),
        default(),
    )
    training = as_begun(
        read_settings(TrainSettings, {"data": "d", "model": "cnn", "training": given}),
        TrainSettings.read({"data": "d", "model": "cnn", **OLD}),
        default(),
    )
    for settings in (study, training):
        assert settings.training.batch_statistics == rule
        assert settings.training.threads == given.get("threads", 3)
        assert settings.training.lr == given.get("lr", 0.001)
    assert training.keep_window == 1
    asked = read_settings(TrainSettings, {"data": "d", "model": "cnn", "keep_window": 5})
    assert as_begun(asked, TrainSettings.read({"data": "d", "model": "cnn", **OLD}), default()).keep_window == 5


def test_what_a_task_or_a_study_cannot_use_is_refused() -> None:
    for kind, given, line in (
        (StudySettings, {"data": "d", "models": ["cnn"], "training": {"patience": 3}}, "must not choose its own end"),
        (StudySettings, {"data": "d", "models": ["cnn"], "recipes": {"cnn": {"patience": 3}}}, "for 'ecrnn train'"),
        (
            TrainSettings,
            {"data": "d", "model": "charlm-gru-8", "training": {"label_smoothing": 0.1}},
            "not for next-token",
        ),
        (TrainSettings, {"data": "d", "model": "charlm-gru-8", "training": {"class_weights": "balanced"}}, "not for"),
    ):
        with one_line(SettingsError, line):
            read_settings(kind, given)
    read_settings(TrainSettings, {"data": "d", "model": "cnn", "training": {"patience": 3, "label_smoothing": 0.1}})


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two families of somebody else, one with a recipe."""
    monkeypatch.setattr(registry, "_registered", {})
    for name, recipe in (("plain", {}), ("tuned", {"epochs": 7, "lr": 0.5, "schedule": "cosine"})):

        @registry.register(name, task="image-classification", recipe=recipe)
        def build(spec: Any) -> None:
            raise NotImplementedError


STUDY = {"data": "d", "models": ["cnn", "tuned", "plain"]}


@pytest.mark.usefixtures("families")
def test_a_familys_recipe_holds_for_its_models_where_nothing_is_asked() -> None:
    settings = read_settings(StudySettings, {**STUDY, "training": {"lr": 0.1, "epochs": None}})
    assert settings.recipes == {"tuned": {"epochs": 7, "schedule": "cosine"}}
    trial = settings.of_trial("tuned", 3)
    assert (trial.training.epochs, trial.training.schedule, trial.training.lr) == (7, "cosine", 0.1)
    assert (trial.models, trial.first_repeat, trial.repeats, trial.recipes) == (("tuned",), 3, 1, {})
    assert settings.of_trial("cnn", 0).training == settings.training
    training = read_settings(TrainSettings, {"data": "d", "model": "tuned", "training": {"epochs": 2}}).training
    assert (training.epochs, training.lr) == (2, 0.5)


@pytest.mark.usefixtures("families")
def test_a_study_keeps_the_recipes_it_was_begun_with() -> None:
    before = read_settings(StudySettings, {**STUDY, "models": ["cnn", "tuned"]})
    before = before.model_copy(update={"recipes": {"tuned": {"epochs": 5}}})
    now = read_settings(StudySettings, {"data": "d", "models": ["cnn", "plain", "tuned"]})
    assert as_begun(now, before, default()).recipes == {"tuned": {"epochs": 5}}
    assert StudySettings.read(yaml.safe_load(to_yaml(before))) == before
    assert "recipes" not in to_yaml(before.model_copy(update={"recipes": {}}))


@pytest.mark.usefixtures("families")
def test_own_code_is_known_by_its_digest() -> None:
    settings = read_settings(StudySettings, STUDY)
    models = models_of(settings)
    settings = with_sources(settings, models, None)
    sources = [registry.find(name).source for name in ("tuned", "plain")]
    assert {source.content for source in sources} == {Path(__file__).read_bytes()}
    digest = sources[1].sha256
    assert settings.sources == {"tuned": sources[0].sha256, "plain": digest}
    assert settings.of_trial("plain", 0).sources == {"plain": digest}
    assert with_sources(settings, models, settings) == settings
    other = settings.model_copy(update={"sources": {"plain": "0" * 64, "gone": "1" * 64}})
    with one_line(EcrnnError, "and 'plain' had 000000000000 in the run that is to go on"):
        with_sources(settings, models, other)
    without = settings.model_copy(update={"models": ("cnn",)})
    assert with_sources(without, models_of(without), other).sources == other.sources  # nothing of them is trained


@pytest.mark.parametrize(
    ("recipe", "line"),
    [({"epochs": 0}, "epochs: input should be"), ({"epoch": 1}, "unknown configuration key 'epoch'")],
)
def test_a_recipe_from_a_file_is_checked(recipe: dict[str, Any], line: str) -> None:
    with one_line(EcrnnError, line):
        StudySettings.read({**STUDY, "recipes": {"cnn": recipe}})


def planned(**plan: Any) -> StudySettings:
    return StudySettings.read({"data": "d", "models": ["cnn", "ecnn"], **plan})


BEGUN = {"fingerprint": "0" * 64, "planned_repeats": 3, "score_epochs": 3}


def test_a_study_goes_on_with_its_plan(tmp_path: Path) -> None:
    before = planned(**BEGUN, baseline="cnn", rope=0.01)
    for asked in ({}, {"baseline": "cnn"}, {"rope": 0.01, "repeats": 7}):
        check_plan(planned(**asked), before, tmp_path)
        going_on = as_begun(planned(**asked), before, default())
        assert (going_on.baseline, going_on.rope, going_on.planned_repeats) == ("cnn", 0.01, 3)
    assert as_begun(planned(), planned(**BEGUN | {"score_epochs": 5}), default()).score_epochs == 5


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"baseline": "ecnn"}, "was planned with baseline cnn, not ecnn, and a plan does not change: leave it out"),
        ({"rope": 0.02}, "was planned with no rope, not 0.02, and a plan does not change: leave it out"),
        (
            {"pairs": [["cnn", "ecnn"]]},
            "was planned with no pairs, not cnn:ecnn, and a plan does not change: leave it out",
        ),
        (
            {"contrasts": {"x": {"plus": ["cnn"], "minus": ["ecnn"]}}},
            "was planned with no contrasts, not {'x': {'plus': ('cnn',), 'minus': ('ecnn',)}}, and a plan does not",
        ),
        (
            {"planned_repeats": 9},
            "was planned with planned_repeats 3, not 9, and a plan does not change: leave it out",
        ),
    ],
)
def test_another_plan_is_one_line(tmp_path: Path, asked: dict[str, Any], line: str) -> None:
    with one_line(RunDirectoryError, tmp_path, line, "give it to 'ecrnn report', or choose another --out"):
        check_plan(planned(**asked), planned(**BEGUN, baseline="cnn"), tmp_path)


@pytest.mark.parametrize(
    ("contrast", "line"),
    [
        ({"plus": ["cnn"]}, "contrast 'x' must have models under plus and under minus"),
        ({"plus": ["cnn"], "minus": []}, "contrast 'x' must name models on both sides, and each once"),
        ({"plus": ["cnn", "cnn"], "minus": ["ecnn"]}, "contrast 'x' must name models on both sides, and each once"),
        ({"plus": ["cnn"], "minus": ["ecnn", "cnn"]}, "contrast 'x' has cnn on both sides"),
        ({"plus": ["cnn"], "minus": ["ecn"]}, "unknown model of contrast 'x' 'ecn', did you mean 'ecnn'"),
    ],
)
def test_a_contrast_has_two_sides_of_models_of_the_study(tmp_path: Path, contrast: dict[str, Any], line: str) -> None:
    with pytest.raises(EcrnnError, match=line):
        check_plan(planned(contrasts={"x": contrast}), None, tmp_path)


@pytest.mark.parametrize("pairs", [[["cnn", "cnn"]], [["cnn", "ecnn"], ["ecnn", "cnn"]]])
def test_pairs_that_a_report_would_refuse_are_refused_before_hours_of_training(tmp_path: Path, pairs: Any) -> None:
    with pytest.raises(EcrnnError, match="pairs must name two different models each, and each pair once"):
        check_plan(planned(pairs=pairs), None, tmp_path)


def test_a_study_from_before_there_were_plans_has_none(tmp_path: Path) -> None:
    old = planned(fingerprint="0" * 64)
    asked = planned(baseline="cnn", rope=0.02)
    check_plan(asked, old, tmp_path)
    with one_line(RunDirectoryError, "was planned with score_epochs 1, not 3"):
        check_plan(planned(score_epochs=3), old, tmp_path)
    going_on = as_begun(asked, old, default())
    assert (going_on.baseline, going_on.rope, going_on.planned_repeats, going_on.score_epochs) == (None, None, None, 1)
    assert (
        not {"baseline", "rope", "planned_repeats", "score_epochs"}
        & going_on.model_copy(update={"fingerprint": old.fingerprint}).model_dump().keys()
    )


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        ({"baseline": "cn"}, "unknown baseline 'cn', did you mean 'cnn'?"),
        ({"pairs": [["cnn", "enn"]]}, "unknown model of --pairs 'enn', did you mean 'ecnn'?"),
        ({"pairs": [["cnn", "ecnn"]], "baseline": "cnn"}, "give a baseline or pairs to compare, not both"),
    ],
)
def test_a_plan_of_other_models_is_one_line(tmp_path: Path, plan: dict[str, Any], line: str) -> None:
    with one_line(EcrnnError, line):
        check_plan(planned(**plan), None, tmp_path)


def test_several_seeds_a_split() -> None:
    asked = {"data": "digits", "models": ["cnn"]}
    once, twice = (read_settings(StudySettings, asked | {"seeds_per_split": seeds}) for seeds in (1, 2))
    assert "seeds_per_split" not in to_yaml(once)  # as before there was any
    assert (once.repeats, twice.repeats) == (3, 6)
    assert read_settings(StudySettings, asked | {"seeds_per_split": 2, "sequential": {}}).repeats == 20
    assert twice.repeats_of(2) == range(4, 6)
    assert [twice.split_number(repeat) for repeat in range(6)] == [0, 0, 1, 1, 2, 2]
    assert twice.of_trial("cnn", 3).split_number(3) == 1  # a trial's own settings say its split, too


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"repeats": 5}, "5 repeats from 0 are no whole splits with 2 seeds each; --repeats counts trainings, as in 6"),
        ({"repeats": 4, "first_repeat": 1}, "4 repeats from 1 are no whole splits"),
        ({"split": "own", "repeats": 4}, "the data's own part is one split"),
    ],
)
def test_seeds_that_fit_no_split(more: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"seeds_per_split: {line}")):
        read_settings(StudySettings, {"data": "digits", "models": ["cnn"], "seeds_per_split": 2, **more})
