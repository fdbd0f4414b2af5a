"""Truncated back-propagation through time: the values of the whole sequence, the gradients of its pieces."""

import numpy as np
import pytest
import torch
from oracles import compare, recurrence_by_torch, tolerance
from recurrence.pairs import CELLS, arrays, each_backend, each_kind, weights_of

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import GRU, LSTM, RNN, configure, reference

pytestmark = pytest.mark.sampled()


def a_layer(kind, backend="auto", **options):
    torch.manual_seed(3)
    return kind(3, 5, batch_first=True, backend=backend, cutoff=0, **options)


def by_pieces(layer, most, x, initial, d_output, d_last):
    """Everything by the float64 oracle, of one layer in one or two directions: a call for each piece."""
    H, T = layer.hidden_size, x.shape[1]
    output, d_x = np.zeros(d_output.shape), np.zeros(x.shape)
    last, d_initial = [np.empty(s.shape) for s in initial], [np.empty(s.shape) for s in initial]
    d_weights = {f"d_{name}": np.zeros(w.shape) for name, w in weights_of(layer).items()}
    for d in range(1 + layer.bidirectional):
        end = "_reverse" if d else ""
        own = {n.removesuffix("_reverse"): w for n, w in weights_of(layer).items() if n.endswith("_reverse") == bool(d)}
        steps = np.arange(T)[::-1] if d else np.arange(T)
        pieces = [steps[max(0, stop - most) : stop] for stop in range(T, 0, -most)][::-1]
        states = tuple(s[d : d + 1] for s in initial)
        for k, piece in enumerate(pieces):
            made, states, cache = reference.forward(CELLS[type(layer)], x[:, piece], own, states)
            output[:, piece, d * H : (d + 1) * H] = made
            end_here = [np.zeros_like(s) for s in states] if k + 1 < len(pieces) else [s[d : d + 1] for s in d_last]
            d_part = d_output[:, piece, d * H : (d + 1) * H]
            d_piece, d_states, found = reference.backward(d_part, tuple(end_here), cache)
            d_x[:, piece] += d_piece
            for name, value in found.items():
                d_weights[f"d_{name}{end}"] += value
            for s, value in zip(d_initial, d_states, strict=True):
                if k == 0:
                    s[d] = value[0]
        for s, value in zip(last, states, strict=True):
            s[d] = value[0]
    names = ("h", "c")[: len(initial)]
    made = {"output": output, "d_x": d_x} | d_weights
    made |= {f"{n}_n": s for n, s in zip(names, last, strict=True)}
    return made | {f"d_{n}_0": s for n, s in zip(names, d_initial, strict=True)}


@each_backend
@each_kind
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("steps", "most"), [(12, 4), (13, 4), (9, 1), (5, 5), (4, 9)])
def test_it_is_the_oracle_piece_by_piece(backend, kind, both, steps, most):
    layer = a_layer(kind, backend, bidirectional=both)
    configure(layer, truncate=most)
    given = arrays(layer, 3, steps)
    compare(by_pieces(layer, most, **given), recurrence_by_torch(layer, **given), tolerance("float32", steps))


@each_backend
@each_kind
@pytest.mark.parametrize("both", [False, True])
def test_from_the_last_state_exactly_so_many_steps_have_a_gradient(backend, kind, both):
    layer, whole = (a_layer(kind, backend, bidirectional=both) for _ in range(2))
    configure(layer, truncate=4)
    x = torch.randn(2, 11, 3, requires_grad=True)
    states = layer.last_states(x)
    last = states[0] if kind is LSTM else states
    expected = whole.last_states(x)
    torch.testing.assert_close(last, expected[0] if kind is LSTM else expected)
    for d in range(1 + both):
        (gradient,) = torch.autograd.grad(last[d].sum(), x, retain_graph=True)
        reached = gradient.abs().sum((0, 2)).nonzero().flatten().tolist()
        assert reached == ([0, 1, 2, 3] if d else [7, 8, 9, 10])
        (full,) = torch.autograd.grad((expected[0] if kind is LSTM else expected)[d].sum(), x, retain_graph=True)
        torch.testing.assert_close(gradient[:, reached], full[:, reached], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_stacked_layers_and_time_first(backend):
    """Two layers in one module are two modules; (T, B, I) is (B, T, I) transposed; so in float64, by torch."""
    torch.manual_seed(3)
    two = GRU(3, 5, num_layers=2, bidirectional=True, backend=backend)
    below, above = (GRU(size, 5, batch_first=True, bidirectional=True, backend=backend) for size in (3, 10))
    for k, layer in enumerate((below, above)):
        weights = {n.replace("l0", f"l{k}"): n for n, _ in layer.named_parameters()}
        layer.load_state_dict({own: two.state_dict()[n] for n, own in weights.items()})
    for dtype in (torch.float32, torch.float64):
        for layer in (two, below, above):
            configure(layer.to(dtype), truncate=3, cutoff=0)
            layer.zero_grad()
        x = torch.randn(8, 2, 3, dtype=dtype)
        output, _ = two(x)
        expected, _ = above(below(x.transpose(0, 1))[0])
        torch.testing.assert_close(output, expected.transpose(0, 1))
        (output**2).sum().backward()
        (expected**2).sum().backward()
        torch.testing.assert_close(two.weight_hh_l0.grad, below.weight_hh_l0.grad)
        torch.testing.assert_close(two.weight_hh_l1_reverse.grad, above.weight_hh_l0_reverse.grad)


def test_without_a_gradient_nothing_is_cut():
    layer = a_layer(LSTM)
    x, lengths = torch.randn(2, 7, 3), torch.tensor([7, 4])
    expected = layer(x, lengths=lengths)[0]
    configure(layer, truncate=2)
    with torch.no_grad():
        assert torch.equal(layer(x, lengths=lengths)[0], expected)


def test_off_is_the_same_bits():
    layer = a_layer(RNN, "torch")
    x = torch.randn(2, 7, 3)
    expected = layer(x)[0]
    configure(layer, truncate=3)
    configure(layer, truncate=0)
    assert torch.equal(layer(x)[0], expected)
    assert "truncate" not in repr(layer)


def test_what_it_refuses():
    layer = a_layer(LSTM)
    for wrong in (-1, True, 2.0):
        with pytest.raises(EcrnnError, match=r"^truncate must be a number of steps, or 0 for all, got .*LSTM\)$"):
            configure(layer, truncate=wrong)
    configure(layer, truncate=3)
    assert "truncate=3" in repr(layer)
    with pytest.raises(EcrnnError, match=r"^truncate needs sequences of one length, without lengths or packing"):
        layer(torch.randn(2, 7, 3), lengths=torch.tensor([7, 4]))
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(4, 3), torch.randn(2, 3)])
    with pytest.raises(EcrnnError, match=r"^truncate needs sequences of one length"):
        layer(packed)
    projected = LSTM(3, 5, proj_size=2)
    configure(projected, truncate=3)
    with pytest.raises(EcrnnError, match=r"^truncate does not go with proj_size"):
        projected(torch.randn(7, 2, 3))
    with pytest.raises(RuntimeError):  # torch's own words
        layer(torch.randn(2, 7, 4))
