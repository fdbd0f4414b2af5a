"""What a bundle keeps of the examples it was trained on, and what evaluation makes of it."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import BundleError, DataError
from ecrnn.data.image_set import from_arrays, make_image_set
from ecrnn.data.keys import of_images, of_texts
from ecrnn.data.splits import parse_split
from ecrnn.models.names import parse
from ecrnn.serving.bundle import read_trained_on, write_bundle
from ecrnn.serving.evaluation import judge
from ecrnn.serving.load import load
from ecrnn.serving.trained_on import FILE, TrainedOn, read, read_study, study_bytes
from ecrnn.tasks.image_classification import images as image_data
from ecrnn.tasks.image_classification.predictor import ImagePredictor

from .conftest import CLASSES, MODEL


def some(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint64)


SMALL = TrainedOn(some(3, 7, 2**64 - 1), some(5), some(1, 2))


def test_round_trip(tmp_path):
    (tmp_path / FILE).write_bytes(SMALL.to_bytes())
    found = read(tmp_path / FILE)
    assert found is not None
    assert found.train.tolist() == SMALL.train.tolist()
    assert (found.validation.tolist(), found.looks.tolist()) == ([5], [1, 2])
    assert len(SMALL.to_bytes()) == 16 + 24 + 8 * 6 + 32
    assert read(tmp_path / "none") is None
    keys = of_texts(["a", "b", "c"])
    (tmp_path / "study").write_bytes(study_bytes(keys, "ab" * 32))
    again = read_study(tmp_path / "study", "ab" * 32)
    with pytest.raises(BundleError, match="study is of other examples than this study's"):
        read_study(tmp_path / "study", "ab" * 31 + "cd")
    assert again is not None
    assert (again.keys == keys.keys).all()
    assert (again.owners.tolist(), again.total, len(again.looks)) == ([0, 1, 2], 3, 0)
    images = of_images(np.random.default_rng(0).integers(0, 256, (3, 9, 9, 1), dtype=np.uint8))
    content = study_bytes(images, "ab" * 32)
    (tmp_path / "study").write_bytes(content)
    assert (read_study(tmp_path / "study", None).looks == images.looks).all()
    before = b"ecrnn-keys-00001" + content[16:40] + content[72:-32]  # of a version without the fingerprint
    (tmp_path / "study").write_bytes(before + hashlib.sha256(before).digest())
    assert (read_study(tmp_path / "study", "cd" * 32).looks == images.looks).all()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "not of a format"),
        (b"ecrnn-examples-2" + bytes(16), "not of a format"),
        (SMALL.to_bytes()[:-8], "is damaged"),
        (SMALL.to_bytes()[:-1], "is damaged"),
        (SMALL.to_bytes()[:24], "is damaged"),
        (SMALL.to_bytes() + bytes(8), "is damaged"),
        (SMALL.to_bytes()[:40] + b"\x08" + SMALL.to_bytes()[41:], "is damaged"),
        (TrainedOn(some(7, 3), some()).to_bytes(), "is damaged"),
        (TrainedOn(some(3, 3), some()).to_bytes(), "is damaged"),
        (b"ecrnn-examples-1" + b"\xff" * 16, "is damaged"),
    ],
)
def test_damaged_files(tmp_path, content, line):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BundleError, match=line) as caught:
        read(tmp_path / FILE)
    assert "\n" not in str(caught.value)
    (tmp_path / FILE).write_bytes(content.replace(b"ecrnn-examples-1", b"ecrnn-keys-00001"))
    with pytest.raises(BundleError):
        read_study(tmp_path / FILE, None)


def test_bundles_with_and_without(bundle, network, processor, tmp_path):
    assert load(bundle).trained_on is None
    write_bundle(tmp_path / "new", network, parse(MODEL), processor, {}, "", SMALL)
    assert load(tmp_path / "new").trained_on.train.tolist() == SMALL.train.tolist()
    (tmp_path / "elsewhere").write_bytes(SMALL.to_bytes())
    (bundle / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="points out of"):
        read_trained_on(bundle)
    (bundle / FILE).unlink()
    (bundle / FILE).write_bytes(SMALL.to_bytes())
    assert read_trained_on(bundle) is not None, "of a version that noted no digest of it"
    other = TrainedOn(some(3), some(5), some(1))
    (tmp_path / "new" / FILE).write_bytes(other.to_bytes())  # whole, and of another bundle
    with pytest.raises(BundleError, match=r"examples.bin is of another bundle: it does not match bundle.json"):
        load(tmp_path / "new")
    (tmp_path / "new" / FILE).unlink()  # as one may who passes a bundle on
    assert load(tmp_path / "new").trained_on is None


@pytest.fixture
def pets(tmp_path) -> Path:
    root = tmp_path / "pets"
    rng = np.random.default_rng(1)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for k in range(4):
            new_image(root / name / f"{k}.png", rng)
    return root


def new_image(path: Path, rng: np.random.Generator) -> None:
    Image.fromarray(rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def classifier(description, processor, network, pets) -> ImagePredictor:
    """Trained on half of the pets, validated on the others."""
    data = image_data.load(pets, image_size=(9, 12))
    split = parse_split("0.5").split(data, 1, 0)
    metrics = {"fingerprint": data.fingerprint, "split": "0.5", "seed": 1, "keep": "best"}
    found = ImagePredictor(description, processor, network, metrics, "cpu")
    found.trained_on = TrainedOn.of(data.keys(), split.train, split.validation)
    return found


def test_the_data_as_trained_on(classifier, pets):
    found = judge(classifier, str(pets))
    assert (len(found.index), found.trained_on, found.left_out) == (6, 0, 0)
    assert found.note == "those that training left out for validation"
    found = judge(classifier, str(pets), part="all")
    assert (len(found.index), found.trained_on) == (12, 6)
    assert found.note == "all images; the model was trained on 6 of these 12, so the figure is too good"


def one_more(pets: Path) -> None:
    new_image(pets / "cat" / "new.png", np.random.default_rng(2))


def one_less(pets: Path) -> None:
    (pets / "cat" / "0.png").unlink()


def other_names(pets: Path) -> None:
    for path in sorted(pets.glob("*/*.png")):
        path.rename(path.with_name(f"IMG_{9 - int(path.stem)}.png"))


def other_class(pets: Path) -> None:
    (pets / "cat" / "0.png").rename(pets / "bee" / "9.png")


def other_format(pets: Path) -> None:
    for path in pets.glob("*/*.png"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".bmp"))
        path.unlink()
    one_more(pets)


def other_shape(pets: Path) -> None:
    """As subfolders, and no class of the third name."""
    (pets / "bee" / "deep").mkdir()
    (pets / "bee" / "0.png").rename(pets / "bee" / "deep" / "a.png")
    shutil.rmtree(pets / "ant")


@pytest.mark.parametrize("change", [one_more, one_less, other_names, other_class, other_format, other_shape])
def test_changed_data_is_judged_on_what_is_new(classifier, pets, change):
    before = image_data.load(pets, image_size=(9, 12))
    trained = {before.images[i].tobytes() for i in parse_split("0.5").split(before, 1, 0).train}
    change(pets)
    after = image_data.load(pets, image_size=(9, 12))
    known = np.array([image.tobytes() in trained for image in after.images])
    assert 0 < known.sum() < len(known)
    found = judge(classifier, str(pets))
    assert found.index.tolist() == np.flatnonzero(~known).tolist()
    assert (found.trained_on, found.left_out) == (0, known.sum())
    assert f"left out, because trained on: {known.sum()} of {len(known)} images" in found.note
    assert found.note.endswith("of the others chose the epoch")
    everything = judge(classifier, str(pets), part="all")
    assert (len(everything.index), everything.trained_on) == (len(known), known.sum())


def test_the_keys_are_computed_once(classifier, pets, monkeypatch):
    """With looks they take a second for 50,000 images."""
    one_more(pets)
    data, calls = image_data.load(pets, image_size=(9, 12)), []
    monkeypatch.setattr(type(data), "keys", lambda self: calls.append(1) or of_images(self.images))
    for part in ("auto", "all", "validation"):
        judge(classifier, data, part=part)
        assert calls.pop() == 1
        assert not calls


def test_an_image_that_comes_twice_is_told(classifier, pets):
    shutil.rmtree(pets / "cat")
    (pets / "cat").mkdir()
    one_more(pets)
    shutil.copy(pets / "cat/new.png", pets / "bee/again.png")
    assert "; 1 are the same as others of them, and count each time" in judge(classifier, str(pets)).note


def test_a_test_part_of_known_examples(classifier, pets):
    data = image_data.load(pets, image_size=(9, 12))
    split = parse_split("0.5").split(data, 1, 0)
    order = np.concatenate([split.train, split.validation])
    parted = make_image_set("parted", data.images[order], data.labels[order], data.classes, n_train=4)
    found = judge(classifier, parted)
    assert (found.left_out, len(found.index)) == (2, 6)
    assert found.note == (
        "the data set's own test part; left out, because trained on: 2 of 8 images; 6 of the others chose the epoch"
    )
    parted = make_image_set("parted", data.images[order], data.labels[order], data.classes, n_train=6)
    assert judge(classifier, parted).note == "the data set's own test part; 6 of them chose the epoch"
    classifier.trained_on = None
    unknown = "the data set's own test part; the bundle does not say whether any of them were trained on"
    assert judge(classifier, parted).note == unknown


def test_validation_of_changed_data(classifier, pets):
    before = image_data.load(pets, image_size=(9, 12))
    wanted = {before.images[i].tobytes() for i in parse_split("0.5").split(before, 1, 0).validation}
    one_more(pets)
    found = judge(classifier, str(pets), part="validation")
    assert {found.data.images[i].tobytes() for i in found.index} == wanted
    assert found.note == "the 6 images that training left out for validation"


def test_nothing_but_what_was_trained_on(classifier, pets):
    data = image_data.load(pets, image_size=(9, 12))
    split = parse_split("0.5").split(data, 1, 0)
    some_of = make_image_set("some", data.images[split.train], data.labels[split.train], data.classes)
    found = judge(classifier, some_of)
    assert len(found.index) == found.trained_on == 6
    assert found.note == "all images; the model was trained on all 6, so the figure is too good"
    with pytest.raises(DataError, match="has no validation part there"):
        judge(classifier, some_of, part="validation")


def test_new_data_and_arrays(classifier, pets):
    rng = np.random.default_rng(5)
    arrays = rng.integers(0, 256, (7, 9, 12, 3), dtype=np.uint8)
    labels = ["ant", "bee", "cat", "ant", "bee", "cat", "cat"]
    found = judge(classifier, from_arrays(arrays, labels))
    assert (len(found.index), found.trained_on, found.left_out, found.note) == (7, 0, 0, "all images")
    known = image_data.load(pets, image_size=(9, 12)).images
    found = judge(
        classifier, from_arrays(np.concatenate([arrays, known]), [*labels, *(c for c in CLASSES for _ in range(4))])
    )
    assert (len(found.index), found.left_out) == (13, 6)


def test_test_parts(classifier, pets):
    """Of one's own data those trained on are left out; of a registered set they stay, as its figures are compared."""
    data = image_data.load(pets, image_size=(9, 12))
    split = parse_split("0.5").split(data, 1, 0)
    index = np.concatenate([split.validation, split.train[:2], split.validation[:3]])
    parted = make_image_set("parted", data.images[index], data.labels[index], data.classes, n_train=6)
    found = judge(classifier, parted)
    assert found.index.tolist() == [8, 9, 10]
    left = "left out, because trained on: 2 of 5 images; 3 of the others chose the epoch"
    assert found.note == f"the data set's own test part; {left}"
    found = judge(classifier, replace(parted, name="cifar10"))
    assert found.index.tolist() == [6, 7, 8, 9, 10]
    assert (
        found.note == "the data set's own test part; the model was trained on 2 of these 5, so the figure is too good"
    )


def test_two_that_are_the_same_in_training_and_validation(classifier, pets):
    for name in CLASSES:
        for k in range(4):
            shutil.copy(pets / name / f"{k}.png", pets / name / f"{k}-again.png")
    data = image_data.load(pets, image_size=(9, 12))
    split = parse_split("0.5").split(data, 1, 0)
    classifier.metrics["fingerprint"] = data.fingerprint
    classifier.trained_on = TrainedOn.of(data.keys(), split.train, split.validation)
    both = {data.images[i].tobytes() for i in split.train} & {data.images[i].tobytes() for i in split.validation}
    found = judge(classifier, str(pets))
    assert found.index.tolist() == split.validation.tolist()  # as its training was measured
    assert found.trained_on == sum(data.images[i].tobytes() in both for i in split.validation) > 0
    assert "so the figure is too good" in found.note


@pytest.fixture
def photographed(description, processor, network, tmp_path) -> tuple[ImagePredictor, Path]:
    """A classifier of images of 64 pixels a side, trained on the first 15 of each of two classes, and all of them."""
    root = tmp_path / "photos"
    rng = np.random.default_rng(3)
    for name in CLASSES[:2]:
        (root / name).mkdir(parents=True)
        for k in range(20):
            coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
            coarse.resize((64, 64), Image.Resampling.BICUBIC).save(root / name / f"{k:02}.png")
    data = image_data.load(root, image_size=(9, 12))
    found = ImagePredictor(description, processor, network, {"fingerprint": "0"}, "cpu")
    first = np.flatnonzero(np.arange(len(data)) % 20 < 15)
    found.trained_on = TrainedOn.of(data.keys(), first, first[:0])
    return found, root


def test_images_saved_again_with_losses_are_told(photographed):
    classifier, root = photographed
    assert judge(classifier, str(root)).note == "all images; left out, because trained on: 30 of 40 images"
    for path in list(root.glob("*/*.png")):
        with Image.open(path) as image:
            image.save(path.with_suffix(".jpg"), quality=80)
        path.unlink()
    found = judge(classifier, str(root))
    assert len(found.index) == 40
    assert found.note == (
        "all images; 30 look much like ones trained on, as if saved again: the figure may be too good"
    )
    looks = classifier.trained_on.looks
    alike = TrainedOn(classifier.trained_on.train, some(), np.unique(np.concatenate([looks, looks ^ np.uint64(1)])))
    classifier.trained_on = alike  # a set whose images all look like another one: nothing can be said
    assert judge(classifier, str(root)).note == "all images"
