"""torch.onnx.export of each classic gives its logits; the exporter leaves out some layers' arguments without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from oracles import compare

from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.registry import find

onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install 'ecrnn[onnx]'")
pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'ecrnn[onnx]'")

pytestmark = pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning")  # of torch's exporter about itself


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("name", ["mlp", "mlp-squared", "lenet5", "lenet5-1998", "alexnet", "alexnet-lrn"])
def test_exported(name: str, tmp_path: Path) -> None:
    side = find(parse(name).family).min_side
    network, images, path = build(name, (1, side, side), 4).eval(), torch.randn(2, 1, side, side), tmp_path / "model"
    torch.onnx.export(network, (images,), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    compare({"logits": network(images).detach()}, {"logits": logits}, 1e-5)
