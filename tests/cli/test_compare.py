"""`ecrnn compare` and `ecrnn report`, from the command line to the files."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml


def test_a_study_leaves_trials_and_a_report(study: Path) -> None:
    manifests = sorted(path.parent.relative_to(study).as_posix() for path in study.glob("*/*/manifest.json"))
    assert manifests == [f"{model}/repeat-{repeat}" for model in ("cnn", "ecnn") for repeat in range(2)]
    assert (study / "report" / "report.html").stat().st_size > 10_000


def test_the_report_is_printed_and_found(call: Any, study: Path, tmp_path: Path) -> None:
    done = call("report", study, "--out", tmp_path / "report")
    assert done.status == 0
    assert "cnn" in done.out
    assert "No verdict: cnn has" in done.out
    assert f"Report: {tmp_path / 'report' / 'report.html'}" in done.out
    assert (tmp_path / "report" / "report.html").is_file()


def test_report_options_reach_the_analysis(call: Any, study: Path, tmp_path: Path) -> None:
    done = call("report", study, "--out", tmp_path, "--baseline", "ecnn", "--rope", "0.02", "--json")
    assert done.status == 0
    found = json.loads(done.out)
    assert found["comparison"]["rope"] == 0.02
    assert found["comparison"]["baseline"] == "ecnn"
    assert json.loads((tmp_path / "report.json").read_text()) == found
    rows = csv.DictReader((tmp_path / "report.csv").read_text().splitlines())
    assert {row["model"] for row in rows} == {"cnn", "ecnn"}


def test_a_study_given_again_trains_only_what_is_new(call: Any, study: Path, tiny: tuple, tmp_path: Path) -> None:
    mine = shutil.copytree(study, tmp_path / "study")
    before = {path: path.stat().st_mtime_ns for path in mine.glob("*/*/*") if path.is_file()}
    done = call("compare", "digits", "--models", "cnn", "--repeats", "3", *tiny, "--out", mine, "--seed", "0")
    assert done.status == 0, done.err
    assert "4 of 6 trials are finished already" in done.err
    assert "cnn, repeat 2: epoch 1 of 1" in done.err
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_archive_is_a_study_that_goes_on(call: Any, study: Path, tiny: tuple, tmp_path: Path) -> None:
    small = tmp_path / "small"
    done = call("report", study, "--archive", small)
    assert done.status == 0, done.err
    assert f"Archive: {small}, 4 trials added, 0 there already" in done.out
    assert f"Report: {small / 'report' / 'report.html'}" in done.out
    assert "0 trials added, 4 there already" in call("report", study, "--archive", small).out
    assert not list(small.rglob("checkpoint"))
    before = {path: path.stat().st_mtime_ns for path in small.glob("*/*/*")}
    done = call("compare", "digits", "--models", "cnn,ecnn", "--repeats", "3", *tiny, "--out", small)
    assert done.status == 0, done.err
    assert "4 of 6 trials are finished already" in done.err
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (small / "cnn" / "repeat-2" / "checkpoint" / "weights.safetensors").is_file()


def test_an_archive_is_of_one_study(call: Any, study: Path, tmp_path: Path) -> None:
    done = call("report", study, study, "--archive", tmp_path / "small")
    assert (done.status, done.err) == (2, "ecrnn: --archive takes one study at a time; give one RUN\n")
    assert not (tmp_path / "small").exists()


def test_a_run_from_its_saved_settings_ends_the_same(call: Any, study: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    done = call("compare", "--config", study / "ecnn" / "repeat-1" / "config.yaml", "--out", again)
    assert done.status == 0, done.err
    name = Path("ecnn", "repeat-1", "predictions.npz")
    assert (again / name).read_bytes() == (study / name).read_bytes()


def test_every_option_ends_in_the_settings_and_set_wins(call: Any, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("data: digits\nrepeats: 9\ntraining: {lr: 0.5, momentum: 0.5, epochs: 7}\n")
    options = "--repeats 1 --split 0.6 --seed 3 --image-size 8 --channels 1 --epochs 1 --batch-size 256 --lr 0.002"
    options += (
        " --augment flip-crop --device cpu --precision float32 --threads 1 --set training.optimizer=sgd --set seed=4"
    )
    done = call(
        "compare", "--config", config, "--models", "cnn", *options.split(), "--out", tmp_path / "study", "--json"
    )
    assert done.status == 0, done.err
    assert done.err == ""
    assert json.loads(done.out)["settings"]["seed"] == 4
    saved = yaml.safe_load((tmp_path / "study" / "study.yaml").read_text())
    training = saved.pop("training")
    assert len(saved.pop("fingerprint")) == 64
    assert [saved.pop(key) for key in ("frames", "height", "tokens", "vocabulary", "length")] == [None] * 5
    assert saved == {
        "data": "digits", "data_dir": None, "image_size": 8, "channels": 1, "fit": "cut", "models": ["cnn"],
        "repeats": 1, "first_repeat": 0, "split": "0.6", "seed": 4, "metric": "accuracy", "score_epochs": 3,
        "planned_repeats": 1,
    }  # fmt: skip
    wanted = {
        "epochs": 1, "batch_size": 256, "lr": 0.002, "augment": "flip-crop", "device": "cpu", "precision": "float32",
        "threads": 1, "optimizer": "sgd", "momentum": 0.5,
    }  # fmt: skip
    assert {key: training[key] for key in wanted} == wanted


def test_without_out_a_study_goes_to_runs(
    call: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--image-size", "8", "--epochs", "1", "--batch-size", "8", "--threads", "1", "--repeats", "1")
    done = call("compare", images, "--models", "cnn", *options)
    assert done.status == 0, done.err
    assert (tmp_path / "runs" / "compare-my images é" / "study.yaml").is_file()


def test_a_failed_trial_is_said_with_status_1_and_tried_again(
    call: Any, study: Path, tiny: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecrnn.studies import trials

    mine = shutil.copytree(study, tmp_path / "study")
    (mine / "cnn" / "repeat-1" / "manifest.json").unlink()

    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("the card fell out")

    command = ("compare", "digits", "--models", "cnn,ecnn", "--repeats", "2", *tiny, "--out", mine, "--json")
    with monkeypatch.context() as broken_trials:
        broken_trials.setattr(trials, "fit_events", broken)
        done = call(*command)
    assert done.status == 1
    assert (
        done.err
        == "ecrnn: 1 trial failed, the same command tries again: cnn, repeat 1: RuntimeError: the card fell out\n"
    )
    missing = json.loads(done.out)["missing"]
    assert [(trial["model"], trial["repeat"], trial["state"]) for trial in missing] == [("cnn", 1, "failed")]
    done = call(*command)
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["missing"] == []


def test_a_wrong_baseline_is_said_before_anything_is_trained(call: Any, tiny: tuple, tmp_path: Path) -> None:
    done = call("compare", "digits", "--models", "cnn,ecnn", *tiny, "--baseline", "ecn", "--out", tmp_path / "study")
    assert (done.status, done.err) == (2, "ecrnn: unknown baseline 'ecn', did you mean 'ecnn'?\n")
    assert not (tmp_path / "study" / "study.yaml").exists()
    assert not list(tmp_path.rglob("repeat-*"))


@pytest.mark.slow
def test_cifar10_from_local_copies(call: Any, real_data: Path, tmp_path: Path) -> None:
    """The real images at 8x8, where an epoch of the paper's 35,000 takes seconds; a wrong baseline leaves nothing."""
    out = tmp_path / "study"
    line = ("compare", "cifar10", "--data-dir", real_data, "--models", "cnn", "--image-size", "8", "--repeats", "1")
    line = (*line, "--epochs", "1", "--threads", "1", "--out", out)
    done = call(*line, "--baseline", "nobody")
    assert (done.status, done.err) == (2, "ecrnn: unknown baseline 'nobody', known are cnn\n")
    assert not (out / "study.yaml").exists()
    assert call(*line).status == 0
    saved = yaml.safe_load((out / "study.yaml").read_text())
    assert saved["data_dir"] == str(real_data)
    assert len(saved["fingerprint"]) == 64
    facts = json.loads((out / "cnn" / "repeat-0" / "manifest.json").read_text())["facts"]
    assert (facts["n_train"], facts["n_validation"]) == (35_000, 15_000)
    assert facts["last_accuracy"] > 0.3


def test_the_plan_is_written_down_before_the_first_training(call: Any, tiny: tuple, tmp_path: Path) -> None:
    out = tmp_path / "study"
    line = ("compare", "digits", "--models", "mlp-4,majority", *tiny, "--out", out, "--json")
    plan = ("--pairs", "mlp-4:majority", "--rope", "0.01", "--score-epochs", "2", "--repeats", "3", "--epochs", "3")
    done = call(*line, *plan)
    assert done.status == 0, done.err
    saved = yaml.safe_load((out / "study.yaml").read_text())
    assert {key: saved[key] for key in ("pairs", "rope", "score_epochs", "planned_repeats")} == {
        "pairs": [["mlp-4", "majority"]], "rope": 0.01, "score_epochs": 2, "planned_repeats": 3,
    }  # fmt: skip
    assert (
        not {"pairs", "rope", "planned_repeats"}
        & yaml.safe_load((out / "mlp-4" / "repeat-0" / "config.yaml").read_text()).keys()
    )
    found = json.loads(done.out)
    assert found["plan"]["chosen_after"] == []
    assert [(pair["model_a"], pair["model_b"]) for pair in found["comparison"]["pairs"]] == [("mlp-4", "majority")]
    trials = {(trial["model"], trial["repeat"]): trial for trial in found["trials"]}
    for repeat in range(3):
        lines = (out / "mlp-4" / f"repeat-{repeat}" / "metrics.jsonl").read_text().splitlines()
        last_two = [json.loads(line)["validation_accuracy"] for line in lines[-2:]]
        assert trials["mlp-4", repeat]["accuracy"] == pytest.approx(sum(last_two) / 2, abs=1e-15)
        assert "epoch_scores" not in trials["majority", repeat]
    assert json.loads(call(*line, "--epochs", "3").out)["comparison"] == found["comparison"]  # goes on with its plan
    again = call(*line, "--epochs", "3", "--baseline", "majority")
    assert again.status == 1
    assert f"{out} was planned with no baseline, not majority, and a plan does not change" in again.err
    again = call(*line, "--epochs", "3", "--score-epochs", "1")
    assert (again.status, "was planned with score_epochs 2, not 1, and a plan" in again.err) == (1, True)
    after = json.loads(call("report", out, "--baseline", "majority", "--score-epochs", "1", "--json").out)
    assert after["plan"]["chosen_after"] == [
        "baseline majority, where none was planned",
        "pairs none, where mlp-4:majority was planned",
        "score_epochs 1, where 2 was planned",
    ]
    more = call(*line, "--epochs", "3", "--repeats", "4")
    assert any("The plan was 3 repeats and was changed to 4" in line for line in json.loads(more.out)["warnings"])


@pytest.mark.parametrize(
    ("pairs", "line"),
    [
        ("cnn", "--pairs wants models as A:B, with commas between pairs, as in mine:cnn, not 'cnn'"),
        ("cnn:", "--pairs wants models as A:B"),
        ("a:b:c", "--pairs wants models as A:B"),
        (",", "--pairs wants models as A:B"),
        ("cnn:enn", "unknown model of --pairs 'enn', did you mean 'ecnn'?"),
    ],
)
def test_wrong_pairs_are_one_line(call: Any, tiny: tuple, tmp_path: Path, pairs: str, line: str) -> None:
    done = call("compare", "digits", "--models", "cnn,ecnn", *tiny, "--pairs", pairs, "--out", tmp_path / "study")
    assert done.status == 2
    assert line in done.err
    assert done.err.count("\n") == 1


def test_a_study_until_it_is_decided(call: Any, tiny: tuple, tmp_path: Path) -> None:
    """`majority` is far behind: it trains three times, and no more is trained than is written down beforehand."""
    line = ("compare", "digits", "--models", "logistic,majority,mlp-4", "--until-decided", "--repeats", "4")
    done = call(*line, "--baseline", "majority", *tiny, "--out", tmp_path)
    assert done.status == 0, done.err
    assert "looked after 3 repeats" in done.err
    assert yaml.safe_load((tmp_path / "study.yaml").read_text())["sequential"]["looks"] == [3, 4]
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert found["sequential"]["waiting"] == []
    assert found["missing"] == []
    assert [pair["model_a"] for pair in found["sequential"]["pairs"]] == ["logistic", "mlp-4"]
    assert found["sequential"]["pairs"][0]["verdict"] == "better"
    assert "at most 12 trainings" in done.out
    again = call(*line[:4], *tiny, "--out", tmp_path, "--json")
    assert json.loads(again.out)["trials"] == found["trials"]
    wrong = call(*line, *tiny, "--set", "sequential.slack=-1", "--out", tmp_path / "other")
    assert wrong.err == "ecrnn: sequential.slack: input should be greater than or equal to 0, not -1\n"
    wrong = call("compare", "digits", "mnist", "--models", "cnn,ecnn", "--until-decided", "--out", tmp_path / "other")
    assert (wrong.status, "--until-decided is of one DATA" in wrong.err) == (2, True)
