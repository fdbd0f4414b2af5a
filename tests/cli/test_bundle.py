"""`ecrnn bundle`: a model of a study, ready to use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ecrnn.serving.bundle import read_metrics


def test_it_says_how_good_it_is_and_how_to_use_it(call: Any, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "my model"
    done = call("bundle", study, "--model", "ecnn", "--repeat", 1, "-o", out)
    assert (done.status, done.err) == (0, "")
    metrics = json.loads((out / "metrics.json").read_text())
    assert f"ecnn of repeat 1 (2 finished) in {out}: {100 * metrics['accuracy']:.2f} % of 539 validation" in done.out
    assert f"Use it: ecrnn predict '{out}' image.png" in done.out
    done = call("evaluate", out, "digits", "--json")
    assert json.loads(done.out)["accuracy"]["estimate"] == metrics["accuracy"]


def test_json_is_metrics_and_nothing_else(call: Any, study: Path, tmp_path: Path) -> None:
    done = call("bundle", study, "--model", "cnn", "-o", tmp_path / "b", "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert found.pop("bundle") == str(tmp_path / "b")
    assert found == read_metrics(tmp_path / "b")
