"""Bundles to a fake hub and back: what goes, what comes, and what is refused."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from core.lines import one_line
from serving.conftest import MODEL
from serving.fake_hub import FakeHub, serving
from torch import nn

import ecrnn
from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.core.seals import seal
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.serving import hub as module
from ecrnn.serving.bundle import read_bundle, write_bundle
from ecrnn.serving.hub import Repository, pull, push
from ecrnn.serving.trained_on import FILE, TrainedOn

pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving(FakeHub()) as found:
        yield found


@pytest.fixture
def pushed(hub: FakeHub, bundle: Path) -> FakeHub:
    keys = np.arange(3, dtype=np.uint64)
    (bundle / FILE).write_bytes(TrainedOn(keys, keys[:1]).to_bytes())
    (bundle / "notes.txt").write_text("mine alone")
    address = push(bundle, "ada/flowers", endpoint=hub.endpoint)
    assert address == f"{hub.endpoint}/ada/flowers/commit/{hub.sha('ada/flowers', 0)}"
    return hub


def test_what_goes_is_the_bundle_with_a_card_for_the_hub(pushed: FakeHub, bundle: Path) -> None:
    (files,) = pushed.commits["ada/flowers"]
    assert set(files) == {"README.md", "bundle.json", "examples.bin", "metrics.json", "model.safetensors"}
    for name in set(files) - {"README.md"}:
        assert files[name] == (bundle / name).read_bytes()
    _, front, card = files["README.md"].decode().split("---\n")
    assert card == "\n# card\n"
    assert yaml.safe_load(front) == {
        "library_name": "ecrnn",
        "pipeline_tag": "image-classification",
        "tags": ["ecrnn", "ecrnn-bilstm-3@rows"],
    }
    assert pushed.tokens == {"Bearer hf_secret"}
    push(bundle, "hf://ada/private", private=True, examples=False, endpoint=pushed.endpoint)
    assert (pushed.private["ada/private"], pushed.private["ada/flowers"]) == (True, False)
    assert FILE not in pushed.commits["ada/private"][0]
    count = len(pushed.commits["ada/flowers"])
    with one_line(EcrnnError, "ada/flowers is on the hub already and everybody can read it; make it private there"):
        push(bundle, "ada/flowers", private=True, endpoint=pushed.endpoint)
    assert len(pushed.commits["ada/flowers"]) == count, "nothing was uploaded"
    push(bundle, "ada/private", private=True, endpoint=pushed.endpoint)


def test_the_card_has_the_figure(hub: FakeHub, bundle: Path) -> None:
    metrics = {"data": "pets: & 'cats'\n---\n", "accuracy": 0.5, "test": {"accuracy": 0.75}}
    (bundle / "metrics.json").write_text(json.dumps(seal(metrics)))
    description = json.loads((bundle / "bundle.json").read_text())
    of_earlier_versions = {key: value for key, value in description.items() if key not in ("digest", "metrics")}
    (bundle / "bundle.json").write_text(json.dumps(seal(of_earlier_versions)))
    (bundle / "README.md").write_text("---\nlicense: mine\n---\n\n# card\n")
    push(bundle, "ada/pets", endpoint=hub.endpoint)
    card = hub.commits["ada/pets"][0]["README.md"].decode()
    front = yaml.safe_load(card.removeprefix("---\n").rpartition("\n---\n")[0])
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["split"] == "test"
    assert result["metrics"] == [{"type": "accuracy", "name": "accuracy", "value": 0.75}]
    assert "license" not in card


def test_what_comes_back_answers_the_same(pushed: FakeHub, bundle: Path, tmp_path: Path, images: np.ndarray) -> None:
    out = pull("ada/flowers", tmp_path / "new" / "back", endpoint=pushed.endpoint)
    model = ecrnn.load(out)
    np.testing.assert_array_equal(model.logits(images), ecrnn.load(bundle).logits(images))
    assert model.trained_on is not None
    assert json.loads((out / "hub.json").read_text())["commit"] == pushed.sha("ada/flowers", 0)
    assert sorted(path.name for path in out.parent.iterdir()) == ["back"]
    pushed.commits["ada/flowers"].append({"README.md": b"gone"})
    first = f"ada/flowers@{pushed.sha('ada/flowers', 0)}"
    assert pull(first, tmp_path / "first", endpoint=pushed.endpoint).is_dir()
    with one_line(BundleError, "ada/flowers holds no bundle of ecrnn: bundle.json is missing"):
        pull("ada/flowers", tmp_path / "none", endpoint=pushed.endpoint)


def test_what_is_left_out_stays_out(hub: FakeHub, network: nn.Module, processor: Processor, tmp_path: Path) -> None:
    keys, known = np.arange(3, dtype=np.uint64), tmp_path / "known"
    write_bundle(known, network, parse(MODEL), processor, {}, "# card\n", TrainedOn(keys, keys[:1]))
    push(known, "ada/flowers", endpoint=hub.endpoint)
    hub.commits["ada/flowers"][0] |= {"code.py": b"of a model before", "LICENSE": b"mine"}
    assert ecrnn.load(pull("ada/flowers", tmp_path / "all", endpoint=hub.endpoint)).trained_on is not None
    push(known, "ada/flowers", examples=False, endpoint=hub.endpoint)
    assert {"examples.bin", "code.py"}.isdisjoint(hub.commits["ada/flowers"][1])
    assert "LICENSE" in hub.commits["ada/flowers"][1]
    assert ecrnn.load(pull("ada/flowers", tmp_path / "some", endpoint=hub.endpoint)).trained_on is None


@pytest.mark.parametrize("name", ["examples.bin", "code.py"])
def test_a_link_out_of_the_bundle_is_not_followed(
    hub: FakeHub, bundle: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("mine alone")
    (bundle / name).symlink_to(tmp_path / "secret")
    if name == "code.py":  # only of a model of somebody's own code it is a file of the bundle
        monkeypatch.setattr(module, "read_bundle", with_source)
    with one_line(BundleError, "points out of"):
        push(bundle, "ada/flowers", endpoint=hub.endpoint)
    assert not hub.commits


def with_source(folder: Path) -> Any:
    """A bundle as of a model of somebody's own code."""
    description, *others = read_bundle(folder)
    return description.model_copy(update={"source": "0" * 64}), *others


def test_the_card_of_another_bundle_does_not_go(hub: FakeHub, bundle: Path) -> None:
    (bundle / "README.md").write_text("| Model | `cnn`, 3 parameters |\n")
    with one_line(
        BundleError, f"{bundle}: README.md has Model cnn, where the bundle has {MODEL}; put back its own card"
    ):
        push(bundle, "ada/flowers", endpoint=hub.endpoint)
    assert hub.commits == {}
    (bundle / "README.md").unlink()
    push(bundle, "ada/flowers", endpoint=hub.endpoint)


def test_code_of_another_bundle_does_not_go(hub: FakeHub, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bundle / "code.py").write_text("mine alone")
    push(bundle, "ada/flowers", endpoint=hub.endpoint)
    assert "code.py" not in hub.commits["ada/flowers"][0]  # the model is ecrnn's own
    monkeypatch.setattr(module, "read_bundle", with_source)
    with one_line(BundleError, f"{bundle / 'code.py'} is not the file that bundle.json names"):
        push(bundle, "ada/flowers", endpoint=hub.endpoint)


def spoil_weights(files: dict[str, bytes]) -> None:
    files["model.safetensors"] = files["model.safetensors"][:-1] + b"\x01"


def spoil_description(files: dict[str, bytes]) -> None:
    files["bundle.json"] = files["bundle.json"].replace(b'"ant"', b'"axe"')


def foreign_file(files: dict[str, bytes]) -> None:
    content = {name: value for name, value in json.loads(files["bundle.json"]).items() if name != "digest"}
    content["files"]["../../x"] = "0" * 64
    files["bundle.json"] = json.dumps(seal(content)).encode()


SPOILT = [
    (spoil_weights, "model.safetensors is not the file that bundle.json names"),
    (spoil_description, "what ada/flowers holds cannot be used"),
    (foreign_file, "bundle.json names '../../x', which no bundle has"),
    (lambda files: files.pop("model.safetensors"), "holds no bundle of ecrnn: model.safetensors is missing"),
]


@pytest.mark.parametrize(("spoil", "line"), SPOILT, ids=[line[:20] for _, line in SPOILT])
def test_what_is_not_as_it_was_pushed_does_not_come(pushed: FakeHub, spoil: Any, line: str, tmp_path: Path) -> None:
    spoil(pushed.commits["ada/flowers"][0])
    before = sorted(tmp_path.iterdir())
    with one_line(BundleError, line):
        pull("ada/flowers", tmp_path / "back", endpoint=pushed.endpoint)
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_killed_pull_left_is_deleted_by_the_next(pushed: FakeHub, tmp_path: Path) -> None:
    """But not what a process that runs has, that of another folder, or what is only called so."""
    place = tmp_path / "new"
    left, held, other, file = (
        place / f".{name}.pull" for name in ("back.0000aaaa", "back.1111bbbb", "b.2c2c2c2c", "x")
    )
    for folder in (left, held, other):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"half")
    file.write_text("")
    handle = os.open(held, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    pull("ada/flowers", place / "back", endpoint=pushed.endpoint)
    os.close(handle)
    assert sorted(place.iterdir()) == sorted([held, other, file, place / "back"])


def test_only_files_of_a_bundle_are_asked_for(pushed: FakeHub, tmp_path: Path) -> None:
    pushed.commits["ada/flowers"][0] |= {"evil.py": b"import os", "pytorch_model.bin": b"\x80", "../up": b"x"}
    pushed.asked.clear()
    out = pull("ada/flowers", tmp_path / "back", endpoint=pushed.endpoint)
    names = {path.name for path in out.iterdir()}
    assert names == {"README.md", "bundle.json", "examples.bin", "metrics.json", "model.safetensors", "hub.json"}
    assert len(pushed.asked) == 6


def test_sizes_are_bounded_before_and_while_they_come(
    pushed: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed.sizes["README.md"] = 2**40
    with one_line(BundleError, "README.md of ada/flowers has 1,099,511,627,776 bytes, more than 1,048,576"):
        pull("ada/flowers", tmp_path / "back", endpoint=pushed.endpoint)
    pushed.sizes, pushed.endless = {"README.md": 7}, {"README.md"}
    with one_line(BundleError, "README.md of ada/flowers is larger than 1,048,576 bytes"):
        pull("ada/flowers", tmp_path / "back", endpoint=pushed.endpoint)
    assert not (tmp_path / "back").exists()
    assert pushed.sent < 2**26


def test_a_hub_that_says_nonsense_or_falls_silent(
    pushed: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in ([], {"id": "ada/flowers", "sha": "0" * 40, "siblings": ["x"]}):
        pushed.says = answer
        with one_line(BundleError, "what the hub says of ada/flowers describes no repository"):
            pull("ada/flowers", tmp_path / "back", endpoint=pushed.endpoint)
    pushed.says = None
    monkeypatch.setattr(module, "_SILENCE", 0.2)
    for silent in ("model.safetensors", ""):
        pushed.silent = {silent}
        with one_line(EcrnnError, "the hub does not give or take ada/flowers", "timed out"):
            pull("ada/flowers", tmp_path / "back", endpoint=pushed.endpoint)
    assert not (tmp_path / "back").exists()


def test_what_the_hub_refuses_is_one_line(hub: FakeHub, bundle: Path, tmp_path: Path) -> None:
    with one_line(EcrnnError, "there is no repository ada/none on the hub, or it is not open to you"):
        pull("ada/none", tmp_path / "back", endpoint=hub.endpoint)
    hub.commits["ada/flowers"] = [{}]
    with one_line(EcrnnError, "ada/flowers has no such revision"):
        pull("ada/flowers@v2", tmp_path / "back", endpoint=hub.endpoint)
    hub.refuses = 403
    with one_line(EcrnnError, "the hub does not give or take ada/flowers: it answers 403"):
        push(bundle, "ada/flowers", endpoint=hub.endpoint)
    with one_line(EcrnnError, "the hub does not give or take ada/flowers: "):
        pull("ada/flowers", tmp_path / "back", endpoint="http://127.0.0.1:9")
    (tmp_path / "full").mkdir()
    shutil.copy(bundle / "README.md", tmp_path / "full")
    with one_line(EcrnnError, "is there already; choose another folder"):
        pull("ada/flowers", tmp_path / "full", endpoint=hub.endpoint)
    monkey = bundle / "model.safetensors"
    monkey.write_bytes(monkey.read_bytes()[:-8])
    with pytest.raises(BundleError):
        push(bundle, "ada/flowers", endpoint=hub.endpoint)


@pytest.mark.parametrize("text", ["flowers", "a/b/c", "../b", "a/..", "https://hf.co/a/b", "a/b@", "a/b@../x", "a b/c"])
def test_names_of_repositories(text: str) -> None:
    with one_line(EcrnnError, "a repository is OWNER/NAME"):
        Repository.parse(text)
    assert Repository.parse("hf://ada/flowers.v2@refs/pr/1") == Repository("ada/flowers.v2", "refs/pr/1")


def test_without_the_package_it_says_what_to_install(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with one_line(EcrnnError, "pip install 'ecrnn[hub]'"):
        module.push(bundle, "ada/flowers")


@pytest.mark.parametrize("address", ["http://[::1", "huggingface.co", "http://a:99999", "http://", "ftp://a", ""])
def test_an_address_that_is_none(bundle: Path, tmp_path: Path, address: str) -> None:
    with one_line(EcrnnError, "the address of the hub is as in https://huggingface.co, not"):
        pull("ada/flowers", tmp_path / "new", endpoint=address)
    with one_line(EcrnnError, "the address of the hub"):
        push(bundle, "ada/flowers", endpoint=address)
