"""Fine-tuning: what is taken from a bundle and what is anew, and that its examples stay known."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from core.lines import one_line
from studies.small import train_settings
from training.trainings import stop_at

from ecrnn.core.config import TrainSettings, read_yaml
from ecrnn.core.errors import BundleError, EcrnnError, RunDirectoryError
from ecrnn.core.events import Message, silent
from ecrnn.models.build import make
from ecrnn.models.names import parse
from ecrnn.models.spec import InputSpec
from ecrnn.serving.bundle import read_metrics
from ecrnn.serving.evaluation import choose
from ecrnn.serving.load import load
from ecrnn.studies.fine_tuning import form_of, read_start, start_from
from ecrnn.studies.tasks import load_examples
from ecrnn.studies.train import train_bundle
from ecrnn.studies.tuned_recipes import training_settings
from ecrnn.studies.verification.of_bundle import check_bundle
from ecrnn.training.interruption import Interrupted


@pytest.fixture(scope="module")
def source(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with four classes. Not to be written to."""
    out = tmp_path_factory.mktemp("source") / "mine"
    train_bundle(train_settings(str(folder), training={"epochs": 1}), out)
    return out


@pytest.fixture(scope="module")
def three(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three of its classes, whose images it knows."""
    place = tmp_path_factory.mktemp("three") / "images"
    shutil.copytree(folder, place)
    shutil.rmtree(place / "d")
    return place


def test_all_that_fits_is_taken(source: Path, folder: Path, three: Path, tmp_path: Path) -> None:
    out, events = tmp_path / "tuned", []
    settings = train_settings(str(three), start=str(source))
    train_bundle(settings, out, progress=events.append)
    before, after = load(source), load(out)
    weights = before.network.state_dict()
    texts = [event.text for event in events if isinstance(event, Message)]
    named = [name for name in weights if not name.endswith("num_batches_tracked")]
    assert f"starts from {source} (cnn): {len(named) - 2} of {len(named)} tensors taken, anew are head.w" in texts[0]
    saved = TrainSettings.read(read_yaml(out / "train.yaml", sealed=True))
    start = read_metrics(out)["start"]
    assert start == {
        "model": "cnn", "sha256": saved.start_digest, "taken": len(named) - 2, "anew": ["head.weight", "head.bias"]
    }  # fmt: skip
    line = f"| Started from | `cnn`, weights with SHA-256 `{saved.start_digest}`: {len(named) - 2} tensors taken, anew"
    assert f"{line} head.weight, head.bias |" in (out / "README.md").read_text()
    known = np.isin(before.trained_on.train, after.trained_on.train)
    assert known.all()
    overlap = read_metrics(out)["validation_trained_on"]  # images that the source was trained on
    assert overlap > 0
    assert any("validat" in text and str(overlap) in text for text in texts)
    data = load_examples(parse("cnn").task, train_settings(str(folder)))
    choice = choose(after, data, "new")
    assert not np.isin(data.keys().of(choice.index), after.trained_on.train).any()
    assert choice.left_out >= len(before.trained_on.train)
    status = {check.name: check.status for check in check_bundle(out, True, None, silent)}
    assert status == dict.fromkeys(("seals", "plan", "splits", "scores", "training"), "holds")


def test_what_is_taken_and_what_is_anew(source: Path, tmp_path: Path) -> None:
    start = read_start(str(source))
    model, processor = parse("cnn"), start.processor
    fresh, network = (make(model, processor.sizes, 7) for _ in range(2))
    taken = start_from(start, network, model, processor)
    assert taken.anew == ()
    for name, tensor in network.state_dict().items():
        expected = fresh.state_dict()[name] if name.endswith("num_batches_tracked") else start.weights[name]
        assert torch.equal(tensor, expected), name
    others = type(processor)(processor.task, ("e", "f", "g", "h"), processor.preprocessing)  # as many, of other names
    network = make(model, others.sizes, 7)
    assert start_from(start, network, model, others).anew == ("head.weight", "head.bias")
    assert torch.equal(network.head.weight, fresh.head.weight)
    larger = make(parse("crnn-gru-2"), processor.sizes, 7)  # another network with the same convolutions
    of_larger = start_from(start, larger, parse("crnn-gru-2"), processor)
    assert "cnn.0.0.weight" in of_larger.taken or any("cnn" in name for name in of_larger.taken)
    assert any("rnn" in name or "scan" in name for name in of_larger.anew)
    assert form_of(str(source)) == {"model": "cnn", "channels": 3, "image_size": 8}
    asked = {"data": "few", "model": "cnn", "start": str(source), "image_size": None}
    assert training_settings(asked, None, silent).image_size == 8
    assert training_settings({**asked, "image_size": 9}, None, silent).image_size == 9
    charlm = parse("charlm-gru-8")
    with one_line(EcrnnError, f"{source} is for image-classification, and charlm-gru-8 is for next-token"):
        start_from(start, make(charlm, InputSpec(tokens=9)), charlm, processor)
    with one_line(EcrnnError, "nothing of", "fits mlp-6"):
        start_from(start, make(parse("mlp-6"), processor.sizes), parse("mlp-6"), processor)


def test_stopped_and_gone_on_with(source: Path, three: Path, tmp_path: Path) -> None:
    copy, out = tmp_path / "source", tmp_path / "tuned"
    shutil.copytree(source, copy)
    settings = train_settings(str(three), start=str(copy))
    train_bundle(settings, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_bundle(settings, out, progress=stop_at(3, lambda: signal.raise_signal(signal.SIGTERM)))
    with one_line(RunDirectoryError, "another training: start_digest is None here"):
        train_bundle(train_settings(str(three)), out, resume=True)
    with one_line(RunDirectoryError, "another training: start_digest"):
        train_bundle(train_settings(str(three), start=str(tmp_path / "whole")), out, resume=True)
    moved = copy.rename(tmp_path / "moved")
    with one_line(BundleError, "there is no folder"):
        train_bundle(settings, tmp_path / "new", resume=True)
    assert form_of(str(copy), out) == form_of(str(moved))
    train_bundle(settings, out, resume=True)  # which keeps a copy of the bundle
    assert read_metrics(out)["start"] == read_metrics(tmp_path / "whole")["start"]
    assert (out / "examples.bin").read_bytes() == (tmp_path / "whole" / "examples.bin").read_bytes()
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    longer = train_settings(str(three), start=str(copy), training={"epochs": settings.training.epochs + 1})
    assert train_bundle(longer, out, resume=True)  # the finished one still keeps it
    assert read_metrics(out)["start"] == read_metrics(tmp_path / "whole")["start"]
