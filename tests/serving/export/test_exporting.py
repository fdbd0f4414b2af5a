"""Bundles as ONNX files: what is inside, that they agree with the model, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from core.lines import one_line
from lanes import covering, seldom
from PIL import Image
from serving.export import parity_table, small_bundles

from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Message
from ecrnn.core.tasks import TASKS
from ecrnn.models.family import CELLS
from ecrnn.models.names import parse
from ecrnn.models.registry import built_in
from ecrnn.serving.export import exporting as module
from ecrnn.serving.export.exporting import export
from ecrnn.serving.export.onnx_file import recurrent_layers
from ecrnn.serving.export.parity import run, session
from ecrnn.serving.load import load

onnx: Any = pytest.importorskip("onnx", reason="no onnx: pip install 'ecrnn[onnx]'")
pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'ecrnn[onnx]'")
pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install 'ecrnn[onnx]'")

ABLE = [task.name for task in TASKS.values() if task.export]
FAMILIES = {row.name: row for row in built_in().values() if row.task in ABLE and not row.estimator}
PARTS = [  # of each case of the table: its family, cell, order of the map and size
    {
        "family": parse(name).family,
        "cell": next((part for part in name.partition("@")[0].split("-") if part in CELLS), ""),
        "scan": name.partition("@")[2],
        "size": size,
    }
    for name, size in parity_table.CASES
]
COVERING = covering(PARTS, 1)
CASES = [pytest.param(*case, marks=() if at in COVERING else seldom) for at, case in enumerate(parity_table.CASES)]
ROWS = [match.groupdict() for match in parity_table.ROW.finditer(parity_table.PAGE.read_text("utf-8"))]


def test_the_file_agrees_with_the_model_at_every_batch(exported: tuple[Any, list[Any]], small_bundle: Path) -> None:
    written, _ = exported
    model, images = load(small_bundle, "cpu"), np.random.default_rng(5).integers(0, 256, (9, 8, 12, 3), np.uint8)
    opened = session(written.file.read_bytes())
    for n in (1, 2, 5, 9):
        outputs = run(opened, [images[:n]])
        np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(images[:n]), atol=1e-6)
        np.testing.assert_allclose(outputs["logits"], model.logits(images[:n]), atol=1e-5)
    plain = json.loads(written.parity.read_text())
    assert plain["sha256"] == hashlib.sha256(written.file.read_bytes()).hexdigest()
    seen = {(one["output"], one["batch"], one["threads"]) for one in plain["differences"]}
    assert seen == {(o, b, t) for o in ("probabilities", "logits") for b in (1, 2, 7) for t in (1, 2)}
    assert written.largest == max(one["relative"] for one in plain["differences"]) < 1e-5
    assert (written.compared_on, written.real) == ("10 synthetic images", False)


def test_the_file_holds_what_a_stranger_needs(exported: tuple[Any, list[Any]], small_bundle: Path) -> None:
    written, events = exported
    model = onnx.load(written.file)
    held = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(held["classes"]) == list(small_bundles.CLASSES)
    assert json.loads(held["preprocessing"]) == {
        "image": [3, 8, 12],
        "mean": [120.0, 110.0, 90.0],
        "std": [60.0, 60.0, 60.0],
        "fit": "cut",
    }
    assert held["weights_sha256"] == hashlib.sha256((small_bundle / "model.safetensors").read_bytes()).hexdigest()
    assert held["licence"] == "The terms of elsewhere are not known here."
    assert held["doc"] == "An image classifier, crnn-bigru-3-2@rows, trained with ecrnn on elsewhere."
    assert held["input"] == "pixels"
    assert held["ecrnn_version"]
    assert [value.name for value in model.graph.input] == ["pixels"]
    assert [value.name for value in model.graph.output] == ["probabilities", "logits"]
    assert Counter(node.op_type for node in model.graph.node)["GRU"] == 2
    assert sorted(path.name for path in written.file.parent.iterdir()) == ["small.onnx", "small.onnx.parity.json"]
    assert [type(event) for event in events] == [Message, Message]


def test_a_file_that_says_something_else_is_not_written(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: tuple[Any, list[Any]]
) -> None:
    wrong = onnx.load(exported[0].file)
    mean = next(tensor for tensor in wrong.graph.initializer if tensor.name == "standardise.mean")
    values = onnx.numpy_helper.to_array(mean) + np.float32(20)
    mean.CopyFrom(onnx.numpy_helper.from_array(values, mean.name))
    monkeypatch.setattr(module, "to_onnx", lambda *arguments: wrong)
    fault = (
        r"wrong.onnx is not written: in ONNX Runtime it differs from the model in logits by .*e-0[1-3] at batch [127] "
    )
    with pytest.raises(EcrnnError, match=fault):
        export(small_bundle, tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"to": "onxn"}, "unknown kind of export 'onxn', did you mean 'onnx'"),
        ({"input": "pixel"}, "unknown input 'pixel', did you mean 'pixels'"),
        ({"opset": 17}, "opset: should be a whole number from 18 to 23, not 17"),
        ({"data": "nowhere/at/all"}, "nowhere/at/all does not exist"),
    ],
)
def test_wrong_calls(small_bundle: Path, tmp_path: Path, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(EcrnnError, match=fault):
        export(small_bundle, tmp_path / "x.onnx", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_bundle_is_not_overwritten(small_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(small_bundle, copy := tmp_path / "bundle")
    before = (copy / "model.safetensors").read_bytes()
    with one_line(EcrnnError, copy / "model.safetensors", "is a file of the bundle"):
        export(copy, copy / "model.safetensors")
    assert (copy / "model.safetensors").read_bytes() == before


def test_a_task_that_writes_step_by_step_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Writer:
        task = TASKS["translation"]

    monkeypatch.setattr(module, "load", lambda *arguments, **options: Writer())
    fault = "^a model for translation cannot be exported: .*; these can: image-classification, .*, transcription"
    with pytest.raises(EcrnnError, match=fault):
        export("any", tmp_path / "x.onnx")


def test_no_whole_images_for_a_task_without_images(tmp_path: Path) -> None:
    bundle = small_bundles.write(tmp_path / "bundle", "sequence-gru-4")
    with pytest.raises(EcrnnError, match="takes no whole images; export it with --input pixels"):
        export(bundle, tmp_path / "x.onnx", input="image")


def test_every_family_has_a_row_in_the_table_of_the_page() -> None:
    shown = [(row["name"], row["size"]) for row in ROWS]
    assert shown == [(name, "x".join(map(str, size)) if size else "-") for name, size in parity_table.CASES]
    assert {parse(row["name"]).family for row in ROWS} == set(FAMILIES)
    assert all(float(row["largest"]) < 2e-5 and row["levels"] in "01-" for row in ROWS)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), CASES)
def test_the_table_of_the_page_is_true(name: str, size: tuple[int, int, int] | None, tmp_path: Path) -> None:
    largest, levels = parity_table.measure(name, size, tmp_path)  # which compares at 1, 2 and 7
    assert largest < 2e-5
    assert levels in (None, 0, 1)
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "x.onnx").graph.node)
    layers = recurrent_layers(load(tmp_path / "bundle", "cpu").network)
    assert {kind: kinds[kind] for kind in ("RNN", "LSTM", "GRU")} == {k: layers[k] for k in ("RNN", "LSTM", "GRU")}
    assert not {"Loop", "Scan", "If"} & set(kinds)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
def test_other_operator_sets(opset: int, tmp_path: Path) -> None:
    bundle = small_bundles.write(tmp_path / "bundle", "crnn-bilstm-4@rows", (3, 16, 16))
    export(bundle, tmp_path / "x.onnx", opset=opset, input="image")
    model = onnx.load(tmp_path / "x.onnx")
    assert [(one.domain, one.version) for one in model.opset_import] == [("", opset)]


@pytest.mark.slow
def test_whole_images_and_a_folder_to_compare_on(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    for number, (name, sides) in enumerate((("ant", (40, 91)), ("bee", (77, 30)), (small_bundles.CLASSES[2], (9, 9)))):
        folder = tmp_path / "photos" / (name if number < 2 else "bee")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (*sides, 3), np.uint8)).save(folder / f"{number}.png")
    bundle = small_bundles.write(tmp_path / "bundle", "crnn-lstm-4@rows", (1, 16, 20))
    written = export(bundle, tmp_path / "x.onnx", input="image", data=tmp_path / "photos")
    assert (written.compared_on, written.real) == (f"3 images of {tmp_path / 'photos'}", True)
    plain = json.loads(written.parity.read_text())["whole_images"]
    assert (plain["images"], plain["levels"] <= 1) == (8, True)
    opened, model = session(written.file.read_bytes()), load(bundle, "cpu")
    for path in sorted((tmp_path / "photos").glob("*/*.png")):
        outputs = run(opened, [np.asarray(Image.open(path))[None]])
        np.testing.assert_allclose(outputs["probabilities"], model.predict_proba([path]), atol=2e-3)


@pytest.mark.slow
def test_lines_of_text_read_the_same(tmp_path: Path) -> None:
    bundle = small_bundles.write(tmp_path / "bundle", "ocr-bilstm-8", (1, 16, 40))
    written = export(bundle, tmp_path / "x.onnx", input="image")
    model, opened = load(bundle, "cpu"), session(written.file.read_bytes())
    image = np.random.default_rng(0).integers(0, 256, (16, 90, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "line.png")
    outputs = run(opened, [image[None]])
    ids = torch.from_numpy(outputs["logits"][0, : outputs["lengths"][0]]).argmax(1).unique_consecutive()
    assert model.processor.decode([i for i in ids.tolist() if i]) == model.read([tmp_path / "line.png"])[0]
