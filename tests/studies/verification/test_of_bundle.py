"""A bundle against itself, its data and its training done again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from studies.small import train_settings

from ecrnn.core.config import to_yaml
from ecrnn.core.seals import seal, seal_text
from ecrnn.studies.bundling import bundle_trial
from ecrnn.studies.train import train_bundle
from ecrnn.studies.verification.of_bundle import check_bundle


def found(folder: Path, train: bool = True) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {check.name: (check.status, check.lines) for check in check_bundle(folder, train, None, lambda event: None)}


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "bundle"
    train_bundle(train_settings(str(folder), split="0.8"), out)
    return out


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "bundle")
    return tmp_path / "bundle"


def change_metrics(folder: Path, **changes: object) -> None:
    metrics, description = (json.loads((folder / name).read_text()) for name in ("metrics.json", "bundle.json"))
    for content in (metrics, description):
        del content["digest"]
    description.pop("metrics", None)  # of the figures, which are changed
    (folder / "metrics.json").write_text(json.dumps(seal(metrics | changes)))
    (folder / "bundle.json").write_text(json.dumps(seal(description)))


def test_a_training_holds(trained: Path) -> None:
    checks = found(trained)
    assert list(checks) == ["seals", "plan", "splits", "scores", "training"]
    assert {status for status, _ in checks.values()} == {"holds"}
    assert checks["training"][1] == ("trained again, 2 epochs: the same to the bit",)
    assert list(found(trained, train=False)) == ["seals", "plan"]


@pytest.mark.parametrize("half", [False, True])
def test_a_bundle_of_a_study_holds(left_alone: Path, tmp_path: Path, half: bool) -> None:
    bundle_trial(left_alone, "cnn", tmp_path / "bundle", repeat=1, half=half)
    checks = found(tmp_path / "bundle")
    assert {status for status, _ in checks.values()} == {"holds"}
    assert checks["training"][1] == ("trained again, 2 epochs: the same to the bit",)
    change_metrics(tmp_path / "bundle", accuracy=0.51)  # as where rounding has made another class the first
    assert found(tmp_path / "bundle", train=False)["plan"][0] == ("holds" if half else "fails")


def test_a_card_of_another_training(copy: Path) -> None:
    card = copy / "README.md"
    card.write_text(card.read_text().replace("| Accuracy | **", "| Accuracy | **1"))
    status, (line,) = found(copy, train=False)["seals"]
    assert (status, line.partition(" 1")[0]) == ("fails", "README.md has Accuracy")
    card.unlink()
    assert found(copy, train=False)["seals"][0] == "holds"


def test_a_changed_weight(copy: Path) -> None:
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-2] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    ((name, (status, (line,))),) = found(copy).items()
    assert (name, status) == ("seals", "fails")
    assert line.endswith("model.safetensors is damaged: it is not the file whose digest was noted when it was written")


def test_a_score_forged_and_sealed_again(copy: Path) -> None:
    change_metrics(copy, kept_accuracy=0.99)
    status, (line,) = found(copy)["scores"]
    assert status == "fails"
    assert line.startswith("metrics.json has kept_accuracy 0.99, its weights give ")
    change_metrics(copy, accuracy=0.99)
    status, lines = found(copy, train=False)["plan"]
    assert status == "fails"
    assert lines == ("metrics.json has 0.99, which is not validation_accuracy of its last epoch",)


def test_settings_forged_and_sealed_again(copy: Path, folder: Path) -> None:
    settings = train_settings(str(folder), split="0.8", seed=1)
    (copy / "train.yaml").write_text(seal_text(to_yaml(settings)))
    checks = found(copy)
    assert checks["plan"][0] == "fails"
    assert "metrics.json has seed 0, the settings 1" in checks["plan"][1]
    assert checks["splits"][1][0] == "examples.bin holds other train examples than split 0.8, repeat 0 draws"
    status, (line,) = checks["training"]
    assert status == "open"
    assert line.startswith("trained again it differs, first in metrics.jsonl, epoch 1: train_loss ")
    assert line.endswith("on which machine and by which versions it was trained a bundle does not say")


def test_a_bundle_that_does_not_say_how_it_was_trained(copy: Path) -> None:
    (copy / "train.yaml").unlink()
    checks = found(copy)
    assert checks["seals"][0] == "holds"
    line = "it keeps no train.yaml and no config.yaml, so how it was trained is not known"
    assert checks["training"] == ("open", (line,))


def test_without_the_data(copy: Path, folder: Path) -> None:
    settings = train_settings(str(folder), split="0.8").model_copy(update={"data": str(copy / "gone")})
    metrics = json.loads((copy / "metrics.json").read_text())
    settings = settings.model_copy(update={"fingerprint": metrics["fingerprint"]})
    (copy / "train.yaml").write_text(seal_text(to_yaml(settings)))
    status, (line,) = found(copy)["training"]
    assert status == "open"
    assert line.startswith("the data is not at hand, so nothing was trained again: ")
