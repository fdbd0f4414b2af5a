"""Which backend serves, which does not and why, and what a command can say about it."""

import subprocess
import sys
import types

import pytest
import torch

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.recurrence import LSTM, dispatch
from ecrnn.recurrence.dispatch import Shape, choose, explain, obstacle, resolve

NARROW = Shape("lstm", inputs=1, hidden=16, batch=128, steps=1024)


@pytest.fixture(autouse=True)
def no_interpreter(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


@pytest.fixture
def modules(monkeypatch):
    """Backends by name in place of those that are there; an exception in place of a module is raised on import."""

    def put(**modules):
        def load(name):
            if isinstance(modules[name], ImportError):
                raise modules[name]
            return modules[name]

        load.cache_clear = lambda: None
        monkeypatch.setattr(dispatch, "load", load)
        dispatch.forget()

    yield put
    monkeypatch.undo()
    dispatch.forget()


def backend(obstacle=None, available=True):
    return types.SimpleNamespace(obstacle=lambda shape: obstacle, available=lambda: available)


ALL = {"cpu": backend(), "triton": backend(), "reference": types.SimpleNamespace()}


@pytest.mark.parametrize(
    ("shape", "serving", "chosen"),
    [
        (NARROW, ("cpu", "torch", "reference"), "cpu"),
        (NARROW, ("torch", "reference"), "torch"),
        (NARROW._replace(device="cuda"), ("triton", "torch"), "torch"),
        (NARROW._replace(hidden=446), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=447), ("cpu", "torch"), "torch"),
        (NARROW._replace(hidden=244, steps=63), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=245, steps=63), ("cpu", "torch"), "torch"),
        (NARROW._replace(hidden=125, steps=15), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=126, steps=15), ("cpu", "torch"), "torch"),
        (NARROW._replace(hidden=34, steps=15, batch=129), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=35, steps=15, batch=129), ("cpu", "torch"), "torch"),
        (NARROW._replace(hidden=125, batch=16, threads=2), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=126, batch=16, threads=2), ("cpu", "torch"), "torch"),
        (NARROW._replace(hidden=199, batch=15), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=200, batch=15), ("cpu", "torch"), "torch"),
        (NARROW._replace(hidden=157, batch=15, steps=15), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=158, batch=15, steps=15), ("cpu", "torch"), "torch"),
        (NARROW._replace(batch=None, steps=None), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=126, batch=16, threads=2, directions=2), ("cpu", "torch"), "cpu"),
        (NARROW._replace(inputs=12484), ("cpu", "torch"), "cpu"),
        (NARROW._replace(inputs=12485), ("cpu", "torch"), "torch"),
        (NARROW._replace(hidden=258, layers=2), ("cpu", "torch"), "cpu"),
        (NARROW._replace(hidden=259, layers=2, directions=2), ("cpu", "torch"), "torch"),
        (NARROW._replace(cell="gru", hidden=256), ("cpu", "torch"), "cpu"),
        (NARROW._replace(cell="gru", hidden=257), ("cpu", "torch"), "torch"),
        (NARROW._replace(cell="gru", hidden=256, steps=15), ("cpu", "torch"), "torch"),
        (NARROW._replace(cell="rnn_relu", hidden=65, inputs=129, batch=16), ("cpu", "torch"), "torch"),
        (NARROW._replace(cell="rnn_relu", hidden=128, inputs=129, batch=15), ("cpu", "torch"), "cpu"),
    ],
)
def test_auto_goes_by_the_rule(shape, serving, chosen):
    assert choose(shape, serving).backend == chosen


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("cpu", {"projected": True}, "it has no proj_size"),
        ("triton", {"dtype": "float64", "device": "cuda"}, "the weights are float64, it computes in float32"),
        ("reference", {"dtype": "bfloat16"}, "the weights are bfloat16, it computes in float32"),
        ("cpu", {"device": "cuda"}, "the layer is on cuda"),
        ("triton", {}, "the layer is on cpu"),
        ("reference", {"device": "meta"}, "the layer is on meta"),
    ],
)
def test_a_backend_that_cannot_serve_says_why(modules, name, change, reason):
    modules(**ALL)
    shape = NARROW._replace(device="cuda" if name == "triton" else "cpu")
    assert obstacle(name, shape) is None
    shape = NARROW._replace(**change)
    assert obstacle(name, shape) == reason
    assert obstacle("torch", shape) is None
    with pytest.raises(EcrnnError) as raised:
        resolve(name, shape)
    assert str(raised.value) == f"backend '{name}' cannot serve: {reason} (recurrence, lstm)"
    assert resolve("auto", shape).backend == ("cpu" if shape == NARROW else "torch")


def test_what_is_not_there_is_passed_over_and_named(modules):
    modules(cpu=backend(available=False), triton=ImportError("No module named 'triton'\nmore"), reference=backend())
    assert obstacle("cpu", NARROW) == "it was not built"
    assert obstacle("triton", NARROW._replace(device="cuda")) == "it is not installed: No module named 'triton'"
    assert resolve("auto", NARROW) == ("torch", "no faster backend can serve")
    with pytest.raises(EcrnnError, match=r"^backend 'cpu' cannot serve: it was not built \(recurrence, lstm\)$"):
        LSTM(1, 16, backend="cpu")(torch.zeros(3, 2, 1))


def test_a_backends_own_limits_are_heard(modules):
    modules(**ALL | {"cpu": backend(obstacle="over 512 nodes")})
    assert obstacle("cpu", NARROW) == "over 512 nodes"
    assert resolve("auto", NARROW).backend == "torch"


def test_forget_looks_anew(modules):
    modules(**ALL | {"cpu": backend(available=False)})
    assert resolve("auto", NARROW).backend == "torch"
    modules(**ALL)
    assert resolve("auto", NARROW).backend == "cpu"


def test_explain_says_of_every_backend_why(modules):
    modules(**ALL)
    assert explain(NARROW) == [
        ("cpu", True, True, "faster than torch up to 200,000 weights a gate at this batch, input and length"),
        ("triton", False, False, "the layer is on cpu"),
        (
            "torch",
            True,
            False,
            "not chosen: faster than torch up to 200,000 weights a gate at this batch, input and length (cpu)",
        ),
        ("reference", True, False, "a slow oracle, only by name"),
    ]
    assert explain(NARROW, "torch") == [
        ("torch", True, True, "named"),
        ("cpu", True, False, "not the one named"),
        ("triton", False, False, "the layer is on cpu"),
        ("reference", True, False, "not the one named"),
    ]


def test_tritons_interpreter_serves_on_the_cpu(modules, monkeypatch):
    modules(**ALL)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert obstacle("triton", NARROW) is None


def test_a_layer_on_the_cpu_loads_nothing_heavy():
    heavy = ("triton", "torch._dynamo", "torch._inductor", "sympy", "onnx")
    code = "import sys, torch, ecrnn.recurrence as r; r.LSTM(1, 16)(torch.zeros(3, 2, 1))[0].sum().backward(); "
    code += f"print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_backends_are_refused():
    message = r"^unknown backend 'tritn', did you mean 'triton'\? \(recurrence\)$"
    for call in (lambda: resolve("tritn", NARROW), lambda: LSTM(1, 16, backend="tritn")):
        with pytest.raises(UnknownNameError, match=message):
            call()


def test_the_reference_is_always_there():
    assert obstacle("reference", NARROW) is None
    assert set(dispatch.BACKENDS) == {verdict.backend for verdict in explain(NARROW)}
