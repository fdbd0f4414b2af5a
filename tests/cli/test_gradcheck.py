"""`ecrnn gradcheck`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecrnn.explain import gradcheck as module
from ecrnn.models import own_code, registry


def test_what_it_says(call: Any) -> None:
    done = call("gradcheck", "lstm", "--classes", 3)
    assert (done.status, done.err) == (0, "")
    assert "lstm: 43 of 218 parameters compared in float64." in done.out
    assert "Right: by hand (back-propagation through time, eq. 17-27), all gradients: relative error" in done.out
    assert "recurrence in float32 by" in done.out
    assert done.out.endswith("The gradients are right.\n")


def test_json(call: Any) -> None:
    done = call("gradcheck", "mlp", "--image", "1x8x8", "--samples", 2, "--json")
    found = json.loads(done.out)
    assert (done.status, found["good"], found["model"]) == (0, True, "mlp")
    assert [tensor["checked"] for tensor in found["tensors"]] == [2, 2, 2, 2]
    assert all(tensor["worst"]["error"] < found["tolerance"] for tensor in found["tensors"])


def test_a_wrong_gradient_is_named_and_the_status_is_1(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make = module.make

    def broken(*given: Any) -> Any:
        model = make(*given)
        model.output.bias.register_hook(lambda gradient: 2 * gradient)
        return model

    monkeypatch.setattr(module, "make", broken)
    done = call("gradcheck", "mlp", "--image", "1x8x8", "--samples", 2)
    assert done.status == 1
    assert "Wrong: output.bias at (" in done.out
    assert "relative error 5.0e-01, tolerance 1e-06." in done.out
    assert "Wrong: by hand (delta rule" in done.out
    assert done.out.endswith("The gradients are WRONG.\n")


OWN = """
import ecrnn
from torch import nn

@ecrnn.register("mine", task="image-classification")
class Mine(nn.Sequential):
    def __init__(self, spec):
        channels, height, width = spec.image
        super().__init__(nn.Flatten(), nn.Linear(channels * height * width, spec.classes))
"""


def test_a_model_of_ones_own(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(own_code, "_loaded", {})
    (tmp_path / "mine.py").write_text(OWN)
    done = call("gradcheck", "mine", "--code", tmp_path / "mine.py", "--image", "1x8x8", "--samples", 2)
    assert (done.status, done.err) == (0, "")
    assert "mine: 4 of 650 parameters compared in float64" in done.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("mlpp",), "ecrnn: unknown model 'mlpp', did you mean 'mlp'?\n"),
        (("mlp", "--samples", "0"), "ecrnn: --samples must be at least 1, not 0\n"),
        (("mlp", "--image", "8"), "ecrnn: --image wants channels x height x width, as in 3x32x32, not '8'\n"),
    ],
)
def test_wrong_calls(call: Any, arguments: tuple[str, ...], line: str) -> None:
    done = call("gradcheck", *arguments)
    assert (done.status, done.out, done.err) == (2, "", line)
