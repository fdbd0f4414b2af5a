"""A bundle whose digests are right and whose figures cannot be true."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.conftest import call_main
from core.lines import one_line
from serving.export import small_bundles

from ecrnn.core.errors import BundleError
from ecrnn.serving.bundle import read_metrics
from ecrnn.serving.load import load

EPOCH = {"epoch": 1, "validation_accuracy": 0.5}


@pytest.mark.parametrize(
    ("figures", "fault"),
    [
        ({"history": 7}, "history must be a list of objects, one an epoch, not 7"),
        ({"history": [EPOCH, None]}, "history must be a list of objects"),
        ({"history": [EPOCH, {"loss": 1.0}]}, "history, line 2: 'epoch' must be 2, not None"),
        ({"history": [{"epoch": 1, "loss": "x"}]}, "history, line 1: 'loss' must be a number, not 'x'"),
        ({"accuracy": 7.5}, "accuracy cannot be 7.5"),
        ({"accuracy": True}, "accuracy cannot be True"),
        ({"accuracy": "<b>"}, "accuracy cannot be '<b>'"),
        ({"accuracy": 0.5, "test": {"accuracy": -1e308}}, "test, accuracy cannot be -1e+308"),
    ],
)
def test_what_cannot_be(figures: dict[str, Any], fault: str, tmp_path: Path) -> None:
    bundle = small_bundles.write(tmp_path / "bundle", "mlp-4", (3, 8, 8), metrics=figures)
    for reader in (load, read_metrics):
        with one_line(BundleError, f"{bundle}: metrics.json", fault):
            reader(bundle)
    done = call_main("verify", bundle, "--train", "none")
    assert (done.status, "internal error" in done.err) == (1, False)
    assert f"{bundle}: metrics.json" in done.out


def test_what_can(tmp_path: Path) -> None:
    """A training that diverged, of an earlier version without a history, or with a figure of another metric."""
    for number, figures in enumerate(
        ({"history": [{"epoch": 1, "train_loss": 1e200}], "accuracy": 1.0}, {"accuracy": 0, "test": {}}, {"cer": 7.5})
    ):
        small_bundles.write(tmp_path / str(number), "mlp-4", (3, 8, 8), metrics=figures)
        assert load(tmp_path / str(number), "cpu").metrics == figures
