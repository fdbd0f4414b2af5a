"""Which images a classifier is judged on."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import BundleError, DataError, UnknownNameError
from ecrnn.data.image_set import make_image_set
from ecrnn.data.splits import parse_split
from ecrnn.serving.evaluation import judge
from ecrnn.tasks.image_classification import images as image_data
from ecrnn.tasks.image_classification.predictor import ImagePredictor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four images of each class, whose first pixel tells the class; the folders' order is not the model's."""
    root = tmp_path_factory.mktemp("data") / "set"
    rng = np.random.default_rng(1)
    for name in ("cat", "ant", "bee"):
        (root / name).mkdir(parents=True)
        for k in range(4):
            Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(root / name / f"{k}.png")
    return root


def classifier_with(description, processor, network, metrics=None, classes=("bee", "cat", "ant")):
    return ImagePredictor(description, replace(processor, classes=classes), network, metrics or {}, "cpu")


def predictions_on(*arguments, **options):
    judgement = judge(*arguments, **options)
    assert judgement.judged.predictions.index.tolist() == judgement.index.tolist()
    return judgement.judged.predictions, judgement.note


@pytest.fixture
def classifier(description, processor, network):
    return classifier_with(description, processor, network)


@pytest.fixture
def trained_here(description, processor, network, folder):
    """A classifier whose metrics say that it was trained on the folder."""
    fingerprint = image_data.load(folder, image_size=(9, 12)).fingerprint
    return classifier_with(description, processor, network, {"fingerprint": fingerprint, "split": "0.5", "seed": 1})


def test_classes_are_matched_by_name(classifier, folder):
    predictions, note = predictions_on(classifier, str(folder))
    assert note == "all images; the bundle does not say whether any of them were trained on"
    assert predictions.index.tolist() == list(range(12))
    names = [classifier.classes[k] for k in predictions.label]
    assert names == ["ant"] * 4 + ["bee"] * 4 + ["cat"] * 4
    images = image_data.load(folder, image_size=(9, 12)).images
    np.testing.assert_array_equal(predictions.logits, classifier.logits(np.asarray(images)))


def test_fewer_classes_than_the_model_knows(description, processor, network, folder, tmp_path):
    (tmp_path / "two").mkdir()
    for name in ("cat", "bee"):
        (tmp_path / "two" / name).symlink_to(folder / name)
    predictions, _ = predictions_on(classifier_with(description, processor, network), str(tmp_path / "two"))
    assert predictions.label.tolist() == [0] * 4 + [1] * 4


def test_a_foreign_class(description, processor, network, folder):
    with pytest.raises(DataError, match="has a class 'ant' that the model does not know: bee, cat, dog"):
        predictions_on(classifier_with(description, processor, network, classes=("bee", "cat", "dog")), str(folder))


def test_validation_is_what_training_left_out(trained_here, folder):
    images = image_data.load(folder, image_size=(9, 12))
    split = parse_split("0.5").split(images, 1, 0)
    for part in ("auto", "validation"):
        predictions, note = predictions_on(trained_here, str(folder), part=part)
        assert note == "those that training left out for validation"
        assert predictions.index.tolist() == split.validation.tolist()
        assert not set(predictions.index) & set(split.train)
        np.testing.assert_array_equal(predictions.label, np.array([2, 0, 1])[images.labels[split.validation]])


def test_all_of_the_data_it_was_trained_on_is_said_to_be_too_good(trained_here, folder):
    predictions, note = predictions_on(trained_here, str(folder), part="all")
    assert len(predictions.index) == 12
    assert note == "all images, those of training among them: the figure is too good"


def test_the_test_part(monkeypatch, trained_here, folder):
    whole = image_data.load(folder, image_size=(9, 12))
    parted = make_image_set("parted", whole.images, whole.labels, whole.classes, n_train=9)
    monkeypatch.setattr(image_data, "load", lambda *_, **__: parted)
    for part in ("auto", "test"):
        predictions, note = predictions_on(trained_here, "parted", part=part)
        assert predictions.index.tolist() == [9, 10, 11]
        assert note == "the data set's own test part; the bundle does not say whether any of them were trained on"


@pytest.mark.parametrize(
    ("part", "line"), [("test", "has no test part of its own"), ("validation", "the model was not trained on")]
)
def test_a_part_that_is_not_there(classifier, folder, part, line):
    with pytest.raises(DataError, match=line):
        predictions_on(classifier, str(folder), part=part)


def test_an_unknown_part(classifier):
    with pytest.raises(UnknownNameError, match="unknown part 'valdation', did you mean 'validation'"):
        predictions_on(classifier, "digits", part="valdation")


def test_an_unknown_data_set(classifier):
    with pytest.raises(UnknownNameError, match="unknown data set 'digitz', did you mean 'digits'"):
        predictions_on(classifier, "digitz")


def test_validation_of_a_trial_is_of_its_own_repeat(trained_here, folder):
    images = image_data.load(folder, image_size=(9, 12))
    first, third = (parse_split("0.5").split(images, 1, repeat).validation.tolist() for repeat in (0, 2))
    assert first != third
    trained_here.metrics["repeat"] = 2
    predictions, _ = predictions_on(trained_here, str(folder), part="validation")
    assert predictions.index.tolist() == third


@pytest.mark.parametrize(
    "changes",
    [
        {"repeat": -1},
        {"repeat": "x"},
        {"repeat": None},
        {"split": None},
        {"split": "7"},
        {"seed": None},
        {"seed": "x"},
        {"seed": float("inf")},
        {"seed": [1]},
    ],
    ids=str,
)
def test_metrics_that_do_not_say_how_it_was_split(trained_here, folder, changes):
    trained_here.metrics.update(changes)
    with pytest.raises(BundleError, match=r"metrics\.json does not say how the data was split; use --part all"):
        predictions_on(trained_here, str(folder))


def test_metrics_without_a_seed(trained_here, folder):
    del trained_here.metrics["seed"]
    with pytest.raises(BundleError, match=r"metrics\.json does not say how the data was split; use --part all"):
        predictions_on(trained_here, str(folder))
