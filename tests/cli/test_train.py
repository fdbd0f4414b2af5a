"""`ecrnn train`, `evaluate` and `predict`, one after the other, as a practitioner would."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image


def test_train_says_what_it_reached_and_how_to_use_it(call: Any, tiny: tuple, tmp_path: Path) -> None:
    out = tmp_path / "my model"
    done = call("train", "digits", "--model", "cnn", *tiny, "--keep", "last", "-o", out)
    assert done.status == 0, done.err
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["keep"] == "last"
    assert metrics["n_validation"] == 359  # a fifth of 1,797
    assert f"{100 * metrics['accuracy']:.2f} % of 359 validation images right" in done.out
    assert f"Use it: ecrnn predict '{out}' image.png" in done.out
    assert "cnn: epoch 1 of 1, validation accuracy" in done.err
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md", "bundle.json", "checkpoint", "examples.bin", "metrics.json", "metrics.jsonl", "model.safetensors",
        "train.yaml",
    ]  # fmt: skip


def test_train_json_is_metrics_and_nothing_else(call: Any, tiny: tuple, tmp_path: Path) -> None:
    done = call("train", "digits", "--model", "cnn", *tiny, "--split", "0.5", "-o", tmp_path / "b", "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["bundle"] == str(tmp_path / "b")
    assert found["n_train"] == 899


def test_the_best_epoch_is_kept(bundle: Path) -> None:
    metrics = json.loads((bundle / "metrics.json").read_text())
    accuracies = [line["validation_accuracy"] for line in metrics["history"]]
    assert metrics["keep"] == "best"
    assert metrics["kept_accuracy"] == accuracies[metrics["epoch"] - 1]
    assert metrics["accuracy"] == accuracies[-1]


def test_a_bundle_is_never_overwritten_and_resume_leaves_it(
    call: Any, bundle: Path, images: Path, tmp_path: Path
) -> None:
    mine = shutil.copytree(bundle, tmp_path / "b")
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    options = ("--image-size", 8, "--epochs", 4, "--batch-size", 8, "--threads", 1, "--split", "0.6")
    done = call("train", images, "--model", "cnn", *options, "-o", mine)
    assert done.status == 1
    assert "holds a bundle already" in done.err
    done = call("train", images, "--model", "cnn", *options, "-o", mine, "--resume")
    assert done.status == 0, done.err
    assert "(finished already)" in done.out
    done = call("train", images, "--model", "ecnn", *options, "-o", mine, "--resume")
    assert done.status == 1
    assert done.err.endswith(f"{mine} holds another training: model is ecnn here and cnn there; choose another -o\n")
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


def test_evaluate_judges_on_what_training_left_out(call: Any, bundle: Path, images: Path, tmp_path: Path) -> None:
    done = call("evaluate", bundle, images, "--temperature", "fit", "--out", tmp_path / "page")
    assert done.status == 0, done.err
    assert "For other images take that of all of these: --temperature " in done.out
    (head, *rows) = csv.reader(io.StringIO((tmp_path / "page" / "predictions.csv").read_text()))
    assert head == ["image", "class", "prediction", "correct", "[red] é", "b b", "c"]
    assert all(row[0].startswith(f"{row[1]}/") for row in rows)  # its file, in the folder of its class
    accuracy = json.loads((bundle / "metrics.json").read_text())["accuracy"]
    assert f"{100 * accuracy:.2f} % (95 % interval" in done.out
    assert "[red] é" in done.out  # a class's name, not a colour
    assert f"Page: {tmp_path / 'page' / 'evaluation.html'}" in done.out
    page = (tmp_path / "page" / "evaluation.html").read_text()
    assert "[red] é" in page


def test_evaluate_json_holds_interval_classes_and_confusion(call: Any, bundle: Path, images: Path) -> None:
    done = call("evaluate", bundle, images, "--part", "all", "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["n"] == 36
    assert found["accuracy"]["low"] < found["accuracy"]["estimate"] <= 1
    assert [row["name"] for row in found["classes"]] == ["[red] é", "b b", "c"]
    assert sum(map(sum, found["confusion"]["counts"])) == 36


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_predict_reports_what_cannot_be_read_and_does_the_rest(
    call: Any, bundle: Path, images: Path, tmp_path: Path, form: str
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    good = images / "c" / "0 [b].png"
    done = call("predict", bundle, tmp_path / "broken.png", tmp_path / "none.png", good, "--top", 2, "--format", form)
    assert done.status == 1
    missing = f"there is no file or folder {tmp_path / 'none.png'}"
    if form == "jsonl":
        first, none, second = map(json.loads, done.out.splitlines())
        assert none == {"file": str(tmp_path / "none.png"), "error": missing}
        assert first["file"] == str(tmp_path / "broken.png")
        assert first["error"].startswith("cannot read")
        assert second["file"] == str(good)
        assert len(second["classes"]) == 2
        assert sum(guess["probability"] for guess in second["classes"]) <= 1
    else:
        assert f"ecrnn: cannot read {tmp_path / 'broken.png'}" in done.err
        assert f"ecrnn: {missing}\n" in done.err
        *empty, row = csv.DictReader(io.StringIO(done.out))
        assert [row["file"] for row in empty] == [str(tmp_path / "broken.png"), str(tmp_path / "none.png")]
        assert not any(value for row in empty for name, value in row.items() if name != "file")
        assert row["file"] == str(good)
        assert sum(float(row[name]) for name in ("[red] é", "b b", "c")) == pytest.approx(1)


def test_predict_takes_folders_and_draws_a_table(call: Any, bundle: Path, images: Path) -> None:
    done = call("predict", bundle, images / "c", images / "[red] é", "--top", 99)
    assert (done.status, done.err) == (0, "")
    lines = [line for line in done.out.splitlines() if ".png" in line or " % " in line]
    assert sum(line.count("[red] é") for line in lines) >= 24
    json_lines = call("predict", bundle, images / "c", images / "[red] é", "--json").out.splitlines()
    assert len(json_lines) == 24
    assert all(len(json.loads(line)["classes"]) == 3 for line in json_lines)


def test_predict_agrees_with_python(call: Any, bundle: Path, images: Path) -> None:
    import ecrnn

    file = images / "b b" / "3 [b].png"
    done = call("predict", bundle, file, "--json")
    [best, *_] = json.loads(done.out)["classes"]
    classifier = ecrnn.load(bundle)
    assert best["class"] == classifier.predict([file])[0]
    assert best["probability"] == pytest.approx(classifier.predict_proba([file]).max(), rel=1e-6)


@pytest.mark.slow
def test_flowers_from_folder_to_prediction(call: Any, real_data: Path, tmp_path: Path) -> None:
    flowers, out = real_data / "flowers", tmp_path / "flowers"
    options = ("--image-size", 32, "--epochs", 2, "--batch-size", 32, "--threads", 1, "--augment", "flip-crop")
    done = call("train", flowers, "--model", "cnn", *options, "-o", out, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["accuracy"] > 0.25  # five classes
    assert yaml.safe_load((out / "train.yaml").read_text())["training"]["augment"] == "flip-crop"
    done = call("evaluate", out, flowers, "--json")
    assert json.loads(done.out)["n"] == json.loads((out / "metrics.json").read_text())["n_validation"]
    done = call("predict", out, flowers / "roses", "--json")
    assert done.status == 0, done.err
    assert len(done.out.splitlines()) == len(list((flowers / "roses").iterdir()))


def test_parts_of_a_folder_and_what_was_trained_on(
    call: Any, tiny: tuple, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw = np.random.default_rng(0)
    for part, count in (("train", 12), ("val", 4), ("test", 5)):
        for name in ("cat", "dog"):
            (tmp_path / "pets" / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / part / name / f"{i}.png")
    for part, number in (("val", 0), ("test", 1)):  # of those trained on
        shutil.copy(tmp_path / f"pets/train/cat/{number}.png", tmp_path / f"pets/{part}/cat/again.png")
    (tmp_path / "pets/train/dog/IMG_1.HEIC").write_bytes(b"x")
    left_out = "pets: left out 1 file that cannot be read as images: 1 .heic; convert .heic to JPEG or PNG"

    done = call("train", tmp_path / "pets", "--model", "mlp-4", *tiny, "-o", tmp_path / "mine", "--json")
    assert done.status == 0, done.err
    metrics = json.loads(done.out)
    assert left_out in caplog.text
    assert (metrics["split"], metrics["n_train"], metrics["n_validation"]) == ("own", 24, 9)
    assert (metrics["validation_trained_on"], metrics["files_left_out"]) == (1, {".heic": 1})
    assert (metrics["test"]["n"], metrics["test"]["left_out"]) == (10, 1)
    assert "Test accuracy" in (tmp_path / "mine" / "README.md").read_text()

    shutil.copytree(tmp_path / "pets/train", tmp_path / "photos")
    apart = ("--val", tmp_path / "pets/val", "--test", tmp_path / "pets/test")
    done = call("train", tmp_path / "photos", *apart, "--model", "mlp-4", *tiny, "-o", tmp_path / "apart")
    assert done.status == 0, done.err
    assert "Test part: " in done.out
    assert "1 of 9 validation images is also among those trained on" in done.err
    same = json.loads((tmp_path / "apart" / "metrics.json").read_text())
    for key in ("fingerprint", "split", "accuracy", "loss", "validation_trained_on", "files_left_out", "test"):
        assert same[key] == metrics[key], key

    done = call("evaluate", tmp_path / "mine", tmp_path / "pets", "--json")
    found = json.loads(done.out)
    assert (found["n"], found["trained_on"], found["left_out"], found["files_left_out"]) == (10, 0, 1, {".heic": 1})
    assert found["n_note"] == "the data set's own test part; left out, because trained on: 1 of 11 images"
    done = call("evaluate", tmp_path / "mine", tmp_path / "photos", "--out", tmp_path / "page")
    note = "all images; the model was trained on all 24, so the figure is too good"
    assert f"Judged on {note}." in " ".join(done.out.split())
    assert note in (tmp_path / "page" / "evaluation.html").read_text()
    caplog.clear()
    done = call("predict", tmp_path / "mine", tmp_path / "photos")
    assert done.status == 0
    assert left_out.replace("pets", "photos") in caplog.text


def test_the_home_folder_where_no_shell_writes_it(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in --out=~/model, and for a folder whose name was decomposed on the way."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    line = ("train", "digits", "--model", "mlp-4", "--image-size", 8, "--epochs", 1, "--threads", 1)
    assert call(*line, "-o", "~/gr\u00fcn").status == 0
    assert (tmp_path / "gr\u00fcn" / "bundle.json").is_file()
    again = call(*line, "-o", "gru\u0308n", "--resume")
    assert "(finished already)" in again.out, again.err
