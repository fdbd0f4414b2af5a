"""Which backend serves, which does not and why, and what a command can say about it."""

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


ALL = {"cpu": backend(), "cpu-bfloat16": backend(), "triton": backend(), "reference": types.SimpleNamespace()}


@pytest.mark.parametrize(
    ("shape", "serving", "chosen"),
    [
        (NARROW, ("cpu", "torch", "reference"), "cpu"),
        (NARROW, ("torch", "reference"), "torch"),
        (NARROW._replace(device="cuda"), ("triton", "torch"), "torch"),
        (NARROW._replace(batch=None, steps=None), ("cpu", "torch"), "cpu"),
    ],
)
def test_auto_goes_by_the_rule(shape, serving, chosen):
    assert choose(shape, serving).backend == chosen


def widest(field="hidden", **change):
    """The widest layer that is ours; every narrower one is ours, every wider one torch's."""
    shapes = [NARROW._replace(**{**change, field: size}) for size in range(1, 16_385 if field == "inputs" else 1025)]
    chosen = [choose(shape, ("cpu", "torch")).backend for shape in shapes]
    ours = chosen.count("cpu")
    assert 0 < ours < len(chosen)
    assert chosen == ["cpu"] * ours + ["torch"] * (len(chosen) - ours)
    return ours


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
@pytest.mark.parametrize(("batch", "steps"), [(1, 1024), (15, 15), (15, 63), (16, 1024), (128, 63), (129, 15)])
def test_ours_are_the_narrow_layers(cell, batch, steps):
    assert widest(cell=cell, batch=batch, steps=steps) >= 16


def test_what_makes_ours_worth_it():
    """Long sequences and many samples do; two layers and wide inputs have more weights a node."""
    assert widest(steps=15, batch=129) < widest(steps=15) < widest(steps=63) < widest(steps=1024)
    assert widest(batch=15, steps=15) < widest(batch=15) < widest(batch=128)
    assert widest(threads=2, batch=16) < widest(threads=2, batch=16, directions=2) <= widest(batch=16)
    assert widest(layers=2, directions=2) < widest(layers=2) < widest()
    assert widest("inputs", cell="lstm") > widest()
    assert widest(cell="rnn_relu", inputs=129, batch=16) < widest(cell="rnn_relu", inputs=129, batch=15)


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
        ("cpu-bfloat16", True, False, "it rounds to bfloat16, only by name"),
        ("reference", True, False, "a slow oracle, only by name"),
    ]
    assert explain(NARROW, "torch") == [
        ("torch", True, True, "named"),
        ("cpu", True, False, "not the one named"),
        ("triton", False, False, "the layer is on cpu"),
        ("cpu-bfloat16", True, False, "not the one named"),
        ("reference", True, False, "not the one named"),
    ]


def test_tritons_interpreter_serves_on_the_cpu(modules, monkeypatch):
    modules(**ALL)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert obstacle("triton", NARROW) is None


def test_unknown_backends_are_refused():
    message = r"^unknown backend 'tritn', did you mean 'triton'\? \(recurrence\)$"
    for call in (lambda: resolve("tritn", NARROW), lambda: LSTM(1, 16, backend="tritn")):
        with pytest.raises(UnknownNameError, match=message):
            call()


def test_the_reference_is_always_there():
    assert obstacle("reference", NARROW) is None
    assert set(dispatch.BACKENDS) == {verdict.backend for verdict in explain(NARROW)}
