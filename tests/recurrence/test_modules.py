"""LSTM, GRU and RNN: against the oracle, and as drop-ins against torch.nn, by every backend that is there."""

import copy
import inspect
import io
import pickle
import re
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import compare, fresh_memory_is_nan, recurrence_by_reference, recurrence_by_torch, tolerance
from recurrence.pairs import (
    CELLS,
    GATES,
    KERNELS,
    STOCK,
    arrays,
    each_backend,
    each_bias,
    each_kernel,
    each_kind,
    flat,
    near,
    pair,
    weights_of,
)
from torch.nn.utils import prune

import ecrnn.recurrence
from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import GRU, LSTM, RNN, dispatch

pytestmark = pytest.mark.sampled()


@pytest.fixture(autouse=True)
def nan_memory():
    with fresh_memory_is_nan():
        torch.manual_seed(5)
        yield


def everything_equals_the_oracle(layer, cell, batch, steps, dtype):
    layer.to(dtype)
    given = arrays(layer, batch, steps)
    if dtype == torch.float32:  # both sides get the same rounded numbers
        given = {
            k: tuple(np.float32(a) for a in v) if isinstance(v, tuple) else np.float32(v) for k, v in given.items()
        }
    expected = recurrence_by_reference(cell, weights=weights_of(layer), **given)
    compare(expected, recurrence_by_torch(layer, **given), tolerance(dtype, steps))


@each_backend
@each_kind
@each_bias
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True)])
@pytest.mark.parametrize("steps", [1, 2, 63, 64, 65])
def test_everything_equals_the_oracle(*, backend, kind, bias_vectors, layers, bidirectional, steps):
    layer = kind(
        7,
        9,
        layers,
        batch_first=True,
        bidirectional=bidirectional,
        bias_vectors=bias_vectors,
        backend=backend,
        cutoff=0,
    )
    everything_equals_the_oracle(layer, CELLS[kind], batch=3, steps=steps, dtype=torch.float32)


@each_kind
@each_bias
@pytest.mark.parametrize("steps", [1, 64])
def test_float64_equals_the_oracle(kind, bias_vectors, steps):
    layer = kind(7, 9, 2, batch_first=True, bidirectional=True, bias_vectors=bias_vectors)
    everything_equals_the_oracle(layer, CELLS[kind], batch=3, steps=steps, dtype=torch.float64)


@each_backend
@each_bias
@pytest.mark.parametrize(
    ("kind", "options", "cell"),
    [
        (RNN, {"nonlinearity": "relu"}, "rnn_relu"),
        (LSTM, {"bias": False}, "lstm"),
        (GRU, {"bias": False, "num_layers": 2, "bidirectional": True}, "gru"),
    ],
)
def test_relu_and_layers_without_bias_equal_the_oracle(backend, kind, options, cell, bias_vectors):
    layer = kind(1, 5, batch_first=True, bias_vectors=bias_vectors, backend=backend, cutoff=0, **options)
    everything_equals_the_oracle(layer, cell, batch=1, steps=33, dtype=torch.float32)


@pytest.mark.sampled(most=20, slow=40)
@pytest.mark.parametrize("seed", range(200))
@pytest.mark.parametrize("backend", KERNELS[:1])
def test_random_shapes_equal_the_oracle(backend, seed):
    rng = np.random.default_rng(seed)
    kind = [LSTM, GRU, RNN][seed % 3]
    relu = {"nonlinearity": "relu"} if seed % 6 == 5 else {}
    layer = kind(
        int(rng.integers(1, 40)) if rng.random() < 0.7 else 1,
        int(rng.integers(1, 40)),
        int(rng.integers(1, 3)),
        batch_first=True,
        bidirectional=bool(rng.integers(2)),
        bias=rng.random() < 0.9,
        bias_vectors=int(rng.integers(1, 3)),
        backend=backend,
        cutoff=0,
        **relu,
    )
    batch, steps = int(rng.integers(1, 70)), int(rng.integers(1, 40))
    cell = "rnn_relu" if relu else CELLS[kind]
    everything_equals_the_oracle(layer, cell, batch, steps, dtype=torch.float32)


@each_kernel
def test_a_layer_with_wrong_gates_is_seen(backend):
    layer = LSTM(3, 4, batch_first=True, backend=backend)
    given = arrays(layer, 2, 3)
    expected = recurrence_by_reference("lstm", weights=weights_of(layer), **given)
    with torch.no_grad():
        layer.bias_ih_l0.copy_(layer.bias_ih_l0.roll(4))
    with pytest.raises(AssertionError, match="output: relative error"):
        compare(expected, recurrence_by_torch(layer, **given), 1e-3)


@each_kind
def test_signature_is_that_of_torch_and_three_more(kind):
    stock = typing.get_overloads(STOCK[kind].__init__)[0]  # the implementation itself takes *args
    ours = inspect.signature(kind.__init__).parameters
    assert [(p.name, p.default, p.kind) for p in ours.values()][:-3] == [
        (p.name, p.default, p.kind) for p in inspect.signature(stock).parameters.values()
    ]
    last = list(ours.values())[-3:]
    assert [(p.name, p.default) for p in last] == [("bias_vectors", 2), ("backend", "auto"), ("cutoff", 1e-8)]
    assert {p.kind for p in last} == {inspect.Parameter.KEYWORD_ONLY}


@each_backend
@each_kind
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_same_names_weights_and_outputs_as_torch(backend, kind, options):
    torch.manual_seed(1)
    stock = STOCK[kind](3, 5, batch_first=True, **options)
    torch.manual_seed(1)
    ours = kind(3, 5, batch_first=True, backend=backend, **options)
    assert isinstance(ours, STOCK[kind])
    assert list(ours.state_dict()) == list(stock.state_dict())
    compare(stock.state_dict(), ours.state_dict(), 0.0)
    given = arrays(stock, 2, 6)
    compare(recurrence_by_torch(stock, **given), recurrence_by_torch(ours, **given), near(backend, 6))

    other = kind(3, 5, batch_first=True, backend=backend, **options)
    other.load_state_dict(stock.state_dict())
    compare(recurrence_by_torch(ours, **given), recurrence_by_torch(other, **given), 0.0)


@each_backend
@each_kind
@each_bias
@pytest.mark.parametrize("batch_first", [False, True])
def test_dropout_in_training_and_not_in_evaluation(backend, kind, bias_vectors, batch_first):
    ours, stock = pair(kind, bias_vectors, backend, num_layers=2, dropout=0.5, batch_first=batch_first)
    plain, _ = pair(kind, bias_vectors, backend, num_layers=2, batch_first=batch_first)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(6, 2, 3)
    torch.manual_seed(3)
    in_training = flat(stock(x))
    torch.manual_seed(3)
    compare(in_training, flat(ours(x)), near(backend, 6))  # the same values are dropped
    assert not torch.equal(in_training["output"], flat(plain(x))["output"])
    compare(flat(plain(x)), flat(ours.eval()(x)), 0.0)


@each_bias
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_projection_of_the_lstm(bias_vectors):
    ours, stock = pair(LSTM, bias_vectors, num_layers=2, bidirectional=True, proj_size=2)
    x = torch.randn(6, 2, 3)
    assert ours.last_states(x)[0].shape == (4, 2, 2)
    compare(flat(stock(x)), flat(ours(x)), 0.0)
    assert ours.multiply_adds(1) == 2 * (20 * (3 + 2) + 2 * 5) + 2 * (20 * (4 + 2) + 2 * 5)


@each_kind
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_one_bias_vector_is_all_that_is_learnt_and_stored(kind, options):
    layer = kind(3, 5, **options, bias_vectors=1)
    assert list(layer.state_dict()) == [name for name, _ in layer.named_parameters()]
    assert not any(name.startswith("bias_hh") for name in layer.state_dict())
    assert [id(w) for w in layer._flat_weights] == [id(w) for ws in layer.all_weights for w in ws]
    inputs = [3, 10] if options.get("num_layers") else [3]
    directions = 1 + layer.bidirectional
    expected = sum(GATES[kind] * 5 * (i + 5 + layer.bias) * directions for i in inputs)
    assert sum(p.numel() for p in layer.parameters()) == expected
    assert layer.multiply_adds(7) == 7 * sum(GATES[kind] * 5 * (i + 5) * directions for i in inputs)


def test_lstm_counts_as_keras_does():
    """Table 1 of the paper: 16 nodes, two directions, one input; with torch's two vectors 2,432."""
    count = {n: sum(p.numel() for p in LSTM(1, 16, bidirectional=True, bias_vectors=n).parameters()) for n in (1, 2)}
    assert count == {1: 2304, 2: 2432}


def through_pickle(layer):
    return pickle.loads(pickle.dumps(layer))


def through_state_dict(layer):
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = type(layer)(3, 5, 2, bidirectional=True, bias_vectors=layer.bias_vectors)
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


def through_empty_memory(layer):
    other = type(layer)(3, 5, 2, bidirectional=True, bias_vectors=layer.bias_vectors, device="meta").to_empty(
        device="cpu"
    )
    other.reset_parameters()
    other.load_state_dict(layer.state_dict())
    return other


def through_double(layer):
    return layer.double().float()


@each_kind
@each_bias
@pytest.mark.parametrize(
    "way",
    [copy.deepcopy, through_pickle, through_state_dict, through_empty_memory, through_double],
    ids=lambda f: f.__name__,
)
def test_copies_compute_the_same_and_are_their_own(kind, bias_vectors, way):
    layer = kind(3, 5, 2, bidirectional=True, bias_vectors=bias_vectors)
    x = torch.randn(6, 2, 3)
    before = {name: value.clone() for name, value in flat(layer(x)).items()}
    other = way(layer)
    assert (type(other), other.bias_vectors) == (kind, bias_vectors)
    compare(before, flat(other(x)), 0.0)
    torch.optim.SGD(other.parameters(), lr=1.0).zero_grad()
    flat(other(x))["output"].sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in other.parameters())
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.1)
    assert not torch.equal(flat(other(x))["output"], before["output"])
    if way is not through_double:
        compare(before, flat(layer(x)), 0.0)


@each_kind
@each_bias
def test_moves_to_double(kind, bias_vectors):
    layer = kind(3, 5, bias_vectors=bias_vectors).double()
    assert flat(layer(torch.randn(6, 2, 3, dtype=torch.float64)))["output"].dtype == torch.float64
    assert {t.dtype for t in (*layer.parameters(), *layer.buffers())} == {torch.float64}


@each_kind
def test_functional_call_uses_the_weights_given(kind):
    layer, stock = pair(kind, 1)
    x = torch.randn(6, 2, 3)
    flat(layer(x))
    twice = {name: 2 * p.detach() for name, p in layer.named_parameters()}
    result = flat(torch.func.functional_call(layer, twice, (x,)))
    stock.load_state_dict({**{name: torch.zeros_like(w) for name, w in stock.state_dict().items()}, **twice})
    compare(flat(stock(x)), result, near("auto", 6))


@each_kind
@pytest.mark.parametrize("wrong", [0, 3, "2", None, True])
def test_other_numbers_of_bias_vectors_are_refused(kind, wrong):
    with pytest.raises(
        EcrnnError, match=rf"^bias_vectors must be 1 or 2, got {wrong!r} \(recurrence\.{kind.__name__}\)$"
    ):
        kind(3, 5, bias_vectors=wrong)


def test_representation_says_what_is_not_the_default():
    assert repr(LSTM(3, 5)) == "LSTM(3, 5)"
    assert repr(GRU(3, 5, bidirectional=True, bias_vectors=1)) == "GRU(3, 5, bidirectional=True, bias_vectors=1)"
    assert repr(RNN(3, 5, backend="torch", cutoff=0)) == "RNN(3, 5, backend='torch', cutoff=0)"


def test_package_is_complete():
    names = {"GRU", "LSTM", "RNN", "configure", "replace", "to_torch"}
    assert set(ecrnn.recurrence.__all__) == names <= set(dir(ecrnn.recurrence))
    with pytest.raises(AttributeError, match=r"module 'ecrnn\.recurrence' has no attribute 'LSTN'"):
        _ = ecrnn.recurrence.LSTN


def test_the_page_about_the_layers_runs_as_it_stands(capsys):
    page = (Path(__file__).parents[2] / "docs" / "recurrence.md").read_text()
    code = "".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    exec(code, {})
    assert len(capsys.readouterr().out.splitlines()) == len(dispatch.BACKENDS)


@each_kind
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_an_absent_bias_is_neither_parameter_nor_buffer(kind, options):
    layer = kind(3, 5, **options, bias_vectors=1)
    assert not list(layer.buffers())
    assert not any(name.startswith("bias_hh") for name in (*vars(layer), *dict(layer.named_parameters())))
    zeros = [w for w, name in zip(layer._flat_weights, layer._flat_weights_names, strict=True) if "bias_hh" in name]
    assert all(w.abs().max() == 0 and not w.requires_grad for w in zeros)
    assert len({w.data_ptr() for w in zeros}) == len(zeros)  # cuDNN wants weights that share no memory
    layer.double()
    assert {w.dtype for w in layer._flat_weights} == {torch.float64}
    layer.to("meta")
    assert {w.device.type for w in layer._flat_weights} == {"meta"}
    layer.to_empty(device="cpu")
    assert torch.equal(layer.bias_hh_l0, torch.zeros_like(layer.bias_ih_l0))
    with pytest.raises(AttributeError, match="no attribute 'bias_hh_l9'"):
        _ = layer.bias_hh_l9


@pytest.mark.parametrize("backend", ["torch", *KERNELS])
@each_kind
def test_zeros_made_in_inference_mode_serve_training(backend, kind):
    layer = kind(3, 5, bias_vectors=1, backend=backend)
    with torch.inference_mode():
        layer._flat_weights = [None] * len(layer._flat_weights)
        layer._init_flat_weights()
        layer(torch.zeros(6, 2, 3))
    layer(torch.zeros(6, 2, 3))[0].sum().backward()
    assert layer.bias_ih_l0.grad.abs().sum() > 0


def test_layers_pickled_with_zeros_among_their_buffers_lose_them():
    layer = LSTM(3, 5, bias_vectors=1)
    old = LSTM(3, 5, bias_vectors=1)
    state = layer.__getstate__() | {"_buffers": {"bias_hh_l0": torch.full((20,), torch.nan)}}
    old.__setstate__(state)
    assert not list(old.buffers())
    compare(flat(layer(torch.ones(6, 2, 3))), flat(old(torch.ones(6, 2, 3))), 0.0)


@each_backend
@each_kind
@each_bias
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"])
def test_pruning_as_with_torch(backend, kind, bias_vectors, name):
    ours, stock = pair(kind, bias_vectors, backend)
    x = torch.randn(6, 2, 3)
    for layer in (ours, stock):
        prune.l1_unstructured(layer, name, 0.5)
    mask = getattr(ours, f"{name}_mask")
    assert torch.equal(mask, getattr(stock, f"{name}_mask"))
    compare(flat(stock(x)), flat(ours(x)), near(backend, 6))
    ours.reset_parameters()
    flat(ours(x))["output"].sum().backward()
    assert torch.equal(getattr(ours, name) != 0, mask.bool())
    prune.remove(ours, name)
    assert not list(ours.buffers())


def doubled():
    module = torch.nn.Module()
    module.forward = lambda w: 2 * w
    return module


@each_backend
@each_kind
@each_bias
@pytest.mark.parametrize(
    "way",
    [
        lambda layer: torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0"),
        lambda layer: torch.nn.utils.parametrize.register_parametrization(layer, "bias_ih_l0", doubled()),
        lambda layer: torch.nn.utils.spectral_norm(layer, "weight_ih_l0"),
    ],
    ids=["weight norm", "a function", "spectral norm"],
)
def test_parametrised_weights_as_with_torch(backend, kind, bias_vectors, way):
    ours, stock = pair(kind, bias_vectors, backend)
    x, made = torch.randn(6, 2, 3), []
    for layer in (stock, ours):
        torch.manual_seed(7)
        way(layer)
        made.append(flat(layer(x)))
        made[-1]["output"].sum().backward()
    compare(*made, near(backend, 6))
    gradients = [
        {name: p.grad for name, p in layer.named_parameters() if not name.startswith("bias_hh")}
        for layer in (stock, ours)
    ]
    compare(*gradients, 10 * near(backend, 6))
