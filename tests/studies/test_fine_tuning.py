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
from ecrnn.core.events import Event, Message, silent
from ecrnn.models.build import make
from ecrnn.models.names import parse
from ecrnn.models.spec import InputSpec
from ecrnn.serving.bundle import read_metrics
from ecrnn.serving.evaluation import choose
from ecrnn.serving.load import load
from ecrnn.studies.fine_tuning import form_of, frozen, read_start, start_from
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
    assert (
        f"starts from {source} (cnn): {len(named) - 2} of {len(named)} tensors taken (cnn), anew are head.w" in texts[0]
    )
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
    rejection = read_metrics(out)["rejection"]
    assert {row["n"] for row in rejection} <= {read_metrics(out)["n_validation"] - overlap}
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


def test_stopped_and_gone_on_with(source: Path, three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy, out = tmp_path / "source", tmp_path / "tuned"
    shutil.copytree(source, copy)
    monkeypatch.chdir(tmp_path)
    settings = train_settings(str(three), start="source")
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
    shutil.copytree(tmp_path / "whole", copy)  # trained anew meanwhile
    with one_line(RunDirectoryError, "another training: start_digest"):
        train_bundle(train_settings(str(three), start=str(tmp_path / "whole")), out, resume=True)
    shutil.copytree(copy, tmp_path / "elsewhere" / "source")
    monkeypatch.chdir(tmp_path / "elsewhere")  # where another bundle is called alike
    with one_line(RunDirectoryError, "another training: start_digest"):
        train_bundle(longer.model_copy(update={"start": "source"}), out, resume=True)
    events: list[Event] = []
    assert train_bundle(longer, out, resume=True, progress=events.append)  # the finished one still keeps its copy
    assert f"{copy} is another bundle by now" in "".join(event.text for event in events if isinstance(event, Message))
    assert read_metrics(out)["start"] == read_metrics(tmp_path / "whole")["start"]


def test_what_is_frozen_has_the_same_bits_at_the_end(source: Path, three: Path, tmp_path: Path) -> None:
    """Adam's weight decay, averages of weights with statistics anew, and validation between epochs change nothing."""
    out, events = tmp_path / "tuned", []
    how = {"optimizer": "adamw", "weight_decay": 0.5, "weight_averaging": 0.6, "lr": 0.01}
    settings = train_settings(str(three), start=str(source), freeze="all", training=how)
    with pytest.raises(Interrupted):
        train_bundle(settings, out, progress=stop_at(3, lambda: signal.raise_signal(signal.SIGTERM)))
    with one_line(RunDirectoryError, "another training: freeze is cnn.0 here and all there"):
        train_bundle(settings.model_copy(update={"freeze": "cnn.0"}), out, resume=True)
    train_bundle(settings, out, resume=True, progress=events.append)
    before, after, fresh = (
        load(source).network.state_dict(),
        load(out).network.state_dict(),
        {"head.weight", "head.bias"},
    )
    assert any(name.endswith("num_batches_tracked") and before[name] > 0 for name in before)
    for name in before.keys() - fresh:
        assert torch.equal(before[name], after[name]), name
    n = len(before) - 2 - sum(name.endswith("num_batches_tracked") for name in before)
    (line,) = [event.text for event in events if isinstance(event, Message) and "starts from" in event.text]
    assert f"{n} of {n + 2} tensors taken (cnn), {n} of these frozen (cnn), anew are head.weight, head.bias" in line
    start = read_metrics(out)["start"]
    assert (start["frozen"], start["frozen_stages"]) == (n, ["cnn"])
    assert f"tensors taken, frozen {n} (cnn), anew head.weight" in (out / "README.md").read_text()


def test_frozen_up_to_a_stage(source: Path) -> None:
    start, model = read_start(str(source)), parse("crnn-gru-2")
    network = make(model, start.processor.sizes, 7)
    taken = start_from(start, network, model, start.processor)
    for stage, line in {
        "rnn": "--freeze rnn would freeze what starts anew: rnn.layers.0.weight_ih_l0",
        "cnn.9": "no such stage; stages are all, cnn.0, cnn.1, cnn.2, cnn.3, cnn, rnn, head",
    }.items():
        with one_line(EcrnnError, line):
            frozen(taken, network, stage)
    found = frozen(taken, network, "cnn.1")
    assert found.frozen_stages == ("cnn.0", "cnn.1")
    network.train()(torch.rand(4, 3, 8, 8)).sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith(("cnn.0.", "cnn.1.")), name
    counts = {name: int(n) for name, n in network.state_dict().items() if name.endswith("num_batches_tracked")}
    assert counts["cnn.1.2.num_batches_tracked"] == start.weights["cnn.1.2.num_batches_tracked"]
    assert counts["cnn.2.2.num_batches_tracked"] == 1  # batch statistics of the new images from the first batch on
    whole = make(parse("cnn"), start.processor.sizes, 7)
    with one_line(EcrnnError, "--freeze all leaves nothing to train"):
        frozen(start_from(start, whole, parse("cnn"), start.processor), whole, "all")
    with one_line(EcrnnError, "freeze: nothing to freeze: it keeps weights of a bundle, which --from names"):
        training_settings({"data": "digits", "model": "cnn", "freeze": "all"}, None, silent)


def test_auto_is_written_down_as_the_number(folder: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    settings = train_settings(str(folder), training={"batch_size": "auto", "epochs": 1})
    train_bundle(settings, tmp_path / "auto", progress=events.append)
    saved = TrainSettings.read(read_yaml(tmp_path / "auto" / "train.yaml", sealed=True))
    assert saved.training.batch_size == 8
    assert "cnn: batch size 8, by auto: 5 steps for 38 images" in next(e.text for e in events if isinstance(e, Message))
    train_bundle(train_settings(str(folder), training={"batch_size": 8, "epochs": 2}), tmp_path / "number")
    longer = train_settings(str(folder), training={"batch_size": "auto", "epochs": 2})
    assert train_bundle(longer, tmp_path / "auto", resume=True)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("auto", "number")]
    assert weights[0] == weights[1]
