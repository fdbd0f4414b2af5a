"""The operators and the short way past them: same bits, torch's checks, compiled, exported, and what a backend sees."""

import pytest
import torch
from oracles import compare, fresh_memory_is_nan, tolerance
from recurrence.pairs import backend_or_skip, each_kernel, each_kind, flat, initial
from torch._subclasses.fake_tensor import FakeTensorMode

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import GRU, LSTM, RNN, _by_reference
from ecrnn.recurrence.operators import recurrence

pytestmark = pytest.mark.sampled()

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
each_cell = pytest.mark.parametrize("cell", GATES)
forward, backward = torch.ops.ecrnn.recurrence.default, torch.ops.ecrnn.recurrence_backward.default


@pytest.fixture(autouse=True)
def nan_memory():
    with fresh_memory_is_nan():
        torch.manual_seed(5)
        yield


def given(cell, *, grad=True, time_first=False, lengths=False, batch=2, steps=3, inputs=2, nodes=3, directions=2):
    """x, weights, h_0, c_0, lengths as the operators take them."""
    rows = GATES[cell] * nodes
    shapes = [(rows, inputs), (rows, nodes), (rows,), (rows,)] * directions
    x = torch.randn(steps, batch, inputs).transpose(0, 1) if time_first else torch.randn(batch, steps, inputs)
    h_0, c_0 = torch.randn(directions, batch, nodes), torch.randn(directions, batch, nodes)
    return (
        x.requires_grad_(grad),
        [torch.randn(shape).mul(0.3).requires_grad_(grad) for shape in shapes],
        h_0.requires_grad_(grad),
        c_0.requires_grad_(grad) if cell == "lstm" else None,
        torch.tensor([steps] + [1] * (batch - 1)) if lengths else None,
    )


@pytest.mark.sampled(most=1)
@each_kernel
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize(
    ("time_first", "want_output", "keep"), [(False, True, True), (True, False, True), (True, True, False)]
)
def test_torchs_check_of_the_forward_operator(*, backend, cell, time_first, want_output, keep):
    # what is kept of steps beyond a sample's length is never written nor read: not the same twice
    arguments = given(cell, time_first=time_first, lengths=not keep)
    torch.library.opcheck(forward, (backend, cell, *arguments, want_output, keep, 1e-8))


@pytest.mark.sampled(most=1)
@each_kernel
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("needs", [False, True])
def test_torchs_check_of_the_backward_operator(backend, cell, needs):
    arguments = (backend, cell, *given(cell, grad=False, time_first=needs))
    saved = forward(*arguments, True, True, 0.0)[3]
    d_output, d_last = torch.randn(2, 3, 6), torch.randn(2, 2, 3)
    for d_h_n, d_c_n in ((None, d_last), (d_last, None)):
        grads = (d_output, d_h_n, d_c_n if cell == "lstm" else None)
        torch.library.opcheck(backward, (*arguments, saved, *grads, needs, needs, 0.0))


def results(made, arguments):
    """Outputs and all gradients."""
    leaves = [t for t in (arguments[0], *arguments[1], *arguments[2:4]) if t is not None]
    named = {f"made_{k}": t for k, t in enumerate(made[:3])}
    return named | dict(enumerate(torch.autograd.grad(sum(t.sin().sum() for t in made[:3]), leaves)))


@each_kernel
@each_cell
@pytest.mark.parametrize("want_output", [False, True])
def test_the_short_way_gives_the_operators_bits(backend, cell, want_output):
    arguments = given(cell, lengths=True, batch=5, steps=9)
    by_operator = results(forward(backend, cell, *arguments, want_output, True, 1e-8), arguments)
    compare(by_operator, results(recurrence(backend, (cell, *arguments), want_output, 1e-8), arguments), 0.0)
    with torch.no_grad():
        made = recurrence(backend, (cell, *arguments), want_output, 1e-8)
        by_operator = forward(backend, cell, *arguments, want_output, False, 1e-8)
    assert not made[0].requires_grad
    compare(dict(enumerate(by_operator[:3])), dict(enumerate(made)), 0.0)


@each_kernel
@each_cell
def test_what_was_traced_to_infer_has_gradients_all_the_same(backend, cell):
    arguments = given(cell, batch=5, steps=9)
    kept, not_kept = (results(forward(backend, cell, *arguments, True, keep, 0.0), arguments) for keep in (True, False))
    compare(kept, not_kept, tolerance("float32", 9))


@each_cell
def test_memory_order_follows_the_input(cell):
    for time_first in (False, True):
        arguments = given(cell, time_first=time_first, grad=False)
        for made in (
            recurrence("reference", (cell, *arguments), True, 0.0)[0],
            forward("reference", cell, *arguments, True, False, 0.0)[0],
        ):
            assert (made.stride(0) < made.stride(1)) == time_first


class Spy:
    """The reference backend's backward, and what it was given."""

    def __init__(self, monkeypatch):
        self.calls, backward = [], _by_reference.backward

        def spy(*arguments):
            self.calls.append(arguments)
            return backward(*arguments)

        monkeypatch.setattr(_by_reference, "backward", spy)

    def gradients(self):
        return [d is not None for d in self.calls[-1][2:5]]


@pytest.mark.parametrize("traced", [False, True])
def test_gradients_that_are_not_there_reach_the_backend_as_none(monkeypatch, traced):
    spy = Spy(monkeypatch)
    arguments = given("lstm")
    call = (
        (lambda: forward("reference", "lstm", *arguments, True, True, 0.25))
        if traced
        else (lambda: recurrence("reference", ("lstm", *arguments), True, 0.25))
    )
    for used, expected in (
        ((0,), [True, False, False]),
        ((1,), [False, True, False]),
        ((2,), [False, False, True]),
        ((0, 2), [True, False, True]),
    ):
        made = call()
        torch.autograd.backward(sum(made[k].sum() for k in used))
        assert spy.gradients() == expected
    assert spy.calls[-1][5:] == (True, True, 0.25)
    for t in (arguments[0], arguments[2], arguments[3]):
        t.requires_grad_(False)
    call()[0].sum().backward()
    assert spy.calls[-1][5:] == (False, False, 0.25)


@pytest.mark.parametrize("traced", [False, True])
def test_backends_get_gradients_whose_features_are_neighbours(monkeypatch, traced):
    spy = Spy(monkeypatch)
    arguments = given("gru")
    made = (
        forward("reference", "gru", *arguments, True, True, 0.0)
        if traced
        else recurrence("reference", ("gru", *arguments), True, 0.0)
    )
    (made[0].sum() + made[1].transpose(0, 2).sum()).backward()  # gradients of stride 0
    d_output, d_h_n = spy.calls[-1][2:4]
    assert d_output.stride(2) == 1
    assert d_h_n.is_contiguous()


def test_backends_get_inputs_whose_features_are_neighbours(monkeypatch):
    seen, run = [], _by_reference.forward
    monkeypatch.setattr(
        _by_reference, "forward", lambda call, *rest: seen.append(call[1].stride(2)) or run(call, *rest)
    )
    _, *rest = given("gru", inputs=1, grad=False)
    for x in (torch.randn(2, 1, 3).transpose(1, 2), torch.randn(2, 3, 4)[..., ::4]):
        assert x.stride(2) != 1
        recurrence("reference", ("gru", x, *rest), True, 0.0)
    assert seen == [1, 1]


@pytest.mark.parametrize("traced", [False, True])
def test_the_operators_have_no_second_derivative(traced):
    arguments = given("rnn_tanh")
    made = (
        forward("reference", "rnn_tanh", *arguments, True, True, 0.0)
        if traced
        else recurrence("reference", ("rnn_tanh", *arguments), True, 0.0)
    )
    (d_x,) = torch.autograd.grad(made[0].sin().sum(), arguments[0], create_graph=True)
    with pytest.raises(EcrnnError, match=r"^backend 'reference' has no second derivative, backend='torch' has \(rec"):
        d_x.sum().backward()


def test_modes_and_subclasses_see_the_operator():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Names(TorchDispatchMode):
        seen = ()

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.seen += (str(function),)
            return function(*args, **(kwargs or {}))

    layer = LSTM(2, 3, backend="reference")
    with Names() as names:
        layer(torch.randn(4, 1, 2))[0].sum().backward()
    assert {"ecrnn.recurrence.default", "ecrnn.recurrence_backward.default"} <= set(names.seen)
    with FakeTensorMode():
        output, (h_n, c_n) = LSTM(2, 3, bidirectional=True, backend="reference")(torch.empty(4, 7, 2))
    assert (output.shape, h_n.shape, c_n.shape) == ((4, 7, 6), (2, 7, 3), (2, 7, 3))


class Network(torch.nn.Module):
    def __init__(self, kind, backend):
        super().__init__()
        options = {"bidirectional": True, "batch_first": True, "backend": backend}
        self.below = kind(3, 4, 2, bias_vectors=1, **options)
        self.above = kind(8, 5, **options)

    def forward(self, x, hx=None):
        output, _ = self.below(x, hx)
        last = self.above.last_states(output)
        return output, last[0] if isinstance(last, tuple) else last


def outputs_and_gradients(call, network, x, hx):
    network.zero_grad()
    x = x.clone().requires_grad_()
    output, last = call(x, hx)
    (output.sin().sum() + last.cos().sum()).backward()
    return {"output": output, "last": last, "x": x.grad} | {name: p.grad for name, p in network.named_parameters()}


@pytest.fixture
def one_graph():
    """dynamo stops at every subclass of torch.nn.LSTM, GRU and RNN unless it is told not to."""
    import torch._dynamo

    torch._dynamo.reset()
    with torch._dynamo.config.patch(allow_rnn=True):
        yield
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(
    ("backend", "kind"), [backend_or_skip("cpu", kind) for kind in (LSTM, GRU, RNN)] + [("reference", LSTM)]
)
def test_compiles_to_one_graph_for_any_batch_and_length(one_graph, backend, kind):
    network = Network(kind, backend)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager", dynamic=True)
    for batch, steps in ((2, 5), (3, 9)):
        x, hx = torch.randn(batch, steps, 3), initial(network.below, batch)
        expected = outputs_and_gradients(network, network, x, hx)
        compare(expected, outputs_and_gradients(compiled, network, x, hx), 0.0)
        with torch.no_grad():
            compare({"output": network(x)[0]}, {"output": compiled(x)[0]}, 0.0)


@each_kernel
def test_compiles_around_the_layer_where_dynamo_stops(backend):
    network = Network(GRU, backend)
    compiled, x = torch.compile(network, backend="aot_eager"), torch.randn(2, 5, 3)
    expected = outputs_and_gradients(network, network, x, None)
    compare(expected, outputs_and_gradients(compiled, network, x, None), 0.0)
    torch._dynamo.reset()


@pytest.mark.sampled(most=2)
@each_kernel
@each_kind
def test_exports_with_any_batch_and_length(backend, kind):
    network = Network(kind, backend)
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(network, (torch.randn(2, 5, 3),), dynamic_shapes=(axes,))
    calls = [n.args for n in program.graph.nodes if n.target is forward]
    assert [(a[0], a[8]) for a in calls] == [(backend, False)] * 3  # nothing is kept
    for batch, steps in ((2, 5), (1, 1), (7, 33)):
        x = torch.randn(batch, steps, 3)
        with torch.no_grad():
            made, expected = program.module()(x), network(x)
        compare(dict(enumerate(expected)), dict(enumerate(made)), 0.0)
    program.module()(x)[0].sum().backward()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit:DeprecationWarning")
def test_what_is_traced_by_torchscript_is_torchs():
    layer, x = RNN(3, 5, backend="reference"), torch.randn(4, 2, 3)
    traced = torch.jit.trace(layer, (x,), check_trace=False)
    assert "rnn_tanh" in str(traced.graph)
    torch.testing.assert_close(flat(traced(x))["output"], flat(layer(x))["output"], rtol=0, atol=1e-6)
