"""`ecrnn export`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from serving.export import small_bundles

from ecrnn.core.events import Message
from ecrnn.serving.export import exporting
from ecrnn.serving.export.exporting import Exported


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What `ecrnn.export` is called with, which writes nothing but a small file."""
    asked: dict[str, Any] = {}

    def export(bundle: Path, out: Path, to: str, **options: Any) -> Exported:
        options.pop("progress")(Message("tracing"))
        asked.update(bundle=bundle, out=out, to=to, **options)
        out.write_bytes(b"x" * 1_500_000)
        return Exported(out, out.with_name("parity"), "10 synthetic images", False, 3e-7)

    monkeypatch.setattr(exporting, "export", export)
    return asked


def test_what_is_said(call: Any, written: dict[str, Any], tmp_path: Path) -> None:
    done = call("export", "cifar10", "--to", "onnx", "-o", tmp_path / "x.onnx", "--input", "image", "--opset", 21)
    assert done.status == 0
    assert done.out.splitlines() == [
        f"{tmp_path / 'x.onnx'}: 1.5 MB, agrees with the model on 10 synthetic images",
        f"Largest difference: 3.0e-07; all of them are in {tmp_path / 'parity'}",
    ]
    assert done.err.splitlines() == [
        "tracing",
        "ecrnn: the examples were synthetic; --data names a folder or a data set to compare on real ones",
    ]
    assert {key: written[key] for key in ("to", "input", "opset", "data")} == {
        "to": "onnx",
        "input": "image",
        "opset": 21,
        "data": None,
    }


def test_json(call: Any, written: dict[str, Any], tmp_path: Path) -> None:
    done = call("export", "cifar10", "--to", "onnx", "-o", tmp_path / "x.onnx", "--json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {
        "file": str(tmp_path / "x.onnx"),
        "parity": str(tmp_path / "parity"),
        "compared_on": "10 synthetic images",
        "real": False,
        "largest": 3e-7,
    }


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["-o", "x"], "name the kind of file, as in --to onnx or --to page"),
        (["--to", "onnx"], "name the file to write, as in -o my-classifier.onnx"),
        (["--to", "onxn", "-o", "x"], "unknown kind of export 'onxn', did you mean 'onnx'?"),
        (["--to", "onnx", "-o", "x", "--input", "pixel"], "unknown input 'pixel', did you mean 'pixels'?"),
        (["--to", "onnx", "-o", "x", "--opset", "7"], "opset: should be a whole number from 18 to 23, not 7"),
    ],
)
def test_wrong_calls(call: Any, words: list[str], fault: str) -> None:
    done = call("export", "cifar10", *words)
    assert (done.status, done.out, done.err) == (2, "", f"ecrnn: {fault}\n")


def test_a_missing_package_is_one_line(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecrnn.serving.export.onnx_file.find_spec", lambda name: None)
    done = call("export", "cifar10", "--to", "onnx", "-o", tmp_path / "x.onnx")
    fault = "ecrnn: an export to ONNX needs the packages onnx, onnxscript, onnxruntime; pip install 'ecrnn[onnx]'\n"
    assert (done.status, done.out, done.err) == (1, "", fault)


@pytest.mark.slow
def test_the_command(call: Any, tmp_path: Path) -> None:
    bundle = small_bundles.write(tmp_path / "bundle", "mlp-4", (1, 16, 16), {"data": "digits"})
    done = call("export", bundle, "--to", "onnx", "-o", tmp_path / "x.onnx")
    assert done.status == 0
    assert "agrees with the model on 10 images of digits" in done.out
    assert "synthetic" not in done.err
    assert (tmp_path / "x.onnx").stat().st_size > 1000
