"""core/errors: one family, and the nearest right name."""

from __future__ import annotations

import pytest

from ecrnn.core import errors
from ecrnn.core.errors import BundleError, DataError, EcrnnError, nearest, raised_as, unknown_name


@pytest.mark.parametrize("name", ["UnknownNameError", "DataError", "BundleError", "RunDirectoryError", "TrainingError"])
def test_all_are_value_errors(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, EcrnnError)
    assert issubclass(kind, ValueError)


def test_raised_as() -> None:
    for kind in (EcrnnError, DataError, BundleError):
        with pytest.raises(BundleError, match=r"^a line$") as caught, raised_as(BundleError):
            raise kind("a line")
        assert (caught.value.__cause__ is None) == (kind is BundleError)
    with pytest.raises(OSError, match="other"), raised_as(BundleError):
        raise OSError("other")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("colums", "columns"),
        ("COLUMNS", "columns"),
        ("row", "rows"),
        ("xyz", None),
        ("", None),
        ("positions", "positions"),
    ],
)
def test_nearest(name: str, found: str | None) -> None:
    assert nearest(name, ["rows", "columns", "positions"]) == found


FAR = {
    "patience": ["device", "part", "data"],
    "resnet18": ["lenet5-1998", "lenet5", "alexnet"],
    "emnist": ["mnist"],
    "xception": ["caption"],
    "--test": ["--text", "--set"],
    "imagenet": ["alexnet", "image"],
    "float16": ["float32", "bfloat16"],
    "a": ["ab", "b"],
    "training": ["training.lr", "training.epochs"],
    "training.sed": ["training.schedule", "training.momentum"],
    "flickr30k": ["flickr8k"],
    "crnn-tcn-16": ["crnn-rnn-16"],
}
NEAR = {
    "epochs": ("training.epochs", ["training.epochs", "repeats"]),
    "batch": ("training.batch_size", ["training.batch_size", "training.device"]),
    "--img-size": ("--image-size", ["--image-size", "--batch-size"]),
    "--ouptut": ("--output", ["--output", "--out"]),
    "training.seed": ("seed", ["seed", "training.schedule"]),
    "traning.epocs": ("training.epochs", ["training.epochs", "training.lr"]),
    "cifar": ("cifar10", ["cifar10", "captcha"]),
    "lsmt": ("lstm", ["lstm", "gru"]),
    "jsn": ("jsonl", ["csv", "jsonl", "table"]),
    "crnn-lsm-16": ("crnn-lstm-16", ["crnn-bilstm-16", "crnn-lstm-16", "cnn-16"]),
}


@pytest.mark.parametrize("name", FAR)
def test_no_name_is_better_than_a_wrong_one(name: str) -> None:
    assert nearest(name, FAR[name]) is None


@pytest.mark.parametrize("name", NEAR)
def test_a_name_that_is_near(name: str) -> None:
    right, known = NEAR[name]
    assert nearest(name, known) == right


def test_nearest_keeps_the_spelling_of_the_known_name() -> None:
    assert nearest("lenet", ["LeNet5", "AlexNet"]) == "LeNet5"
    assert nearest("a", []) is None


def test_unknown_name() -> None:
    line = str(unknown_name("scan", "colums", ["rows", "columns"], where="model crnn-lstm-16"))
    assert line == "unknown scan 'colums', did you mean 'columns'? (model crnn-lstm-16)"
    assert (
        str(unknown_name("scan", "xyz", ["rows", "columns", "rows"])) == "unknown scan 'xyz', known are columns, rows"
    )
