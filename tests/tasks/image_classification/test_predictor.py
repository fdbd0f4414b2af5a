"""A trained classifier in use: arrays and files agree, and what does not fit is one line."""

import numpy as np
import pytest
import torch
from oracles import tolerance
from PIL import Image
from serving.older import to_format_1

from ecrnn.core.errors import BundleError, DataError, TrainingError
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.serving.load import load
from ecrnn.tasks.image_classification.predictor import ImagePredictor


@pytest.fixture
def classifier(whole_bundle):
    return load(whole_bundle, device="cpu")


@pytest.fixture
def files(images, tmp_path):
    paths = [tmp_path / f"{k}.png" for k in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def test_what_it_knows(classifier, description):
    assert classifier.classes == ("ant", "bee", "cat")
    assert classifier.image == (3, 9, 12)
    assert classifier.metrics == {"accuracy": 0.5}
    assert classifier.description.model_copy(update={"files": {}, "metrics": None}) == description
    assert not classifier.network.training


def test_logits_by_hand(classifier, network, images):
    x = Preprocessing((3, 9, 12), (120.0,), (60.0,)).apply(images)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(classifier.logits(images), expected, rtol=0, atol=10 * tolerance("float32"))


def test_arrays_and_files_agree(classifier, images, files):
    expected = classifier.predict_proba(images)
    assert np.array_equal(classifier.predict_proba(files), expected)
    assert np.array_equal(classifier.predict_proba([str(path) for path in files]), expected)
    assert np.array_equal(classifier.predict_proba(tuple(files)), expected)
    assert np.array_equal(classifier.predict(files), classifier.predict(images))


def test_floats_are_the_same_images(classifier, images):
    assert np.array_equal(classifier.predict_proba(images / 255), classifier.predict_proba(images))


def test_probabilities(classifier, images):
    made = classifier.predict_proba(images)
    assert made.shape == (6, 3)
    assert made.dtype == np.float64
    np.testing.assert_allclose(made.sum(axis=1), 1, rtol=1e-12)
    names = classifier.predict(images)
    assert names.tolist() == [classifier.classes[k] for k in made.argmax(axis=1)]


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 9, 12, 3), np.uint8)], ids=["list", "tuple", "array"])
def test_no_images(classifier, nothing):
    assert classifier.predict(nothing).shape == (0,)
    assert classifier.predict_proba(nothing).shape == (0, 3)
    assert classifier.logits(nothing).dtype == np.float32


def test_a_grey_image_of_another_size_is_brought_to_the_networks(classifier, tmp_path):
    Image.new("L", (200, 100), 77).save(tmp_path / "grey.png")
    expected = classifier.predict_proba(np.full((1, 9, 12, 3), 77, np.uint8))
    assert np.array_equal(classifier.predict_proba([tmp_path / "grey.png"]), expected)


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        ((2, 12, 9, 3), "images are 12x9x3 (height, width, channels), the model takes 9x12x3"),
        ((2, 9, 12), "images are 9x12x1 (height, width, channels), the model takes 9x12x3"),
        ((9, 12), "X has shape (9, 12), but should be (N, H, W) or (N, H, W, C) with C 1 or 3"),
        ((2, 3, 9, 12), "channels go last: X.transpose(0, 2, 3, 1)"),
    ],
)
def test_wrong_shapes(classifier, shape, line):
    with pytest.raises(DataError) as error:
        classifier.predict(np.zeros(shape, np.uint8))
    assert line in str(error.value)


def test_wrong_values(classifier):
    with pytest.raises(DataError, match=r"X holds floats from 0 to 2, but they should lie in 0\.\.1"):
        classifier.predict(np.linspace(0, 2, 324).reshape(1, 9, 12, 3))


@pytest.mark.parametrize("one", ["photo.png", "path"])
def test_one_path_is_not_a_list(classifier, files, one):
    with pytest.raises(DataError, match=r"should be a list of files or an array, not one path .*; write \[path\]"):
        classifier.predict(one if one == "photo.png" else files[0])


def test_no_such_file(classifier, files, tmp_path):
    with pytest.raises(DataError, match=r"none\.png"):
        classifier.predict([files[0], tmp_path / "none.png"])


def test_a_file_that_is_no_image(classifier, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"text\.png"):
        classifier.predict([tmp_path / "text.png"])


def test_load_takes_text(whole_bundle):
    assert isinstance(load(str(whole_bundle)), ImagePredictor)


def test_load_without_metrics(bundle):
    (bundle / "metrics.json").unlink()
    to_format_1(bundle)
    assert load(bundle).metrics == {}


def test_load_with_damaged_metrics(bundle):
    text = (bundle / "metrics.json").read_text()
    (bundle / "metrics.json").write_text(text.replace("0.5", "0.6"))
    with pytest.raises(BundleError, match=r"metrics\.json is damaged, or was changed by hand"):
        load(bundle)
    (bundle / "metrics.json").write_text(text[:-3])
    with pytest.raises(BundleError, match=r"metrics\.json is not valid JSON"):
        load(bundle)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(whole_bundle):
    with pytest.raises(TrainingError, match="device 'cuda' was asked for"):
        load(whole_bundle, device="cuda")
