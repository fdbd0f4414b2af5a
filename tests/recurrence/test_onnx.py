"""torch.onnx.export gives ONNX's LSTM, GRU and RNN, which compute what the layers compute, at any batch and length."""

import re
from pathlib import Path

import pytest
import torch
from oracles import compare, tolerance
from recurrence.pairs import flat, initial

from ecrnn.recurrence import GRU, LSTM, RNN, _onnx

onnx = pytest.importorskip("onnx", reason="no onnx: pip install 'ecrnn[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install 'ecrnn[onnx]'")
pytest.importorskip("onnxscript", reason="no onnxscript: pip install 'ecrnn[onnx]'")

pytestmark = [
    pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning"),  # of torch's exporter about itself
    pytest.mark.filterwarnings("ignore:# The axis name:UserWarning"),
]


class Network(torch.nn.Module):
    """A layer whose states are arguments and results of their own, as an ONNX graph has it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, *states):
        return tuple(flat(self.layer(x, states[0] if len(states) == 1 else states or None)).values())


class Lengths(Network):
    """A layer that takes lengths."""

    def forward(self, x, lengths):
        return tuple(flat(self.layer(x, lengths=lengths)).values())


def exported(network, arguments, axes, path):
    torch.onnx.export(network, arguments, path, dynamo=True, dynamic_shapes=axes, verbose=False, external_data=False)
    graph = onnx.load(path)
    onnx.checker.check_model(graph, full_check=True)
    return graph.graph.node, onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(session, *tensors):
    names = [given.name for given in session.get_inputs()]
    return dict(enumerate(session.run(None, dict(zip(names, (t.numpy() for t in tensors), strict=True)))))


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(
    ("kind", "options", "operator", "expected"),
    [
        (LSTM, {"batch_first": True, "bias_vectors": 1}, "LSTM", {"hidden_size": 5}),
        (GRU, {}, "GRU", {"hidden_size": 5, "linear_before_reset": 1}),
        (RNN, {"nonlinearity": "relu", "bias": False}, "RNN", {"hidden_size": 5, "activations": [b"Relu", b"Relu"]}),
    ],
)
def test_two_layers_both_ways_with_initial_states(tmp_path, kind, options, operator, expected):
    torch.manual_seed(0)
    layer = kind(3, 5, 2, bidirectional=True, **options)
    network = Network(layer).eval()

    def given(batch, steps, seed=1):
        x = torch.randn((batch, steps, 3) if layer.batch_first else (steps, batch, 3))
        hx = initial(layer, batch, seed)
        return x, *(hx if isinstance(hx, tuple) else (hx,))

    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    arguments = given(2, 5)
    states = tuple({1: batch} for _ in arguments[1:])
    axes = ({0: batch, 1: time} if layer.batch_first else {0: time, 1: batch}, states)
    nodes, session = exported(network, arguments, axes, tmp_path / "network.onnx")
    recurrent = [node for node in nodes if node.op_type == operator]
    assert not {"Loop", "Scan"} & {node.op_type for node in nodes}
    assert [attributes(node) for node in recurrent] == [{**expected, "direction": b"bidirectional"}] * 2
    for batch_size, steps in ((2, 5), (1, 1), (7, 33), (1, 9)):
        arguments = given(batch_size, steps, seed=steps)
        with torch.no_grad():
            made = network(*arguments)
        compare(dict(enumerate(made)), run(session, *arguments), 2 * tolerance("float32", steps))


@pytest.mark.slow
@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(("kind", "activations"), [(LSTM, None), (RNN, [b"Tanh"])])
def test_one_direction_without_states_and_with_lengths(tmp_path, kind, activations):
    torch.manual_seed(0)
    layer = kind(3, 5, batch_first=True, backend="torch")
    network = Lengths(layer).eval()
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    axes = ({0: batch, 1: time}, {0: batch})
    given = torch.randn(3, 7, 3), torch.tensor([4, 7, 1])
    nodes, session = exported(network, given, axes, tmp_path / "network.onnx")
    (node,) = [node for node in nodes if node.op_type == kind.__name__]
    assert attributes(node)["direction"] == b"forward"
    assert attributes(node).get("activations") == activations
    for x, lengths in (given, (torch.randn(2, 9, 3), torch.tensor([9, 2]))):
        with torch.no_grad():
            made = network(x, lengths)
        compare(dict(enumerate(made)), run(session, x, lengths), 2 * tolerance("float32", 9))


@pytest.mark.slow
def test_another_order_of_the_gates_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(_onnx._GATES, "gru", (0, 1, 2))
    network, x = Network(GRU(3, 5)).eval(), torch.randn(4, 2, 3)
    _, session = exported(network, (x,), None, tmp_path / "network.onnx")
    with pytest.raises(AssertionError, match="relative error"):
        compare(dict(enumerate(network(x))), run(session, x), 1e-3)


@pytest.mark.slow
def test_the_page_exports_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "recurrence.md").read_text()
    (code,) = re.findall(r"^```python onnx\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    layer, x = LSTM(1, 16, batch_first=True, bidirectional=True), torch.randn(2, 9, 1)
    exec(code, {"torch": torch, "layer": layer, "x": x})
    session = onnxruntime.InferenceSession("layer.onnx", providers=["CPUExecutionProvider"])
    x = torch.randn(3, 20, 1)
    with torch.no_grad():
        compare(dict(enumerate(flat(layer(x)).values())), run(session, x), 2 * tolerance("float32", 20))
