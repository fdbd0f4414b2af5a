"""mlp, LeNet-5 and AlexNet from the command line: trained, judged, used and compared like any other model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecrnn.core.config import read_yaml

OPTIONS = ("--epochs", 2, "--batch-size", 8, "--threads", 1, "--split", "0.6", "--precision", "float32")
CASES = [("mlp", 8), ("mlp-6-squared", 8), ("lenet5", 16), ("lenet5-1998", 16)]


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize(("model", "side"), [*CASES, pytest.param("alexnet", 63, marks=pytest.mark.slow)])
def test_trained_judged_and_used(call: Any, images: Path, tmp_path: Path, model: str, side: int) -> None:
    bundle = tmp_path / "bundle"
    done = call("train", images, "--model", model, "--image-size", side, *OPTIONS, "-o", bundle)
    assert done.status == 0, done.err
    metrics = json.loads((bundle / "metrics.json").read_text())
    judged = json.loads(call("evaluate", bundle, images, "--part", "validation", "--json").out)
    assert judged["accuracy"]["estimate"] == pytest.approx(metrics["accuracy"])
    done = call("predict", bundle, images / "c" / "0 [b].png", "--json")
    assert done.status == 0, done.err
    assert sum(found["probability"] for found in json.loads(done.out)["classes"]) == pytest.approx(1)


def test_two_errors_of_one_network_are_compared(call: Any, tiny: tuple, tmp_path: Path) -> None:
    out = tmp_path / "study"
    done = call("compare", "digits", "--models", "mlp-128,mlp-squared", "--repeats", "2", *tiny, "--out", out)
    assert done.status == 0, done.err
    assert read_yaml(out / "study.yaml")["models"] == ["mlp", "mlp-squared"]
    losses = [
        json.loads((out / model / "repeat-0" / "metrics.jsonl").read_text().splitlines()[0])
        for model in ("mlp", "mlp-squared")
    ]
    assert losses[0]["train_loss"] != losses[1]["train_loss"]
    assert {path.name for path in out.iterdir() if path.is_dir()} >= {"mlp", "mlp-squared", "report"}


@pytest.mark.parametrize("command", ["train", "compare"])
def test_images_too_small_are_said_before_anything_is_written(call: Any, tmp_path: Path, command: str) -> None:
    named = ("--model", "alexnet") if command == "train" else ("--models", "cnn,alexnet")
    done = call(command, "digits", *named, "-o", tmp_path / "out")
    assert done.status != 0
    expected = "alexnet takes images of 63 pixels a side or more, not 32x32; --image-size 63 resizes them"
    assert expected in done.err
    assert not (tmp_path / "out").exists()
