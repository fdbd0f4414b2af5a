"""The bundles that come with ecrnn: found by name, and what the one shipped must keep."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ecrnn
from ecrnn.core.errors import BundleError
from ecrnn.serving import pretrained
from ecrnn.tasks.image_classification import images as image_data


@pytest.fixture(scope="module")
def shipped() -> Path:
    """The folder of the bundle shipped."""
    assert pretrained.DEFAULT in pretrained.names()
    return pretrained.default()


@pytest.fixture
def one(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with one pretrained bundle, `mine`, an unfinished one and a file; somewhere else to work."""
    folder = tmp_path / "pretrained"
    shutil.copytree(bundle, folder / "mine")
    (folder / "unfinished").mkdir()
    (folder / "file").write_text("")
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder / "mine"


def test_found_by_name(one: Path) -> None:
    assert pretrained.names() == ["mine"]
    assert pretrained.find("mine") == pretrained.find(Path("mine")) == one
    assert ecrnn.load("mine").classes == ("ant", "bee", "cat")


def test_a_folder_of_that_name_comes_first(one: Path) -> None:
    Path("mine").mkdir()
    assert pretrained.find("mine") == Path("mine")
    with pytest.raises(BundleError, match=r"^mine is not a bundle: bundle\.json is missing$"):
        ecrnn.load("mine")


@pytest.mark.parametrize("name", ["unfinished", "file", "my", "../pretrained/mine", "", "mine/bundle.json"])
def test_no_other_name(one: Path, name: str) -> None:
    assert pretrained.find(name) == Path(name)


def test_the_default(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError, match="no pretrained model is installed with ecrnn; name a bundle"):
        pretrained.default()
    monkeypatch.setattr(pretrained, "DEFAULT", "mine")
    assert pretrained.default() == one


def test_nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "none")
    assert pretrained.names() == []


def test_what_lies_there_is_packed() -> None:
    """Wheel and sdist leave out what git ignores."""
    weights = pretrained.FOLDER / pretrained.DEFAULT / "model.safetensors"
    done = subprocess.run(
        ["git", "check-ignore", "-v", weights], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    if done.returncode == 128:
        pytest.skip("no git here")
    assert done.stdout == ""


def test_the_one_shipped(shipped: Path) -> None:
    classifier = ecrnn.load("cifar10", "cpu")
    assert classifier.description.model == "ecrnn-bilstm-16"
    assert " ".join(classifier.classes) == "airplane automobile bird cat deer dog frog horse ship truck"
    assert classifier.metrics["test"]["n"] == 10_000
    assert sum(path.stat().st_size for path in shipped.iterdir()) < 8_000_000
    card = (shipped / "README.md").read_text()
    figure = f"{100 * classifier.metrics['test']['accuracy']:.2f} %"
    assert f"**{figure}** on 10,000 test images" in card
    for page in ("README.md", "README.ko.md", "CHANGELOG.md"):
        assert figure in (Path(__file__).parents[2] / page).read_text()
    assert "data_dir: null" in (shipped / "config.yaml").read_text()  # no path of the machine it was made on


def test_the_one_shipped_keeps_its_word(shipped: Path, real_data: Path) -> None:
    """On the first 1,000 of the official test images."""
    classifier = ecrnn.load("cifar10", "cpu")
    cifar = image_data.load("cifar10", data_dir=real_data)
    assert cifar.fingerprint == classifier.metrics["fingerprint"]
    index = np.arange(50_000, 51_000)
    right = (classifier.logits_at(cifar.images, index).argmax(axis=1) == cifar.labels[index]).mean()
    assert abs(right - classifier.metrics["test"]["accuracy"]) < 0.03


SHAPES = {"tiny": (1, 1, 3), "strip": (3, 200, 3), "grey": (50, 40), "rgba": (50, 40, 4), "photograph": (3000, 4000, 3)}


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_one_shipped_takes_images_of_any_size(shipped: Path, tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = np.resize(np.random.default_rng(0).integers(0, 256, 30_000, dtype=np.uint8), shape)
    Image.fromarray(pixels).save(tmp_path / "image.png", compress_level=1)
    probabilities = ecrnn.load("cifar10", "cpu").predict_proba([tmp_path / "image.png"])
    assert probabilities.shape == (1, 10)
    assert probabilities.sum() == pytest.approx(1)
