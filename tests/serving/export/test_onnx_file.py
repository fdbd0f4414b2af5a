"""A module as an ONNX model: operators, recurrent nodes, axes, and what is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import GRU, LSTM
from ecrnn.serving.export import onnx_file
from ecrnn.serving.export.exportable import BATCH
from ecrnn.serving.export.onnx_file import check_graph, check_packages, recurrent_layers, to_onnx

onnx: Any = pytest.importorskip("onnx", reason="no onnx: pip install 'ecrnn[onnx]'")
pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'ecrnn[onnx]'")


class Layers(nn.Module):
    """Two stacked LSTM layers with a GRU over them."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = LSTM(3, 4, 2, batch_first=True), GRU(4, 2, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gru(self.lstm(x)[0])[0]


def model_of(text: str) -> Any:
    return onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20, "mine" : 1]> g {text}')


@pytest.mark.slow
def test_one_node_a_layer_any_batch_and_nothing_about_the_trace() -> None:
    module = Layers().eval()
    assert recurrent_layers(module) == Counter(LSTM=2, GRU=1)
    model = to_onnx(module, (torch.randn(2, 5, 3),), {"x": BATCH}, {"y": BATCH})
    kinds = Counter(node.op_type for node in model.graph.node)
    assert (kinds["LSTM"], kinds["GRU"], kinds["Loop"], kinds["Scan"]) == (2, 1, 0, 0)
    for value in (model.graph.input[0], model.graph.output[0]):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {node.domain for node in model.graph.node} == {""}
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 20)]
    assert __file__.encode() not in model.SerializeToString()
    assert b"stack_trace" not in model.SerializeToString()


class Fixed(nn.Module):
    """Takes any batch, but remembers the size of the one that it is traced with."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(len(x))[:, None]


class Branching(nn.Module):
    """What it does depends on its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if x.sum() > 0 else x


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(
    ("module", "fault"),
    [
        (Fixed(), "axis 0 of the input 'x' should be batch, and is exported as 3"),
        (Branching(), "torch cannot export this network: "),
    ],
)
def test_what_cannot_be_traced_is_one_line(module: nn.Module, fault: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EcrnnError, match=f"^{fault}") as caught:
        to_onnx(module, (torch.randn(3, 4),), {"x": BATCH}, {"y": BATCH})
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "layers", "fault"),
    [
        ("(float[1] x) => (float[1] y) { y = mine.Own (x) }", {}, "not of the ONNX standard: mine::Own"),
        (
            "(float[1] x) => (float[1] y) { y = Identity (x) }",
            {"GRU": 1},
            "has no recurrent node, and should have 1 GRU",
        ),
        (
            "(float[5,2,3] x, float[1,16,3] w, float[1,16,4] r) => (y) { y = LSTM <hidden_size = 4> (x, w, r) }",
            {"LSTM": 2},
            "has 1 LSTM, and should have 2 LSTM",
        ),
    ],
)
def test_another_graph_is_refused(text: str, layers: dict[str, int], fault: str) -> None:
    with pytest.raises(EcrnnError, match=fault):
        check_graph(model_of(text), layers)


def test_a_loop_is_refused() -> None:
    body = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["c"], ["d"])], "b", [], [])
    loop = onnx.helper.make_node("Loop", ["n", ""], ["y"], body=body)
    model = onnx.helper.make_model(onnx.helper.make_graph([loop], "g", [], []))
    with pytest.raises(EcrnnError, match="has 1 Loop, and should have 1 LSTM"):
        check_graph(model, {"LSTM": 1})


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name != "onnxruntime" else True)
    fault = r"^an export to ONNX needs the packages onnx, onnxscript; pip install 'ecrnn\[onnx\]'$"
    with pytest.raises(EcrnnError, match=fault):
        check_packages()


def test_weights_beyond_a_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_LARGEST", 20)
    with pytest.raises(EcrnnError, match="weights are 24 bytes, and an ONNX file holds less than 2 GiB"):
        to_onnx(nn.Linear(2, 2), (torch.randn(3, 2),), {"x": BATCH}, {"y": BATCH})
