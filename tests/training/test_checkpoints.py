"""Checkpoints: whole or passed over, never of another training, never with a value that is not finite."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from core.lines import one_line
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from training.trainings import STEPS, Stop, left_on_disk, make_settings, same, stop_at, train

from ecrnn.core.errors import RunDirectoryError, TrainingError
from ecrnn.models.build import build
from ecrnn.training import checkpoints
from ecrnn.training.checkpoints import Position
from ecrnn.training.optimizers import make_optimizer

IDENTITY = {"model": "cnn", "seed": 3}


@pytest.fixture
def small():
    """A layer and its optimizer after one step, and where they stand."""
    torch.nn.init.ones_((layer := torch.nn.Linear(3, 2)).weight)
    optimizer = torch.optim.Adam(layer.parameters(), fused=True)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return layer, optimizer, Position(epoch=2, step=3, loss_sum=0.1 + 0.2, history=[{"epoch": 1}], best=(1, 0.5))


@pytest.fixture(autouse=True)
def _generator():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def between(tmp_path: Path) -> Path:
    """A training that died in its second epoch, with both checkpoints."""
    with pytest.raises(Stop):
        train(tmp_path / "run", progress=stop_at(STEPS + 4), checkpoint_seconds=1e-9)
    assert {p.name for p in (tmp_path / "run" / "checkpoint").iterdir()} == set(checkpoints.NAMES)
    return tmp_path / "run"


def test_round_trip(tmp_path: Path, small) -> None:
    layer, optimizer, position = small
    given = checkpoints.capture(layer, optimizer, position)
    checkpoints.write(given, tmp_path / "a.safetensors", IDENTITY)
    found = checkpoints.read(tmp_path / "a.safetensors", IDENTITY)
    assert found is not None
    same(given.tensors, found.tensors)
    other = torch.nn.Linear(3, 2)
    other_optimizer = torch.optim.Adam(other.parameters(), fused=True)
    torch.rand(5)
    assert checkpoints.restore(found, other, other_optimizer) == position
    same(given.tensors, checkpoints.capture(other, other_optimizer, position).tensors)


def test_a_capture_is_a_copy(small) -> None:
    layer, optimizer, position = small
    captured = checkpoints.capture(layer, optimizer, position)
    before = {name: tensor.clone() for name, tensor in captured.tensors.items()}
    optimizer.step()
    position.history.append({})
    checkpoints.restore(captured, layer, optimizer)
    optimizer.step()
    same(before, captured.tensors)
    assert captured.position.history == [{"epoch": 1}]


@pytest.mark.parametrize("what", ["one key of a state", "a weight", "the generator"])
def test_what_lacks_a_tensor_does_not_fit(small, what: str) -> None:
    layer, optimizer, position = small
    whole = checkpoints.capture(layer, optimizer, position)
    assert checkpoints.fits(whole, layer, optimizer)
    lost = {"one key of a state": "optimizer.1.exp_avg", "a weight": "model.bias", "the generator": "generator.cpu"}
    del whole.tensors[lost[what]]
    assert not checkpoints.fits(whole, layer, optimizer)


@pytest.mark.parametrize("change", [{"step": -1}, {"epoch": 2.0}, {"best": (2, 0.5)}, {"loss_sum": "0"}])
def test_a_position_that_cannot_be_is_none(tmp_path: Path, small, change: dict[str, object]) -> None:
    layer, optimizer, position = small
    checkpoints.write(checkpoints.capture(layer, optimizer, position), tmp_path / "a", IDENTITY)
    assert checkpoints.read(tmp_path / "a", IDENTITY) is not None
    vars(position).update(change)
    checkpoints.write(checkpoints.capture(layer, optimizer, position), tmp_path / "a", IDENTITY)
    assert checkpoints.read(tmp_path / "a", IDENTITY) is None


def test_restored_state_lies_as_the_weights_do() -> None:
    """3x3 convolutions in channels-last memory; with the state in another order a fused step goes wrong."""
    settings = make_settings()
    results = []
    for again in (False, True):
        model = build("cnn", (3, 8, 8), 4, 0).to(memory_format=torch.channels_last)
        optimizer = make_optimizer(model, settings)
        for number in range(3):
            if again and number == 2:
                checkpoints.restore(checkpoints.capture(model, optimizer, Position()), model, optimizer)
            x = torch.linspace(-1, 1, 8 * 192).sin().reshape(8, 3, 8, 8)
            model(x).square().sum().backward()
            optimizer.step()
        results.append(checkpoints.capture(model, optimizer, Position()).tensors)
    same(*results)


def test_nothing_that_is_not_finite_is_written(tmp_path: Path, small) -> None:
    layer, optimizer, position = small
    with torch.no_grad():
        layer.bias[0] = torch.nan
    with one_line(TrainingError, "no longer finite", "bias"):
        checkpoints.write(checkpoints.capture(layer, optimizer, position), tmp_path / "a.safetensors", IDENTITY)
    assert not list(tmp_path.iterdir())


def test_absent_or_of_another_training(tmp_path: Path, small) -> None:
    assert checkpoints.read(tmp_path / "a.safetensors", IDENTITY) is None
    assert checkpoints.read_latest(tmp_path, IDENTITY) is None
    checkpoints.write(checkpoints.capture(*small), tmp_path / "epoch.safetensors", IDENTITY)
    with one_line(RunDirectoryError, tmp_path, "another seed;"):
        checkpoints.read_latest(tmp_path, IDENTITY | {"seed": 4})
    with one_line(RunDirectoryError, tmp_path, "another lr;"):
        checkpoints.read_latest(tmp_path, IDENTITY | {"lr": 4})
    now = IDENTITY | {"examples": "ab", "processor": "cd", "source": "01"}
    assert checkpoints.read_latest(tmp_path, now) is not None, "older ones do not name them"
    checkpoints.write(checkpoints.capture(*small), tmp_path / "epoch.safetensors", now)
    with one_line(RunDirectoryError, tmp_path, "another examples;"):  # as of two seeds a split, on the same data
        checkpoints.read_latest(tmp_path, now | {"examples": "ef"})
    with one_line(RunDirectoryError, tmp_path, "another source;"):  # of an own model, before its code was changed
        checkpoints.read_latest(tmp_path, now | {"source": "02"})
    with one_line(RunDirectoryError, tmp_path, "another seed;"):
        checkpoints.read_latest(tmp_path, now | {"examples": "ef", "seed": 4})


@pytest.mark.parametrize(
    ("step", "epoch", "expected"), [((1, 3), (1, 0), (1, 3)), ((0, 5), (1, 0), (1, 0)), (None, (1, 0), (1, 0))]
)
def test_the_furthest_is_taken(tmp_path: Path, small, step, epoch, expected) -> None:
    layer, optimizer, position = small
    for name, place in (("step", step), ("epoch", epoch)):
        if place:
            position.epoch, position.step = place
            path = tmp_path / f"{name}.safetensors"
            checkpoints.write(checkpoints.capture(layer, optimizer, position), path, IDENTITY)
    found = checkpoints.read_latest(tmp_path, IDENTITY)
    assert found is not None
    assert (found.position.epoch, found.position.step) == expected


def test_every_changed_bit_is_seen(tmp_path: Path, small) -> None:
    """Of a small file: each bit of header and metadata, and each of the tensors."""
    path = tmp_path / "a.safetensors"
    checkpoints.write(checkpoints.capture(*small), path, IDENTITY)
    good = path.read_bytes()
    unseen = []
    header = 8 + int.from_bytes(good[:8], "little")
    rng = random.Random(0)
    places = [*range(header), *rng.sample(range(header, len(good)), 200)]
    for at in places:
        path.write_bytes(good[:at] + bytes([good[at] ^ (1 << rng.randrange(8))]) + good[at + 1 :])
        found = checkpoints.read(path, IDENTITY)
        if found is not None:
            unseen.append(at)
    assert not unseen, [good[at - 20 : at + 5] for at in unseen[:5]]


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100, b"hello"])
def test_foreign_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    assert checkpoints.read(tmp_path / "a.safetensors", IDENTITY) is None


@pytest.mark.parametrize("metadata", [None, {}, {"training": "[]"}, {"training": "3", "digest": "x"}])
def test_safetensors_of_others(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "a.safetensors", metadata)
    assert checkpoints.read(tmp_path / "a.safetensors", IDENTITY) is None


@pytest.mark.sampled(most=3)
@pytest.mark.parametrize("name", checkpoints.NAMES)
@pytest.mark.parametrize("how", ["deleted", "empty", "truncated", "bit in the header", "bit in the weights"])
def test_a_damaged_one_is_passed_over(between: Path, left_alone, name: str, how: str) -> None:
    path = between / "checkpoint" / name
    data = bytearray(path.read_bytes())
    match how:
        case "deleted":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(data[:-1000])
        case _:
            at = data.index(b"position") + 30 if "header" in how else len(data) // 2
            data[at] ^= 2
            path.write_bytes(data)
    train(between)
    same(left_on_disk(left_alone()), left_on_disk(between))


def test_both_damaged_begins_again(between: Path, left_alone) -> None:
    for name in checkpoints.NAMES:
        (between / "checkpoint" / name).write_bytes(b"\0" * 50)
    train(between)
    same(left_on_disk(left_alone()), left_on_disk(between))


def test_what_a_finished_training_leaves(tmp_path: Path, left_alone) -> None:
    shutil.copytree(left_alone(), tmp_path / "run")
    path = tmp_path / "run" / "checkpoint" / "epoch.safetensors"
    assert [p.name for p in path.parent.iterdir()] == ["epoch.safetensors"]
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["training"])
    assert (about["position"]["epoch"], about["position"]["step"]) == (2, 0)
    assert about["identity"]["lr"] == 0.001
    assert all(t.isfinite().all() for t in load_file(path).values() if t.is_floating_point())


def test_remove(tmp_path: Path) -> None:
    (tmp_path / "step.safetensors").write_bytes(b"")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    checkpoints.remove(tmp_path, *checkpoints.NAMES)
    checkpoints.remove(tmp_path, *checkpoints.NAMES)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.safetensors"]
