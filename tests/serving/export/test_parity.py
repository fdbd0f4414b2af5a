"""Differences between a file and its model: which are refused, and how they are said."""

from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.serving.export.parity import (
    CLOSE,
    Difference,
    ImageDifferences,
    _compared,
    refuse_unlike,
    refuse_unlike_images,
)


def test_differences_are_relative_to_the_largest_value_of_an_output() -> None:
    expected = {"logits": np.array([[4.0, -20.0]]), "probabilities": np.array([[0.25, 0.75]])}
    outputs = {"logits": np.array([[4.0, -20.001]], np.float32), "probabilities": np.array([[0.25, 0.7]], np.float32)}
    logits, probabilities = _compared(expected, outputs, 1, 2)
    assert (logits.output, logits.batch, logits.threads) == ("logits", 1, 2)
    assert logits.largest == pytest.approx(1e-3, rel=1e-3)
    assert logits.relative == pytest.approx(5e-5, rel=1e-3)
    assert logits.agrees
    assert probabilities.relative == pytest.approx(0.05)
    assert not probabilities.agrees


def test_another_shape_is_refused() -> None:
    with pytest.raises(EcrnnError, match=r"output 'logits' of the exported file is \(2, 3\), and should be \(1, 3\)"):
        list(_compared({"logits": np.zeros((1, 3))}, {"logits": np.zeros((2, 3))}, 1, 1))


@pytest.mark.parametrize("relative", [CLOSE * 1.01, float("nan"), float("inf")])
def test_what_differs_is_refused_and_the_worst_is_named(relative: float) -> None:
    found = [Difference("logits", 1, 1, 0.0, CLOSE), Difference("logits", 7, 2, relative, relative)]
    with pytest.raises(
        EcrnnError, match=r"^x.onnx is not written: .* logits by .* at batch 7 with 2 threads, and at most"
    ):
        refuse_unlike(found, "x.onnx")
    refuse_unlike(found[:1], "x.onnx")


def test_pixels_may_be_one_level_off() -> None:
    refuse_unlike_images(ImageDifferences(3, 1, 0.2, 0.01, []), "x.onnx")
    with pytest.raises(EcrnnError, match="differ by up to 2 of 255 levels"):
        refuse_unlike_images(ImageDifferences(3, 2, 0.01, 0.01, []), "x.onnx")
