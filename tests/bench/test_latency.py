"""bench/image: one image by way of a bundle, by torch's layers and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ecrnn.bench import latency as bench
from ecrnn.core.errors import EcrnnError
from ecrnn.models.names import parse


@pytest.mark.parametrize("onnx", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_measurement_has_what_a_reader_needs(
    onnx: bool, three_times: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_times(bench)
    if onnx and not bench.onnx_is_here():
        pytest.skip(bench.NOT_HERE)
    monkeypatch.setattr("ecrnn.bench.checks.check_first", lambda settings, backend: 5)  # tested for itself
    logits: dict[str, np.ndarray] = {}
    check = bench._check_same
    monkeypatch.setattr(bench, "_check_same", lambda found: logits.update(found) or check(found))
    found = bench.measure(parse("ecrnn-bigru-4" if onnx else "cnn"), 2 if onnx else 1, 2, onnx=onnx)
    names = ["ecrnn", "stock", *(["onnx", "onnx-1-thread"] if onnx else [])]
    assert list(found["variants"]) == names == list(logits)
    assert all(values.shape == (1, 10) and np.abs(values).max() > 0 for values in logits.values())
    assert (found["ratio_stock"], found.get("ratio_onnx")) == (3, 3 if onnx else None)
    if onnx:
        assert found["onnx_best"] in ("onnx", "onnx-1-thread")
        assert [layer["backend"] for layer in found["served"]]


def test_other_logits_are_no_opponent() -> None:
    right = np.array([[1.0, -2.0]])
    bench._check_same({"stock": right, "onnx": right * (1 + 5e-5)})
    with pytest.raises(EcrnnError, match=r"the logits of 'onnx' are 2.0e-04 off the stock network's"):
        bench._check_same({"stock": right, "onnx": right * (1 + 2e-4)})
    with pytest.raises(EcrnnError, match="nan off"):
        bench._check_same({"stock": right, "onnx": right * np.nan})
