"""core/config: every bound of every key, and YAML, --set and merging on the way there."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from core.lines import one_line

from ecrnn.core.checked_settings import Settings
from ecrnn.core.config import (
    StudySettings,
    TrainingSettings,
    TrainSettings,
    differences,
    merge,
    parse_assignments,
    read_yaml,
    to_yaml,
)
from ecrnn.core.errors import EcrnnError, UnknownNameError

NAN, INF = math.nan, math.inf
NEEDED: dict[type[Settings], dict[str, Any]] = {
    TrainingSettings: {},
    StudySettings: {"data": "digits", "models": ["cnn"]},
    TrainSettings: {"data": "digits", "model": "cnn"},
}
# key: (values that are taken, values that are refused)
TRAINING = {
    "epochs": ([1, 100_000], [0, -1, 100_001, 1.5, "many", None, NAN]),
    "batch_size": ([2, 65_536, "auto"], [1, "Auto", 0, 65_537, 2.5, None]),
    "lr": ([1e-12, 10, "1e-3"], [0, -1e-3, 10.1, NAN, INF, -INF, "fast", None]),
    "optimizer": (["adam", "adamw", "sgd", "muon"], ["Adam", "lion", 1, None]),
    "weight_decay": ([0, 1, 0.01], [-1e-9, 1.1, NAN, INF]),
    "momentum": ([0, 0.99], [-0.1, 1, NAN, INF]),
    "schedule": (["constant", "linear", "cosine", "one-cycle"], ["step", 0]),
    "warmup": ([None, 0, 0.3], [-0.1, 1, NAN, "some"]),
    "label_smoothing": ([0, 0.1], [-0.1, 1, NAN, None]),
    "class_weights": (["none", "balanced"], ["equal", 1, None]),
    "weight_averaging": ([0, 0.999], [-0.1, 1, NAN, None]),
    "patience": ([0, 5, 100_000], [-1, 1.5, "long", None]),
    "augment": (["none", "flip", "crop", "flip-crop", "mirror-shift"], ["flip-mirror", "crop,shift", "zoom", None, 1]),
    "standardise": (["global", "per-channel"], ["none", 1]),
    "non_finite": (["stop", "skip", "roll-back"], ["ignore", None]),
    "device": (["auto", "cpu", "cuda"], ["gpu", "cuda:1"]),
    "precision": (["auto", "float32", "bfloat16"], ["float16", "bf16"]),
    "threads": ([None, 1, 1024], [0, -1, 1025, 1.5, "all"]),
    "clip_norm": ([0, 0.5, 1e6], [-1e-9, NAN, INF, "none", None]),
    "truncate_steps": ([0, 1, 100_000], [-1, 2**31, 1.5, "all", None]),
    "batch_statistics": (["recent", "even"], ["keras", "last", None]),
    "cutoff": ([0, 1e-8, 0.99], [-1e-9, 1, NAN, INF, "none", None]),
    "checkpoint_seconds": ([1e-9, 3600], [0, -1, NAN, INF, "often"]),
}
DATA = {
    "data": (["digits", "a/folder"], [None, 5, ["digits"]]),
    "data_dir": ([None, "here"], [5]),
    "val": ([None, "a/folder"], [5]),
    "test": ([None, "a/folder"], [5]),
    "image_size": ([None, 8, 1024], [7, 1025, 0, -8, 8.5, "8x8"]),
    "channels": ([None, 1, 3], [0, 2, 4, "rgb"]),
    "fit": ([None, "cut", "pad", "stretch", "cut-half-pixels"], ["crop", 1]),
    "bad_data": ([None, "refuse", "skip"], ["ignore", 1]),
    "bad_files": ([(), ["a/1.png"]], [None, "a/1.png", [1], ["a"] * 1001]),
    "groups": ([None, "groups.csv"], [5, "a" * 4097]),
    "frames": ([None, 1, 4096], [0, 4097, 1.5, "all"]),
    "height": ([None, 8, 512], [7, 513, 9.5, "auto"]),
    "tokens": ([None, "characters", "bytes", "words", "subwords"], ["letters", 1]),
    "vocabulary": ([None, 5, 1_000_000], [4, 1_000_001, 9.5, "all"]),
    "length": ([None, 2, 2**20], [1, 2**20 + 1, 2.5, "all"]),
    "form": ([{}, {"window": 5}], [None, 5, ["window"]]),
    "fingerprint": ([None, "0" * 64, "f" * 64], ["", "0" * 63, "0" * 65, "F" * 64, "g" * 64, "0" * 64 + "\n"]),
    "sources": ([{}, {"mine": "0" * 64}], [None, {"mine": "0"}, {"mine": 1}, ["mine"]]),
    "seed": ([0, 2**31 - 1], [-1, 2**31, 1.5, None]),
    "split": (["0.7", 0.7, "5-fold", "own"], [None, [0.7]]),
    "training": ([{}, {"epochs": 1}], [3, "fast", [], None]),
}
SPACE = {"space": {"lr": "1e-4..1e-2:log"}}
STUDY = DATA | {
    "models": ([["cnn"], ["cnn", "ecnn"]], [[], "cnn", [1], None]),
    "recipes": ([{}, {"cnn": {"lr": 0.1}}], [None, {"cnn": 1}, {"cnn": {"lr": -1}}, {"cnn": {"rate": 1}}]),
    "repeats": ([1, 10_000], [0, -1, 10_001, 1.5, None]),
    "seeds_per_split": ([1, 2], [0, -1, 1.5, None]),
    "first_repeat": ([0, 2**31 - 1], [-1, 2**31, 0.5]),
    "metric": ([None, "auc", "accuracy"], [1, "a" * 51]),
    "score_epochs": ([1, 3, 1000], [0, 1001, 2.5, None]),
    "baseline": ([None, "cnn"], [1, "a" * 201]),
    "contrasts": (
        [None, {"a over b": {"plus": ["a"], "minus": ["b"]}}, {"a over b": {"plus": ["a", "c"], "minus": ["b"]}}],
        [{}, {"x": ["a"]}, {"x": {"plus": ["a"], "other": ["b"]}}, {"x": {"plus": [1], "minus": ["b"]}}],
    ),
    "pairs": ([None, [["mine", "cnn"]], [["a", "b"], ["c", "b"]]], [[], [["a"]], [["a", "b", "c"]], "a:b", [1]]),
    "rope": ([None, 0, 0.01, 2.5], [-0.1, NAN, INF, "small"]),
    "across_moderators": ([None, "none", "log-n, classes"], [5, "a" * 1001]),
    "planned_repeats": ([None, 1, 10_000], [0, 10_001, 2.5]),
    "tuning": (
        [None, SPACE, {**SPACE, "part": 0.2, "points": {"cnn": [{}, {"lr": 0.1}]}}],
        [{}, 3, {**SPACE, "budget": 1}, {**SPACE, "points": {"cnn": [{"lr": -1}]}}, {**SPACE, "search": "best"}],
    ),
    "tuned": (
        [None, SPACE, {**SPACE, "part": "0.25", "edges": {"cnn": ["lr"]}, "others": {"epochs": 3}}],
        [{}, {**SPACE, "part": "1.2"}, {**SPACE, "part": "0.7e1"}, {**SPACE, "seed": -1}],
    ),
    "sequential": (
        [None, {}, {"looks": [3, 5], "alpha": 0.1}],
        [{"alpha": 1}, {"lucks": [3]}, {"looks": [0]}, {"looks": [3, 10**14]}, 3],
    ),
}
TRAIN = DATA | {
    "model": (["cnn"], [None, 1]),
    "keep": (["best", "last"], ["first", None]),
    "start": ([None, "cifar10", "a/bundle"], [5, "a" * 4097]),
    "start_digest": ([None, "0" * 64], ["0" * 63, 5]),
    "freeze": ([None, "all", "cnn.1"], [5, "", "a" * 201]),
    "continued": ([(), [15, 30]], [None, 5, [1.5], ["many"]]),
    "keep_window": ([1, 3, 1000], [0, 1001, 2.5, None]),
    "processes": ([1, 2, 100_000], [0, 100_001, 2.5, None]),
}
TABLE = {TrainingSettings: TRAINING, StudySettings: STUDY, TrainSettings: TRAIN}
TAKEN = [(kind, key, value) for kind, keys in TABLE.items() for key, (good, _) in keys.items() for value in good]
REFUSED = [(kind, key, value) for kind, keys in TABLE.items() for key, (_, bad) in keys.items() for value in bad]


def _name(value: object) -> str:
    return getattr(value, "__name__", None) or repr(value)[:30]


@pytest.mark.parametrize(("kind", "key", "value"), TAKEN, ids=_name)
def test_taken(kind: type[Settings], key: str, value: object) -> None:
    settings = kind.read(NEEDED[kind] | {key: value})
    assert kind.read(yaml.safe_load(to_yaml(settings))) == settings


@pytest.mark.parametrize(("kind", "key", "value"), REFUSED, ids=_name)
def test_refused(kind: type[Settings], key: str, value: object) -> None:
    with one_line(EcrnnError, key, "(somewhere)"):
        kind.read(NEEDED[kind] | {key: value}, "somewhere")


@pytest.mark.parametrize("kind", TABLE, ids=_name)
def test_the_table_is_complete(kind: type[Settings]) -> None:
    assert set(TABLE[kind]) == set(kind.model_fields)


def test_inner_keys_are_named_with_their_path() -> None:
    with one_line(EcrnnError, "training.lr: ", "not -1"):
        StudySettings.read(NEEDED[StudySettings] | {"training": {"lr": -1}})


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"modles": ["cnn"]}, ["'modles'", "did you mean 'models'?"]),
        ({"training": {"epoch": 1}}, ["'training.epoch'", "did you mean 'training.epochs'?"]),
        ({"xyzzy": 1}, ["'xyzzy'", "known are data, data_dir"]),
        ({"two\nlines": 1}, ["'two lines'"]),
        ({1: 1}, ["1"]),
    ],
)
def test_unknown_keys(values: dict[Any, Any], parts: list[str]) -> None:
    kind = EcrnnError if 1 in values else UnknownNameError
    with one_line(kind, *parts, "(study.yaml)"):
        StudySettings.read(NEEDED[StudySettings] | values, "study.yaml")


@pytest.mark.parametrize("key", ["data", "models"])
def test_missing_keys(key: str) -> None:
    with one_line(EcrnnError, f"configuration key '{key}' is missing"):
        StudySettings.read({name: value for name, value in NEEDED[StudySettings].items() if name != key})


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(EcrnnError) as caught:
        TrainingSettings.read({"lr": "x" * 2**20})
    assert len(str(caught.value)) < 300


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        TrainingSettings().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "found NoneType"),
        (b"- a\n- b", "found list"),
        (b"word", "found str"),
        (b"a:\t1\n", "line 1"),
        (b"a: 1\n\tb: 2\n", "line 2"),
        (b"a: b: c", "line 1"),
        (b"a: 'open", "not valid YAML"),
        (b"a: \x00", "not valid YAML"),
        (b"a: 2001-13-45", "line 1: not valid YAML: '2001-13-45' is no timestamp"),
        (b"a: 0b_", "'0b_' is no int"),
        (b"a: 1" + b":59" * 1000, "is no int"),
        (b"a: !!int ''", "'' is no int"),
        (b"a:\n- !!float ''", "line 2: not valid YAML: '' is no float"),
        (b"a: !!bool maybe", "'maybe' is no bool"),
        (b"!!timestamp soon: 1", "'soon' is no timestamp"),
        (b"a: !!map 5", "expected a mapping"),
        (b'a: "\\UFFFFFFFF"', "not valid YAML"),
        (b"%YAML 1." + b"9" * 5000 + b"\n---\na: 1", "not valid YAML"),
        (b"seed: 1\nlr: 2\nseed: 3", "line 3: not valid YAML: the key 'seed' stands there twice"),
        (b"training: {lr: 1, epochs: 2, lr: 3}", "the key 'lr' stands there twice"),
        (b"a: " + b"9" * 5000, "not valid YAML"),
        (b"a: " + b"[" * 15_000, "not valid YAML"),
        (b"a: " + b"[" * 50_000, "more values than any settings file"),
        (b"models: [" + b"a, " * 20_000 + b"a]", "more values than any settings file"),
        (b"? {a: 1}\n: 2", "not valid YAML"),
        (b"\xff\xfe\xff", "not a text file in UTF-8"),
        (b"a: \xb0", "not a text file in UTF-8"),
        (b"a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        (b"a: !!python/name:os.system", "not valid YAML"),
        (b"a: !!python/object:os.system {}", "not valid YAML"),
        (b"a: &a {b: *a}", "references"),
        (b"a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]", "references"),
        (b"a: 1\n" + b"#" * 2**20, "larger than 1,048,576 bytes"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_bad_yaml(tmp_path: Path, content: bytes, part: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with one_line(EcrnnError, tmp_path / "a.yaml", part):
        read_yaml(tmp_path / "a.yaml")


def test_yaml_that_is_not_there(tmp_path: Path) -> None:
    with one_line(EcrnnError, "cannot read", tmp_path / "a.yaml", "No such file"):
        read_yaml(tmp_path / "a.yaml")
    with one_line(EcrnnError, tmp_path, "is a folder, where a file should be"):
        read_yaml(tmp_path)


def test_yaml_as_a_user_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "# a study\ndata: digits\nmodels: [cnn, ecnn]\nsplit: 0.8\ntraining:\n  lr: 1e-3\n  epochs: 2\n"
    )
    settings = StudySettings.read(read_yaml(tmp_path / "a.yaml"))
    assert settings.models == ("cnn", "ecnn")
    assert settings.split == "0.8"
    assert (settings.training.lr, settings.training.epochs) == (1e-3, 2)


def test_round_trip_by_a_file(tmp_path: Path) -> None:
    training = TrainingSettings(epochs=3, lr=0.1 + 0.2, optimizer="sgd", threads=2)
    settings = StudySettings(data="사진/폴더", models=("cnn", "crnn-gru-2"), split="5-fold", training=training)
    (tmp_path / "a.yaml").write_text(to_yaml(settings), encoding="utf-8")
    assert StudySettings.read(read_yaml(tmp_path / "a.yaml")) == settings


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        ([], {}),
        (["training.lr=0.01", "repeats=5"], {"training": {"lr": 0.01}, "repeats": 5}),
        (["training.lr=1", "training.epochs=2"], {"training": {"lr": 1, "epochs": 2}}),
        (["a=1", "a=2"], {"a": 2}),
        (["models=[cnn, ecnn]"], {"models": ["cnn", "ecnn"]}),
        (["data=a=b"], {"data": "a=b"}),
        (["data="], {}),
        (["a.b=1", "a=2"], {"a": 2}),
        (["a=2", "a.b=1"], {"a": {"b": 1}}),
    ],
)
def test_assignments(assignments: list[str], expected: dict[str, Any]) -> None:
    assert parse_assignments(assignments) == expected


@pytest.mark.parametrize(
    "assignment",
    [
        "lr",
        "=1",
        "a..b=1",
        ".a=1",
        "a.=1",
        "a=[",
        "a='",
        "a=2001-13-45",
        "a=!!python/name:os.system",
        "a=" + "[" * 9000,
    ],
    ids=lambda value: value[:12],
)
def test_bad_assignments(assignment: str) -> None:
    with one_line(EcrnnError, "--set"):
        parse_assignments([assignment])


def test_merge() -> None:
    low = {"a": 1, "t": {"x": 1, "y": 2}}
    assert merge(low, {"t": {"y": 3}}, {"b": None, "a": None}) == {"a": 1, "t": {"x": 1, "y": 3}}
    assert merge(low, {"t": 5}) == {"a": 1, "t": 5}
    assert merge({"t": 5}, low) == low
    assert merge() == {}
    assert low == {"a": 1, "t": {"x": 1, "y": 2}}  # nothing given is changed


def test_differences() -> None:
    mine = StudySettings(data="digits", models=("cnn",))
    assert differences(mine, mine) == []
    theirs = mine.model_copy(update={"seed": 3, "training": TrainingSettings(lr=0.1)})
    assert differences(mine, theirs) == ["seed is 0 here and 3 there", "training.lr is 0.001 here and 0.1 there"]


def test_settings_without_other_folders_are_written_as_before() -> None:
    settings = TrainSettings.read(NEEDED[TrainSettings])
    assert "val" not in to_yaml(settings).replace("validation", "").split()
    assert not {"val", "test"} & set(settings.model_dump())
    named = TrainSettings.read({**NEEDED[TrainSettings], "val": "a", "test": "b"})
    assert {key: named.model_dump()[key] for key in ("val", "test")} == {"val": "a", "test": "b"}


def test_the_recipe_of_a_trial_is_the_models_and_the_points() -> None:
    tuning = {**SPACE, "part": "0.2", "repeat": 4, "points": {"cnn": [{}, {"lr": 0.5}], "ecnn": [{}]}}
    given = {"models": ["cnn", "ecnn"], "recipes": {"cnn": {"epochs": 7, "lr": 0.1}}, "tuning": tuning}
    settings = StudySettings.read(NEEDED[StudySettings] | given)
    assert [settings.recipe("cnn", p) for p in (0, 1)] == [{"epochs": 7, "lr": 0.1}, {"epochs": 7, "lr": 0.5}]
    trial = settings.of_trial("cnn", 1)
    assert (trial.training.epochs, trial.training.lr, trial.recipes) == (7, 0.5, {})
    assert trial.tuning is not None
    assert (trial.tuning.points, trial.drawn(1), settings.drawn(1)) == ({}, 4, 4)
    assert StudySettings.read(yaml.safe_load(to_yaml(trial))) == trial  # what a trial's config.yaml is read as
    assert settings.label("cnn", 1) == "cnn, point 1"
    plain = StudySettings.read(NEEDED[StudySettings])
    assert (plain.label("cnn", 1), plain.drawn(3), plain.nested) == ("cnn, repeat 1", 3, False)
    nested = StudySettings.read(NEEDED[StudySettings] | {"tuned": SPACE})
    assert (nested.nested, nested.of_trial("cnn", 2).nested) == (True, True)


def test_a_study_without_a_search_is_written_as_before() -> None:
    text = to_yaml(StudySettings.read(NEEDED[StudySettings]))
    assert "tun" not in text


FINGERPRINT = "0" * 64
RESULTS = Path(__file__).parents[2] / "results"


def test_a_run_saved_before_a_setting_existed_means_what_was_done_then() -> None:
    study = {"data": "x", "models": ["cnn"], "fingerprint": FINGERPRINT, "training": {"epochs": 2}}
    training = {"data": "x", "model": "cnn", "fingerprint": FINGERPRINT, "training": {"epochs": 2}}
    assert StudySettings.read(study).training.batch_statistics == "even"
    assert StudySettings.read(study).score_epochs == 1
    assert "score_epochs" not in StudySettings.read(study).model_dump()  # so its file stays as it was
    old = TrainSettings.read(training)
    assert (old.training.batch_statistics, old.keep_window) == ("even", 1)
    named = training | {"keep_window": 4, "training": {"batch_statistics": "recent"}}
    assert TrainSettings.read(named).keep_window == 4
    assert TrainSettings.read(named).training.batch_statistics == "recent"
    for kind, values in ((StudySettings, study), (TrainSettings, training)):
        new = kind.read({key: value for key, value in values.items() if key != "fingerprint"})
        assert new.training.batch_statistics == "recent"
        assert getattr(new, "keep_window", 5) == 5
        assert getattr(new, "score_epochs", 3) == 3
        again = kind.read(yaml.safe_load(to_yaml(new.model_copy(update={"fingerprint": FINGERPRINT}))))
        assert again.training == new.training  # what is saved today says all
        assert getattr(again, "score_epochs", 3) == 3
        if kind is StudySettings:
            one = new.model_copy(update={"score_epochs": 1})
            assert StudySettings.read(yaml.safe_load(to_yaml(one))).score_epochs == 1


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("study.yaml")), ids=lambda path: path.parent.name)
def test_the_committed_studies_are_those_of_their_time(path: Path) -> None:
    values = read_yaml(path)
    settings = StudySettings.read(values, str(path))
    assert settings.training.batch_statistics == values["training"].get("batch_statistics", "even")
    saved = yaml.safe_load(to_yaml(settings))
    for kept in (values, saved):
        kept.setdefault("frames", None)
    assert {key: saved[key] for key in values if key != "training"} == {
        k: v for k, v in values.items() if k != "training"
    }
    assert {key: saved["training"][key] for key in values["training"]} == values["training"]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"models": [f"m{i}" for i in range(1000)], "repeats": 1000},
            "1,000 models in 1,000 repeats are more than",
        ),
        ({"models": [f"m{i}" for i in range(3000)]}, "models: tuple should have at most 2000 items"),
        ({"repeats": 16**9000}, "not a number of more than 20 digits"),
        ({"tokens": 16**9000}, "not a number of more than 20 digits"),
        ({"data": "d" * 5000}, "data: string should have at most 4096 characters"),
        ({"k" * 10**6: 1}, "unknown configuration key 'kkkk"),
    ],
    ids=["trials", "models", "digits", "word", "data", "key"],
)
def test_a_study_has_bounds(values: dict[str, Any], line: str) -> None:
    with pytest.raises(EcrnnError, match=re.escape(line)) as caught:
        StudySettings.read({"data": "digits", "models": ["cnn"]} | values)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(("kind", "key"), [(TrainingSettings, key) for key in TrainingSettings.model_fields])
def test_no_setting_is_a_truth_value(kind: type[Settings], key: str) -> None:
    for value in (True, False):
        with pytest.raises(EcrnnError, match=f"^{key}: .*, not {value}"):
            kind.read({**NEEDED[kind], key: value})


@pytest.mark.parametrize("key", ["seed", "channels", "image_size", "repeats", "first_repeat", "split", "length"])
def test_no_setting_of_a_study_is_a_truth_value(key: str) -> None:
    with pytest.raises(EcrnnError, match=f"^{key}: .*, not True"):
        StudySettings.read({**NEEDED[StudySettings], key: True})
