"""Studies: continued until all is finished, never another study's, and the disk untouched where one is refused."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from PIL import Image, ImageOps
from studies.conftest import make_images
from studies.small import MODELS, Study, everything, of_trainings, predictions, settings
from training.forks import DONE, INTERRUPTED, Forks
from training.trainings import image_set, stop_at

from ecrnn.core.config import StudySettings, read_yaml, to_yaml
from ecrnn.core.errors import DataError, EcrnnError, RunDirectoryError, UnknownNameError
from ecrnn.core.events import Epoch, Event, Finished, Loading, Message, Step, Waiting
from ecrnn.core.manifests import read_manifest
from ecrnn.core.reading import read_json
from ecrnn.core.runs import locked, read_settings, read_trial, trial_folder
from ecrnn.core.tasks import default
from ecrnn.data.splits import parse_split
from ecrnn.report import analyse, read_study
from ecrnn.serving.load import load
from ecrnn.serving.trained_on import study_bytes
from ecrnn.studies.bundling import bundle_trial
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.study import default_out, finished, run_study
from ecrnn.tasks.image_classification import images
from ecrnn.training.checkpoints import NAMES
from ecrnn.training.interruption import Interrupted


def test_trials_share_gpus_where_processes_train_on_them(study: Study, tmp_path: Path) -> None:
    with one_line(EcrnnError, "trials per GPU are for the device cuda, and these trials run on 'cpu'; take --jobs"):
        run_study(study.settings(), tmp_path / "run", trials_per_gpu=2)
    on_gpus = study.settings(training={"device": "cuda"})
    for engine in ("here", "none"):
        with one_line(EcrnnError, f"for the engines processes and ray, and for workers, not for '{engine}'"):
            run_study(on_gpus, tmp_path / "run", engine=engine, trials_per_gpu=2)
    assert not (tmp_path / "run").exists()


def test_trials_run_in_that_order(study: Study, tmp_path: Path) -> None:
    seen: list[str] = []
    outcome = study.run(tmp_path, progress=of_trainings(lambda event: seen.append(event.label)), training={"epochs": 1})
    wanted = [("cnn", 0), ("ecnn", 0), ("cnn", 1), ("ecnn", 1)]
    assert list(dict.fromkeys(seen)) == [f"{model}, repeat {repeat}" for model, repeat in wanted]
    assert outcome.trained == wanted
    assert not outcome.found
    assert not outcome.failed


def test_what_a_study_says(study: Study, tmp_path: Path) -> None:
    once = {"training": {"epochs": 1}, "repeats": 1}
    events: list[Event] = []
    study.run(tmp_path, progress=events.append, models=("cnn",), **once)
    kinds = [type(event) for event in events]
    assert kinds == [Loading, Waiting, *[Step] * 5, Epoch, Finished]
    assert (events[1], events[-1]) == (Waiting(1), Finished("cnn", 0))
    events.clear()
    study.run(tmp_path, progress=events.append, **once)
    kinds = [type(event) for event in events]
    assert kinds == [Loading, Waiting, Message, *[Step] * 5, Epoch, Finished]
    assert events[1:3] == [Waiting(1), Message("1 of 2 trials is finished already")]
    assert events[-1] == Finished("ecnn", 0)


def test_models_of_a_repeat_share_split_and_seed(left_alone: Path) -> None:
    found = {(m, r): read_trial(left_alone, m, r) for m in MODELS for r in range(2)}
    assert all(found.values())
    for repeat in range(2):
        a, b = (found[model, repeat] for model in MODELS)
        np.testing.assert_array_equal(a.predictions.index, b.predictions.index)
        np.testing.assert_array_equal(a.predictions.label, b.predictions.label)
        assert a.facts["seed"] == b.facts["seed"]
        assert a.facts["preprocessing"] == b.facts["preprocessing"]
    first, second = (found["cnn", repeat] for repeat in range(2))
    assert first.facts["seed"] != second.facts["seed"]
    assert first.predictions.index.tolist() != second.predictions.index.tolist()


def test_what_lies_on_disk(left_alone: Path, study: Study) -> None:
    assert {p.name for p in left_alone.iterdir()} == {"study.yaml", "environment.json", "keys.bin", ".lock", *MODELS}
    for model, repeat in planned_trials(study.settings()):
        home = trial_folder(left_alone, model, repeat)
        found = {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()}
        wanted = {"config.yaml", "metrics.jsonl", "predictions.npz", "checkpoint/weights.safetensors"}
        assert found == {*wanted, "manifest.json"}
        assert read_json(home / "manifest.json")["files"].keys() == wanted
    saved = StudySettings.read(read_yaml(left_alone / "study.yaml"))
    assert saved.fingerprint is not None
    assert (saved.training.threads, saved.training.device, saved.training.precision) == (1, "cpu", "float32")
    assert read_json(left_alone / "environment.json")["packages"]["torch"]
    assert finished(left_alone, saved)
    assert not finished(left_alone, saved.model_copy(update={"repeats": 3}))


def test_killed_between_its_first_two_files(study: Study, tmp_path: Path) -> None:
    study.run(tmp_path, models=("mlp-4",), repeats=1)
    (tmp_path / "environment.json").unlink()
    keys = (tmp_path / "keys.bin").read_bytes()
    fingerprint = read_settings(tmp_path).fingerprint
    assert fingerprint is not None
    (tmp_path / "keys.bin").write_bytes(study_bytes(image_set(12).keys(), fingerprint))
    study.run(tmp_path, models=("mlp-4",), repeats=1)
    assert read_json(tmp_path / "environment.json")["packages"]["torch"]
    assert (tmp_path / "keys.bin").read_bytes() == keys  # those of fewer images are not kept
    (tmp_path / "keys.bin").write_bytes(keys[:-1])
    study.run(tmp_path, models=("mlp-4",), repeats=1)
    assert (tmp_path / "keys.bin").read_bytes() == keys, "damaged keys are written anew"
    home = tmp_path / "mlp-4" / "repeat-0"
    study.run(tmp_path / "other", models=("mlp-4",), repeats=1, training={"lr": 0.01})
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "other" / "mlp-4" / "repeat-0", home)
    with one_line(RunDirectoryError, "lr is 0.001 here and 0.01 there", f"delete {home}, and it is trained anew"):
        study.run(tmp_path, models=("mlp-4",), repeats=2)
    assert not (tmp_path / "mlp-4" / "repeat-1").exists(), "nothing is trained beside it"
    shutil.copytree(home, sibling := tmp_path / "other" / "mlp-4" / "repeat-1")
    with one_line(RunDirectoryError, "is of another trial, mlp-4, repeat 0", f"delete {sibling}, and it is trained"):
        study.run(tmp_path / "other", models=("mlp-4",), repeats=2, training={"lr": 0.01})


def test_examples_both_trained_on_and_validated_on_are_told(tmp_path: Path) -> None:
    data = make_images(tmp_path / "data")
    for path in list(data.rglob("*.png")):
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    events: list[object] = []
    run_study(settings(str(data), models=("mlp-4",), repeats=1), tmp_path / "run", progress=events.append)
    examples = images.load(data, image_size=8, cache=tmp_path)
    split = parse_split("0.8").split(examples, 0, 0)
    trained = {examples.images[i].tobytes() for i in split.train}
    both = sum(examples.images[i].tobytes() in trained for i in split.validation)
    assert both > 1
    what = f"{both} of {len(split.validation)} validation images of the first repeat are also among those trained on"
    line = f"{data}: {what}, being the same to a model; the figures are too good by that"
    assert [event for event in events if isinstance(event, Message)] == [Message(line)]


@pytest.mark.parametrize("place", ["mlp-4", "mlp-4/repeat-0", "mlp-4/repeat-0/checkpoint"])
def test_folders_that_link_out_of_the_study(study: Study, tmp_path: Path, place: str) -> None:
    """Nothing is written or deleted there."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "epoch.safetensors").write_text("mine")
    link = tmp_path / "study" / place
    study.run(tmp_path / "study", models=("mlp-8",), repeats=1)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    with one_line(EcrnnError, "mlp-4/repeat-0/checkpoint points out of", "a copy of what it points to"):
        study.run(tmp_path / "study", models=("mlp-4",), repeats=1)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["epoch.safetensors"]


def test_finished_trials_are_never_trained_again(
    study: Study, left_alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(left_alone, tmp_path / "run")
    before = everything(tmp_path / "run")
    for name in NAMES:  # as of a process that was killed between the manifest and its last act
        (tmp_path / "run" / "cnn" / "repeat-0" / "checkpoint" / name).write_bytes(b"left")
    monkeypatch.setattr("ecrnn.studies.trials.fit_events", lambda *_, **__: pytest.fail("trained again"))
    outcome = study.run(tmp_path / "run")
    assert len(outcome.found) == 4
    assert not outcome.trained
    assert everything(tmp_path / "run") == before


@pytest.mark.parametrize("how", ["no manifest", "changed predictions", "no weights"])
def test_a_trial_that_is_not_whole_is_trained_again(study: Study, left_alone: Path, tmp_path: Path, how: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(left_alone, run)
    home, before = trial_folder(run, "cnn", 1), everything(run)
    match how:
        case "no manifest":
            (home / "manifest.json").unlink()
        case "changed predictions":
            (home / "predictions.npz").write_bytes(b"x")
        case _:
            (home / "checkpoint" / "weights.safetensors").unlink()
    outcome = study.run(run)
    assert outcome.trained == [("cnn", 1)]
    assert predictions(run) == predictions(left_alone)
    others = {name: value for name, value in before.items() if not name.startswith("cnn/repeat-1")}
    assert others.items() <= everything(run).items()


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("models", [("ecnn", "crnn-gru-2", "cnn"), ("cnn", "crnn-gru-2", "ecnn")])
def test_neither_order_nor_company_matters(study: Study, left_alone: Path, tmp_path: Path, models) -> None:
    study.run(tmp_path, models=models, repeats=1)
    expected = predictions(left_alone)
    assert all(expected[trial] == data for trial, data in predictions(tmp_path, repeats=1).items())


def test_more_repeats_and_models(study: Study, left_alone: Path, tmp_path: Path) -> None:
    assert len(study.run(tmp_path, repeats=1, models=("cnn",)).trained) == 1
    assert study.run(tmp_path, repeats=2, models=("ecnn",)).trained == [
        ("ecnn", 0),
        ("cnn", 1),
        ("ecnn", 1),
    ]
    assert predictions(tmp_path) == predictions(left_alone)
    saved = StudySettings.read(read_yaml(tmp_path / "study.yaml"))
    assert (saved.models, saved.repeats) == (MODELS, 2)
    fewer = study.run(tmp_path, repeats=1, models=("cnn",))  # asks for less than is there
    assert len(fewer.found) == 4
    assert StudySettings.read(read_yaml(tmp_path / "study.yaml")) == saved


def test_the_same_model_twice(study: Study, tmp_path: Path) -> None:
    outcome = study.run(tmp_path, models=("cnn", "ecnn", "cnn"), repeats=1, training={"epochs": 1})
    assert outcome.trained == [("cnn", 0), ("ecnn", 0)]


def test_a_trials_own_config_repeats_it(left_alone: Path, tmp_path: Path) -> None:
    own = StudySettings.read(read_yaml(trial_folder(left_alone, "ecnn", 1) / "config.yaml"))
    assert (own.models, own.first_repeat, own.repeats) == (("ecnn",), 1, 1)
    assert run_study(own, tmp_path).trained == [("ecnn", 1)]
    again = trial_folder(tmp_path, "ecnn", 1) / "predictions.npz"
    assert again.read_bytes() == predictions(left_alone)["ecnn", 1]


REFUSED = {
    "another seed": ({"seed": 1}, "seed is 1 here and 0 there"),
    "another rate": ({"training": {"lr": 0.5}}, "training.lr is 0.5 here and 0.001 there"),
    "another split": ({"split": "0.7"}, "split is 0.7 here and 0.8 there"),
    "another first repeat": ({"first_repeat": 1}, "first_repeat"),
    "another size": ({"image_size": 9}, "image_size"),
    "other threads": ({"training": {"threads": 2}}, "training.threads"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_another_study(study: Study, left_alone: Path, what: str) -> None:
    changes, part = REFUSED[what]
    before = everything(left_alone)
    with one_line(RunDirectoryError, left_alone, "another study", part, "--out"):
        study.run(left_alone, **changes)
    assert everything(left_alone) == before


def test_a_registered_data_set_and_a_folder_are_two_things(study: Study, left_alone: Path, tmp_path: Path) -> None:
    """Even if they hold the same images, as a folder and a link to it do, which are one."""
    shutil.copytree(left_alone, tmp_path / "run")
    (tmp_path / "digits").symlink_to(study.data)
    other = Study(str(tmp_path / "digits"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecrnn.studies.places.catalogue.task_of", {other.data: default()}.get)
        with one_line(RunDirectoryError, "was begun with the data", "choose another --out"):
            other.run(tmp_path / "run")
    assert len(other.run(tmp_path / "run").found) == 4


def test_changed_data(left_alone: Path, tmp_path: Path) -> None:
    data, run = make_images(tmp_path / "images"), tmp_path / "run"
    changed = Study(str(data))
    changed.run(run, models=("cnn",), repeats=1, training={"epochs": 1})
    (data / "a" / "00.png").unlink()
    before = everything(run)
    with one_line(RunDirectoryError, run, f"the images of '{data}' have changed since it was begun"):
        changed.run(run, models=("cnn",), repeats=1, training={"epochs": 1})
    own = StudySettings.read(read_yaml(trial_folder(run, "cnn", 0) / "config.yaml"))
    with one_line(RunDirectoryError, data, "not those the study was begun with"):
        run_study(own, tmp_path / "other")
    assert everything(run) == before
    assert not (tmp_path / "other").exists()


def test_foreign_folders(study: Study, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with one_line(RunDirectoryError, tmp_path, "not empty", "--out"):
        study.run(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["thesis.txt"]
    with one_line(RunDirectoryError, tmp_path / "thesis.txt", "is a file"):
        study.run(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"models": ("cnm",)}, UnknownNameError),
        ({"split": "2"}, DataError),
        ({"split": "0.999"}, DataError),
        ({"split": "own"}, DataError),
        ({"data": "no-such-data"}, UnknownNameError),
        ({"data": "/no/such/folder"}, DataError),
    ],
)
def test_wrong_from_the_start(study: Study, tmp_path: Path, changes: dict[str, object], kind: type[EcrnnError]) -> None:
    out = tmp_path / "out"
    with one_line(kind):
        study.run(out, **changes)
    assert not out.exists()


def test_a_damaged_study_file(study: Study, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("data: [")
    with one_line(EcrnnError, tmp_path / "study.yaml"):
        study.run(tmp_path)


def test_two_at_once(study: Study, left_alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locked.__wrapped__, "__defaults__", (0.2,))
    before = everything(left_alone)
    with locked(left_alone), one_line(RunDirectoryError, "another process"):
        study.run(left_alone)
    assert everything(left_alone) == before


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_a_signal_stops_the_study(study: Study, left_alone: Path, tmp_path: Path, number: int) -> None:
    trained: list[str] = []

    def progress(event: Step | Epoch) -> None:
        trained.append(event.label)
        if event.label == "ecnn, repeat 0" and event.step == event.steps and isinstance(event, Step):  # its last step
            signal.raise_signal(number)

    with pytest.raises(Interrupted):
        study.run(tmp_path, progress=of_trainings(progress))
    assert set(trained) == {"cnn, repeat 0", "ecnn, repeat 0"}  # and none was begun after
    study.run(tmp_path)
    assert predictions(tmp_path) == predictions(left_alone)


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [14, 3, 41])
def test_killed_and_continued(forks: Forks, study: Study, left_alone: Path, tmp_path: Path, ticks: int) -> None:
    data, out = study.data, str(tmp_path / "run")
    fine = {"checkpoint_seconds": 1e-9}
    assert forks("studies.small:run", ticks=ticks, hold=True, data=data, out=out, training=fine) == -signal.SIGKILL
    done = [
        trial for trial in planned_trials(study.settings()) if read_manifest(trial_folder(tmp_path / "run", *trial))
    ]
    assert len(done) < 4
    before = {name: value for name, value in everything(tmp_path / "run").items() if name.endswith("manifest.json")}
    assert forks("studies.small:run", data=data, out=out, training=fine) == DONE
    assert predictions(tmp_path / "run") == predictions(left_alone)
    assert before.items() <= everything(tmp_path / "run").items()  # what was finished was not touched


@pytest.mark.slow
def test_stopped_and_continued(forks: Forks, study: Study, left_alone: Path, tmp_path: Path) -> None:
    data, out = study.data, str(tmp_path / "run")
    assert forks("studies.small:run", ticks=5, signals=("SIGTERM",), data=data, out=out) == INTERRUPTED
    study.run(tmp_path / "run")
    assert predictions(tmp_path / "run") == predictions(left_alone)


def test_default_out() -> None:
    assert default_out(settings("digits")) == Path("runs/compare-digits")
    assert default_out(settings("some/folder/")) == Path("runs/compare-folder")
    assert default_out(settings("/")) == Path("runs/compare-data")
    assert default_out(settings(".")) == default_out(settings("./")) == Path("runs") / f"compare-{Path.cwd().name}"
    assert default_out(settings("gr\u00fcn")) == default_out(settings("gru\u0308n/"))
    with one_line(EcrnnError, "--out"):
        default_out(settings("a\nb"))


def test_an_error_of_the_caller_is_not_a_failed_trial(study: Study, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        study.run(tmp_path, progress=stop_at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt)))
    assert not list(tmp_path.rglob("error.json"))


def test_the_score_is_named_before_the_first_training(study: Study, tmp_path: Path) -> None:
    few = {"models": ("majority", "logistic"), "repeats": 1}
    study.run(tmp_path / "a", **few)
    assert read_settings(tmp_path / "a").metric == "accuracy"
    study.run(tmp_path / "b", metric="macro-f1", **few)
    assert read_settings(tmp_path / "b").metric == "macro-f1"
    assert study.run(tmp_path / "b", **few).trained == [], "where none is named, the study's holds"
    assert read_settings(tmp_path / "b").metric == "macro-f1"
    with one_line(RunDirectoryError, "metric is auc here and macro-f1 there"):
        study.run(tmp_path / "b", metric="auc", **few)
    early = read_settings(tmp_path / "a").model_copy(update={"metric": None})
    (tmp_path / "a" / "study.yaml").write_text(to_yaml(early))
    assert study.run(tmp_path / "a", metric="accuracy", **few).trained == []
    assert read_settings(tmp_path / "a").metric is None, "its report stays as it is"
    with one_line(RunDirectoryError, "metric is auc here and None there"):
        study.run(tmp_path / "a", metric="auc", **few)


def test_a_study_from_before_there_was_a_choice_of_fit_goes_on_as_it_was(tmp_path: Path) -> None:
    for label, name in enumerate("ab"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            noise = np.random.default_rng([label, i]).integers(100 * label, 100 * label + 100, (9, 20, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / name / f"{i}.png")
    small, before, now = Study(str(tmp_path / "photos")), tmp_path / "before", tmp_path / "now"
    small.run(before, models=["cnn"], repeats=1, fit="cut-half-pixels")
    assert "fit:" not in (before / "study.yaml").read_text()  # as files of then
    small.run(before, models=["cnn"], repeats=2)
    assert read_settings(before).fit == "cut-half-pixels"
    assert "fit" not in read_manifest(before / "cnn" / "repeat-1")["preprocessing"]
    bundle_trial(before, "cnn", tmp_path / "bundle", repeat=1)
    file = tmp_path / "photos" / "a" / "0.png"
    as_then = ImageOps.fit(Image.open(file), (8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(load(tmp_path / "bundle").open(file), np.asarray(as_then))
    small.run(now, models=["cnn"], repeats=1)
    assert read_settings(now).fit == "cut"
    assert read_settings(now).fingerprint != read_settings(before).fingerprint
    with one_line(RunDirectoryError, "fit is stretch here"):
        small.run(before, models=["cnn"], repeats=2, fit="stretch")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of ten photographs, in pairs that are alike."""
    for label, name in enumerate("ab"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            noise = np.random.default_rng([label, i // 2]).integers(99 * label, 99 * label + 99, (8, 8, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


def test_files_that_cannot_be_read_are_left_out_and_named(photos: Path, tmp_path: Path) -> None:
    small, out = Study(str(photos)), tmp_path / "study"
    (photos / "a" / "3.png").write_bytes((photos / "a" / "3.png").read_bytes()[:60])
    (photos / "b" / "7.png").write_bytes(b"")
    with one_line(DataError, "2 of 20 images", "a/3.png: ", "b/7.png: it is empty"):
        small.run(out, models=["cnn"], repeats=1)
    small.run(out, models=["cnn"], repeats=1, bad_data="skip")
    assert read_settings(out).bad_files == ("a/3.png", "b/7.png")
    assert len(images.load(photos, image_size=8, skip=True)) == 18
    small.run(out, models=["cnn"], repeats=2, bad_data="skip")  # goes on with the same
    bundle_trial(out, "cnn", tmp_path / "bundle")
    assert read_json(tmp_path / "bundle" / "bundle.json")["bad_files"] == ["a/3.png", "b/7.png"]
    assert "; 2 files that could not be read left out |" in (tmp_path / "bundle" / "README.md").read_text()
    facts = dict(analyse(read_study([out])).subject.facts)
    assert facts["Data"].endswith("; 2 files that cannot be read left out: a/3.png, b/7.png")
    good = (photos / "b" / "1.png").read_bytes()
    (photos / "b" / "1.png").write_bytes(b"x")
    with one_line(RunDirectoryError, "b/1.png of", "could be read when this was begun, and cannot be read now"):
        small.run(out, models=["cnn"], repeats=3, bad_data="skip")
    (photos / "b" / "1.png").write_bytes(good)
    (photos / "b" / "7.png").write_bytes(good)
    with one_line(RunDirectoryError, "b/7.png of", "could not be read when this was begun, and can be read now"):
        small.run(out, models=["cnn"], repeats=3, bad_data="skip")
    (photos / "b" / "7.png").unlink()
    assert small.run(out, models=["cnn"], repeats=2, bad_data="skip").trained == []


def test_groups_of_a_study(photos: Path, tmp_path: Path) -> None:
    rows = "".join(f"{name}/{i}.png,{name}{i // 2}\n" for name in "ab" for i in range(10))
    (tmp_path / "groups.csv").write_text(f"file,group\n{rows}")
    small, out, said = Study(str(photos)), tmp_path / "study", []
    groups = str(tmp_path / "groups.csv")
    small.run(out, models=["cnn"], repeats=2, split="0.6 stratified", groups=groups, progress=said.append)
    lines = [event.text for event in said if isinstance(event, Message)]
    expected = "10 groups are kept whole, files that stand alone among them; 12 of 20 train in the first repeat"
    assert f"{photos}: {expected}, where 0.6 asks for 12" in lines
    assert not any("also among those trained on" in line for line in lines)
    for repeat in range(2):
        validation = read_trial(out, "cnn", repeat).predictions.index
        assert sorted(validation // 2) == sorted([*dict.fromkeys(validation // 2)] * 2)
        assert sum(validation < 10) == 4
    (tmp_path / "groups.csv").rename(tmp_path / "moved.csv")
    assert small.run(out, models=["cnn"], split="0.6 stratified", groups=str(tmp_path / "moved.csv")).trained == []
    with one_line(RunDirectoryError, "some were added, removed or altered"):
        small.run(out, models=["cnn"], split="0.6 stratified")
    (tmp_path / "groups.csv").write_text("file,group\na/77.png,1\n")
    with one_line(DataError, "groups.csv names 'a/77.png', but there is no such image in"):
        small.run(tmp_path / "other", models=["cnn"], groups=groups)


def test_several_seeds_a_split(study: Study, tmp_path: Path) -> None:
    """Trainings of a split share its images and not their seed; a study with one seed a split has the same trials."""
    small = {"models": ("cnn",), "training": {"epochs": 1}}
    study.run(tmp_path / "twice", repeats=4, seeds_per_split=2, **small)
    study.run(tmp_path / "once", repeats=2, **small)
    twice = [read_trial(tmp_path / "twice", "cnn", repeat) for repeat in range(4)]
    once = [read_trial(tmp_path / "once", "cnn", repeat) for repeat in range(2)]
    assert all(twice)
    assert all(once)
    index = [trial.predictions.index.tolist() for trial in twice]
    assert index[0] == index[1] == once[0].predictions.index.tolist()
    assert index[2] == index[3] == once[1].predictions.index.tolist()
    assert len({trial.facts["seed"] for trial in twice}) == 4
    assert [trial.facts["seed"] for trial in once] == [trial.facts["seed"] for trial in twice[:2]]
    first = trial_folder(tmp_path / "once", "cnn", 0) / "predictions.npz"
    assert first.read_bytes() == (trial_folder(tmp_path / "twice", "cnn", 0) / "predictions.npz").read_bytes()
    # it goes on without being told again, and not with another number
    outcome = study.run(tmp_path / "twice", repeats=6, **small)
    assert len(outcome.trained) == 2
    with pytest.raises(EcrnnError, match="5 repeats from 0 are no whole splits"):
        study.run(tmp_path / "twice", repeats=5, **small)
    with pytest.raises(RunDirectoryError, match="seeds_per_split is"):
        study.run(tmp_path / "twice", repeats=6, seeds_per_split=3, **small)
