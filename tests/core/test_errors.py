"""core/errors: one family, and the nearest right name."""

from __future__ import annotations

import pytest

from ecrnn.core import errors
from ecrnn.core.errors import EcrnnError, nearest, unknown_name


@pytest.mark.parametrize("name", ["UnknownNameError", "DataError", "BundleError", "RunDirectoryError", "TrainingError"])
def test_all_are_value_errors(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, EcrnnError)
    assert issubclass(kind, ValueError)


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


def test_nearest_keeps_the_spelling_of_the_known_name() -> None:
    assert nearest("lenet", ["LeNet5", "AlexNet"]) == "LeNet5"
    assert nearest("a", []) is None


def test_unknown_name() -> None:
    line = str(unknown_name("scan", "colums", ["rows", "columns"], where="model crnn-lstm-16"))
    assert line == "unknown scan 'colums', did you mean 'columns'? (model crnn-lstm-16)"
    assert (
        str(unknown_name("scan", "xyz", ["rows", "columns", "rows"])) == "unknown scan 'xyz', known are columns, rows"
    )
