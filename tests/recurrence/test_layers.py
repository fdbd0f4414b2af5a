"""What LSTM, GRU and RNN have in common: packed and padded sequences, last states, types, gradients, backends."""

import contextlib
import gc
import resource

import pytest
import torch
from oracles import compare, fresh_memory_is_nan
from recurrence.pairs import (
    KERNELS,
    STOCK,
    each_backend,
    each_bias,
    each_kernel,
    each_kind,
    flat,
    initial,
    near,
    pair,
    states_of,
)
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.recurrence import GRU, LSTM, RNN, configure, dispatch

pytestmark = pytest.mark.sampled()


@pytest.fixture(autouse=True)
def nan_memory():
    with fresh_memory_is_nan():
        torch.manual_seed(5)
        yield


@each_backend
@each_kind
@each_bias
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}])
def test_packed_sequences(backend, kind, bias_vectors, in_order, options):
    ours, stock = pair(kind, bias_vectors, backend, **options)
    lengths = (7, 4, 1) if in_order else (4, 7, 1)
    sequences = [torch.randn(n, 3, requires_grad=True) for n in lengths]
    hx = initial(ours, 3)
    results = []
    for layer in (stock, ours):
        result = layer(pack_sequence(sequences, enforce_sorted=in_order), hx)
        assert isinstance(result[0], PackedSequence)
        floats = [t for t in flat(result).values() if t.is_floating_point()]
        loss = sum((t * torch.arange(t.numel()).view(t.shape).sin()).sum() for t in floats)
        d_sequences = torch.autograd.grad(loss, sequences, retain_graph=True)
        d_weights = torch.autograd.grad(loss, [layer.weight_hh_l0, layer.bias_ih_l0])
        named = enumerate((*d_sequences, *d_weights))
        results.append(flat(result) | {f"gradient_{k}": d for k, d in named})
    compare(*results, near(backend, 7))


@each_backend
@each_kind
@pytest.mark.parametrize("batch_first", [False, True])
def test_lengths_are_packing_without_the_packing(backend, kind, batch_first):
    ours, stock = pair(kind, 2, backend, num_layers=2, bidirectional=True, batch_first=batch_first)
    x, lengths = torch.randn(3, 7, 3), torch.tensor([4, 7, 1])
    packed = pack_sequence([x[b, :n] for b, n in enumerate(lengths)], enforce_sorted=False)
    output, last = stock(packed, initial(ours, 3))
    expected = flat((pad_packed_sequence(output, batch_first)[0], last))
    given = x if batch_first else x.transpose(0, 1)
    compare(expected, flat(ours(given, initial(ours, 3), lengths=lengths)), near(backend, 7))
    compare(expected, flat(ours(given, initial(ours, 3), lengths=lengths.int())), near(backend, 7))
    expected.pop("output")
    compare(expected, states_of(ours.last_states(given, initial(ours, 3), lengths)), near(backend, 7))


@each_backend
@pytest.mark.parametrize("lengths", [[0, 2], [1, 8], [1], [[1], [2]]])
def test_impossible_lengths_are_refused(backend, lengths):
    layer = LSTM(3, 5, batch_first=True, backend=backend)
    with pytest.raises(EcrnnError, match=r"^lengths must be "):
        layer(torch.randn(2, 7, 3), lengths=torch.tensor(lengths))


def test_lengths_of_a_single_or_packed_sequence_are_refused():
    layer, x = LSTM(3, 5), torch.randn(4, 3)
    for given in (x, pack_sequence([x])):
        with pytest.raises(EcrnnError, match=r"^lengths go with input of three dimensions \(recurrence\)$"):
            layer(given, lengths=torch.tensor([4]))


@each_backend
@each_kind
@pytest.mark.parametrize("layers", [1, 2])
def test_last_states_are_those_of_the_call(backend, kind, layers):
    layer = kind(3, 5, layers, bidirectional=True, batch_first=True, backend=backend)
    x = torch.randn(2, 6, 3)
    for given in (x, x[0], pack_sequence([x[0], x[1, :3]])):
        _, last = layer(given)
        compare(states_of(last), states_of(layer.last_states(given)), 0.0)
    seen = []
    layer.register_forward_hook(lambda module, inputs, made: seen.append(made[0].shape))
    layer.last_states(x)
    layer.batch_first = False
    layer.last_states(x)
    assert seen == [(2, 0, 10), (0, 6, 10)]  # hooks run, without steps


@each_backend
@each_kind
@each_bias
def test_unbatched_and_time_first_inputs(backend, kind, bias_vectors):
    ours, stock = pair(kind, bias_vectors, backend, bidirectional=True)
    for x in (torch.randn(6, 3), torch.randn(6, 2, 3)):
        compare(flat(stock(x)), flat(ours(x)), near(backend, 6))
        hx = initial(ours, 2)
        if x.dim() == 2:
            hx = tuple(h[:, 0] for h in hx) if isinstance(hx, tuple) else hx[:, 0]
        compare(flat(stock(x, hx)), flat(ours(x, hx)), near(backend, 6))


@each_kernel
@each_kind
@pytest.mark.parametrize(
    "x",
    [
        torch.arange(42.0).sin().view(2, 7, 3)[:, ::2],
        torch.arange(84.0).sin().view(2, 7, 6)[..., ::2],
        torch.arange(42.0).sin().view(3, 7, 2).permute(2, 1, 0),
        torch.arange(3.0).expand(2, 7, 3),
        torch.arange(42.0).sin().view(2, 7, 3).flip(1)[:, 1:],
    ],
)
def test_inputs_of_any_strides(backend, kind, x):
    ours, stock = pair(kind, 2, backend, bidirectional=True, batch_first=True)
    compare(flat(stock(x.contiguous())), flat(ours(x)), near(backend, 7))
    ours, stock = kind(1, 5, batch_first=True, backend=backend), STOCK[kind](1, 5, batch_first=True)
    stock.load_state_dict(ours.state_dict())
    x = x[..., :1].transpose(1, 2).contiguous().transpose(1, 2)  # (B, T, 1) whose last stride is not 1
    compare(flat(stock(x)), flat(ours(x)), near(backend, 7))


@each_kernel
@each_kind
@pytest.mark.parametrize("features", [1, 3])
def test_inputs_whose_sign_is_a_mark(backend, kind, features):
    """The imaginary part of a conjugate lies in memory with the other sign."""
    z = torch.complex(torch.zeros(20, 7, features), torch.arange(140.0 * features).sin().view(20, 7, features)).conj()
    for x in (z.imag, z[..., 0].imag.unsqueeze(2).expand(20, 7, features)):
        assert x.is_neg()
        ours, stock = kind(features, 5, batch_first=True, backend=backend), STOCK[kind](features, 5, batch_first=True)
        stock.load_state_dict(ours.state_dict())
        compare(flat(stock(x.contiguous())), flat(ours(x)), near(backend, 7))


@each_backend
@each_kind
@pytest.mark.parametrize("frozen", ["weight_ih_l0", "weight_hh_l0_reverse", "bias_ih_l1"])
def test_frozen_weights_get_no_gradient(backend, kind, frozen):
    ours, stock = pair(kind, 2, backend, num_layers=2, bidirectional=True)
    gradients = []
    for layer in (stock, ours):
        layer.get_parameter(frozen).requires_grad_(False)
        layer(torch.ones(6, 2, 3))[0].sum().backward()
        gradients.append({name: p.grad for name, p in layer.named_parameters() if name != frozen})
        assert layer.get_parameter(frozen).grad is None
    compare(*gradients, near(backend, 6))


@each_kernel
@each_kind
def test_gradients_go_to_the_initial_states_alone(backend, kind):
    ours, stock = pair(kind, 2, backend, bidirectional=True)
    gradients = []
    for layer in (stock, ours):
        layer.requires_grad_(False)
        hx = initial(layer, 2)
        leaves = [h.requires_grad_() for h in (hx if isinstance(hx, tuple) else (hx,))]
        loss = layer(torch.ones(6, 2, 3), hx)[0].square().sum()
        gradients.append(dict(enumerate(torch.autograd.grad(loss, leaves))))
    compare(*gradients, near(backend, 6))


@each_kernel
def test_gradients_own_their_memory(backend):
    layer = LSTM(3, 5, bidirectional=True, backend=backend)
    layer(torch.ones(6, 2, 3))[0].sum().backward()
    before = layer.bias_hh_l0.grad.clone()
    layer.bias_ih_l0.grad.zero_()
    layer.weight_hh_l0_reverse.grad.zero_()
    assert torch.equal(layer.bias_hh_l0.grad, before)


AUTOCAST = [
    (torch.bfloat16, x, h) for x in (torch.float32, torch.bfloat16) for h in (None, torch.float32, torch.bfloat16)
]
AUTOCAST += [(torch.float16, torch.float16, h) for h in (None, torch.float32, torch.float16)]


@each_kernel
@each_kind
@pytest.mark.parametrize(("half", "x_type", "h_type"), AUTOCAST)
def test_autocast_computes_in_float32_and_returns_torchs_type(backend, kind, half, x_type, h_type):
    ours, stock = pair(kind, 2, backend, num_layers=2, bidirectional=True)
    x = torch.randn(6, 2, 3).to(x_type).requires_grad_()
    hx = None if h_type is None else initial(ours, 2)
    if hx is not None:
        hx = tuple(h.to(h_type) for h in hx) if isinstance(hx, tuple) else hx.to(h_type)
    with torch.autocast("cpu", dtype=half):
        expected, made = flat(stock(x, hx)), flat(ours(x, hx))
    assert {name: t.dtype for name, t in made.items()} == {name: t.dtype for name, t in expected.items()}
    wide = None if hx is None else tuple(h.float() for h in hx) if isinstance(hx, tuple) else hx.float()
    exact = {name: t.to(made[name].dtype) for name, t in flat(ours(x.float(), wide)).items()}
    compare(exact, made, 0.0)
    made["output"].float().sum().backward()
    assert x.grad.dtype == x_type


PACKED = [(*case, [6, 4]) for case in (*AUTOCAST, (torch.float16, torch.float32, torch.bfloat16))]
PACKED += [(*case, [6, 6]) for case in AUTOCAST if case[0] == torch.bfloat16]


@each_kind
@pytest.mark.parametrize(("half", "x_type", "h_type", "lengths"), PACKED)
def test_autocast_returns_torchs_type_for_packed_input_too(kind, half, x_type, h_type, lengths):
    ours, stock = pair(kind, 2)
    x = pack_padded_sequence(torch.randn(6, 2, 3).to(x_type), lengths)
    hx = None if h_type is None else initial(ours, 2)
    if hx is not None:
        hx = tuple(h.to(h_type) for h in hx) if isinstance(hx, tuple) else hx.to(h_type)
    with torch.autocast("cpu", dtype=half):
        assert [t.dtype for t in flat(ours(x, hx)).values()] == [t.dtype for t in flat(stock(x, hx)).values()]


@each_kind
@pytest.mark.parametrize("fault", ["features", "samples", "nodes", "dtype"])
def test_packed_input_that_does_not_fit_is_refused(kind, fault):
    """torch's LSTM does not look at packed input, and its kernel then writes beyond its memory."""
    ours, _ = pair(kind)
    x = torch.randn(6, 2, 8 if fault == "features" else 3, dtype=torch.float64 if fault == "dtype" else None)
    h = torch.randn(1, 3 if fault == "samples" else 2, ours.hidden_size + (fault == "nodes"))
    with pytest.raises((RuntimeError, ValueError), match=r"input\.size\(-1\) must|Expected hidden|input dtype"):
        ours(pack_padded_sequence(x, [6, 4]), (h, h) if kind is LSTM else h)


@each_kind
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_torchs_under_auto_and_refused_by_name(kind, dtype):
    ours, stock = pair(kind, dtype=dtype)
    x = torch.randn(6, 2, 3, dtype=dtype)
    compare(flat(stock(x)), flat(ours(x)), 0.0)
    configure(ours, backend="reference")
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(
        EcrnnError, match=rf"^backend 'reference' cannot serve: the weights are {name}, it computes in fl"
    ):
        ours(x)


@each_backend
@each_kind
def test_what_torch_refuses_is_refused_in_its_words(backend, kind):
    ours, stock = pair(kind, 2, backend)
    h = initial(ours, 2)
    flat_h = h if isinstance(h, tuple) else (h,)
    wrong_batch = tuple(torch.zeros(1, 3, 5) for _ in flat_h)
    wrong_type = tuple(s.double() for s in flat_h)
    for x, hx in (
        (torch.zeros(()), None),
        (torch.zeros(3), None),
        (torch.zeros(1, 6, 2, 3), None),
        (torch.zeros(6, 2, 4), None),
        (torch.zeros(0, 2, 3), None),
        (torch.zeros(6, 2, 3).double(), None),
        (torch.zeros(6, 2, 3).long(), None),
        (torch.zeros(6, 3), h),
        (torch.zeros(6, 2, 3), wrong_batch if len(flat_h) == 2 else wrong_batch[0]),
        (torch.zeros(6, 2, 3), wrong_type if len(flat_h) == 2 else wrong_type[0]),
        (torch.zeros(6, 2, 3), flat_h[0] if len(flat_h) == 2 else (flat_h[0],)),
    ):
        with pytest.raises(Exception) as expected:
            stock(x, hx)
        with pytest.raises(type(expected.value)) as raised:
            ours(x, hx)
        assert str(raised.value) == str(expected.value)


@each_backend
@each_kind
def test_an_empty_batch_is_served_as_by_torch(backend, kind):
    ours, stock = pair(kind, 2, backend, bidirectional=True)
    compare(flat(stock(torch.zeros(6, 0, 3))), flat(ours(torch.zeros(6, 0, 3))), 0.0)


@each_kernel
@each_kind
def test_second_derivatives_are_refused_with_the_way_out(backend, kind):
    x = torch.randn(6, 2, 3, requires_grad=True)
    layer = kind(3, 5, backend=backend)
    (d_x,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(EcrnnError, match=rf"^backend '{backend}' has no second derivative, backend='torch' has \(rec"):
        d_x.square().sum().backward()
    configure(layer, backend="torch")
    (d_x,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
    d_x.square().sum().backward()
    assert layer.weight_hh_l0.grad.abs().max() > 0


@each_kernel
@each_kind
def test_gradients_of_single_samples_by_torch_func(backend, kind):
    layer = kind(3, 5, bidirectional=True, backend=backend)
    weights = {name: p.detach() for name, p in layer.named_parameters()}
    x = torch.randn(4, 6, 3)

    def loss(weights, sequence):
        return torch.func.functional_call(layer, weights, (sequence,))[0].square().sum()

    together = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
    alone = [torch.func.grad(loss)(weights, sequence) for sequence in x]
    compare({name: torch.stack([a[name] for a in alone]) for name in weights}, together, 0.0)
    layer.zero_grad()
    layer(x[0])[0].square().sum().backward()
    compare({name: p.grad for name, p in layer.named_parameters()}, alone[0], 0.0)


@pytest.mark.sampled(most=1)
@each_kernel
def test_fifty_steps_leave_nothing_behind(backend):
    layer = LSTM(1, 8, bidirectional=True, backend=backend)
    x = torch.randn(200 if backend == "cpu" else 5, 64, 1)

    def step():
        layer.zero_grad()
        layer(x)[0].sum().backward()

    def left():
        gc.collect()
        tensors = sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())
        return tensors, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(5):
        step()
    before, memory = left()
    for _ in range(50):
        step()
    after, peak = left()
    assert after == before
    assert peak - memory < 20_000  # KiB; every step keeps over 0.8 MB for its gradient


@pytest.mark.parametrize("backend", [p for p in each_kernel.args[1] if p != "reference"])
@each_kind
@pytest.mark.parametrize("batch", [1, 70])
def test_bits_are_the_same_for_any_number_of_threads(backend, kind, batch):
    layer, x = kind(2, 9, 2, bidirectional=True, backend=backend), torch.randn(40, batch, 2)

    def everything():
        layer.zero_grad()
        made = flat(layer(x))
        made["output"].square().sum().backward()
        return made | {name: p.grad.clone() for name, p in layer.named_parameters()}

    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(everything())
    finally:
        torch.set_num_threads(before)
    compare(results[0], results[1], 0.0)
    compare(results[0], results[2], 0.0)


@each_kernel
@each_kind
def test_cutoff_changes_nothing_beyond_rounding(backend, kind):
    layer, x = kind(1, 16, bidirectional=True, backend=backend), torch.randn(300, 5, 1)
    gradients = []
    for cutoff in (0, 1e-8):
        configure(layer, cutoff=cutoff)
        layer.zero_grad()
        h_n = layer.last_states(x)
        (h_n[0] if isinstance(h_n, tuple) else h_n).sum().backward()
        gradients.append({name: p.grad.clone() for name, p in layer.named_parameters()})
    compare(*gradients, 1e-6)


def test_configure_sets_all_our_layers_and_no_other():
    ours, stock = LSTM(3, 5, cutoff=0), torch.nn.LSTM(3, 5)
    network = torch.nn.Sequential(torch.nn.ModuleList([ours, GRU(5, 5)]), stock)
    configure(network, backend="reference")
    assert [(m.backend, m.cutoff) for m in network[0]] == [("reference", 0.0), ("reference", 1e-8)]
    configure(network, cutoff=0.5)
    assert [(m.backend, m.cutoff) for m in network[0]] == [("reference", 0.5), ("reference", 0.5)]
    assert not hasattr(stock, "backend")
    with pytest.raises(UnknownNameError, match=r"^unknown backend 'tritn', did you mean 'triton'\? \(recurrence\)$"):
        configure(network, backend="tritn")


@each_kind
@pytest.mark.parametrize("wrong", [-1e-9, 1, float("nan"), "0", True])
def test_impossible_cutoffs_are_refused(kind, wrong):
    with pytest.raises(
        EcrnnError, match=rf"^cutoff must be in \[0, 1\), got {wrong!r} \(recurrence\.{kind.__name__}\)$"
    ):
        kind(3, 5, cutoff=wrong)


def test_the_backend_named_is_the_one_that_computes(monkeypatch):
    called = []
    for name in ("reference", "cpu"):
        monkeypatch.setattr(dispatch.load(name), "forward", lambda *a, name=name: called.append(name) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        RNN(3, 5, backend="reference")(torch.zeros(6, 2, 3))
    RNN(3, 5, backend="torch")(torch.zeros(6, 2, 3))
    assert called == ["reference"]


@each_kind
def test_a_call_like_the_last_goes_straight_on_to_torch(monkeypatch, kind):
    layer, x = kind(3, 300), torch.randn(2, 4, 3)  # 300 nodes are torch's
    first = layer(x)
    looked = []
    look = type(layer)._backend_for
    monkeypatch.setattr(type(layer), "_backend_for", lambda *a: looked.append(a[1]) or look(*a))
    compare(flat(first), flat(layer(x)), 0.0)
    assert not looked
    for changed in (torch.randn(2, 5, 3), x.double(), pack_sequence([x[:, 0]])):
        looked.clear()
        with contextlib.suppress(ValueError, RuntimeError):  # torch refuses the wrong type
            layer(changed)
        assert looked == [changed]
        layer(x)
    looked.clear()
    layer(x, want_output=False)
    layer(x, lengths=torch.tensor([2, 1, 2, 1]))
    configure(layer, truncate=1)
    layer(x)
    configure(layer, truncate=0)
    layer(x)
    layer.backend = "reference"
    layer(x)
    assert len(looked) == 5


@pytest.mark.parametrize("backend", KERNELS[:1])
def test_a_refused_call_does_not_hand_the_next_to_torch(monkeypatch, backend):
    layer, x = LSTM(3, 5), torch.randn(2, 4, 3)
    with pytest.raises(RuntimeError):
        layer(x, (torch.zeros(1, 3, 5), torch.zeros(1, 3, 5)))
    monkeypatch.setattr(dispatch.load(backend), "forward", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        layer(x)


def in_memory_otherwise(x):
    """The values of a (T, B, I) with its dimensions in other orders in memory, strided and expanded."""
    for order, back in (((1, 0, 2), (1, 0, 2)), ((1, 2, 0), (2, 0, 1)), ((2, 0, 1), (1, 2, 0)), ((0, 2, 1), (0, 2, 1))):
        yield x.permute(order).contiguous().permute(back)
    yield x
    yield x.repeat_interleave(2, 2)[..., ::2]
    yield x.repeat_interleave(2, 0)[::2]
    yield x[:1].expand_as(x)
    yield x[:, :1].expand_as(x)


@each_kernel
@each_kind
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("shape", [(6, 5, 3), (6, 1, 3), (1, 5, 3)])
def test_time_first_results_lie_in_memory_as_torchs(backend, kind, options, shape):
    ours, stock = pair(kind, 2, backend, **options)
    with torch.no_grad():
        for x in in_memory_otherwise(torch.randn(shape)):
            expected, made = flat(stock(x)), flat(ours(x))
            compare(expected, made, near(backend, 6))
            assert {name: t.stride() for name, t in made.items()} == {name: t.stride() for name, t in expected.items()}
            assert made["output"].view(-1, made["output"].shape[2]).shape[0] == shape[0] * shape[1]


@each_kernel
@each_kind
def test_time_first_results_are_made_where_they_lie(backend, kind):
    """An input in another order is copied, not the output, which is wider."""
    for x in in_memory_otherwise(torch.randn(6, 5, 3)):
        assert type(kind(3, 5, backend=backend)(x)[0].grad_fn).__name__.startswith("Transpose")


@each_kernel
@each_kind
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_gradients_in_batches(backend, kind, options):
    layer, x = kind(3, 5, backend=backend, **options), torch.randn(6, 2, 3, requires_grad=True)
    output, last = layer(x)
    h_n = last[0] if isinstance(last, tuple) else last
    inputs, cotangents = [x, *layer.parameters()], [torch.randn(4, *t.shape) for t in (output, h_n)]
    alone = [
        torch.autograd.grad([output, h_n], inputs, [c[n] for c in cotangents], retain_graph=True) for n in range(4)
    ]
    expected = {k: torch.stack(each) for k, each in enumerate(zip(*alone, strict=True))}
    together = torch.autograd.grad([output, h_n], inputs, cotangents, is_grads_batched=True, retain_graph=True)
    compare(expected, dict(enumerate(together)), 0.0)
    by_vmap = torch.func.vmap(lambda *c: torch.autograd.grad([output, h_n], inputs, c, retain_graph=True))(*cotangents)
    compare(expected, dict(enumerate(by_vmap)), 0.0)

    def of(values):
        return layer(values)[0].sum((1, 2))

    exact = torch.autograd.functional.jacobian(of, x.detach())
    for made in (
        torch.autograd.functional.jacobian(of, x.detach(), vectorize=True),
        torch.func.jacrev(of)(x.detach()),
        torch.func.jacrev(of, chunk_size=2)(x.detach()),
    ):
        compare({"d": exact}, {"d": made}, 0.0)


@pytest.mark.sampled(most=4)
@pytest.mark.parametrize("backend", ["auto", "torch", *KERNELS])
@each_kind
@each_bias
def test_the_processs_default_type_and_device_change_nothing(backend, kind, bias_vectors):
    layer = kind(3, 16, 2, bidirectional=True, bias_vectors=bias_vectors, backend=backend, batch_first=True)
    lengths = torch.tensor([70, 3, 70], device="cpu")
    x = torch.randn(3, 70, 3)
    sequences = pack_sequence([x[0], x[1, :3]])

    def everything():
        layer.zero_grad()
        made = flat(layer(x, lengths=lengths)) | {f"packed_{k}": t for k, t in flat(layer(sequences)).items()}
        made["output"].sum().backward()
        return made | {name: p.grad.clone() for name, p in layer.named_parameters()}

    expected = everything()
    for default in (torch.float64, torch.bfloat16):
        torch.set_default_dtype(default)
        try:
            compare(expected, everything(), 0.0)
        finally:
            torch.set_default_dtype(torch.float32)
    with torch.device("meta"):
        made = everything()
    compare(expected, made, 0.0)


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")  # by which torch loads forward mode
@each_kernel
@each_kind
def test_forward_mode_is_refused_with_the_way_out(backend, kind):
    layer, x = kind(3, 5, backend=backend), torch.randn(6, 2, 3)
    with pytest.raises(EcrnnError, match=rf"^backend '{backend}' has no forward-mode derivative, backend='torch' has "):
        torch.func.jacfwd(lambda values: layer(values)[0])(x)
    with torch.autograd.forward_ad.dual_level(), pytest.raises(EcrnnError, match="no forward-mode derivative"):
        layer(torch.autograd.forward_ad.make_dual(x, x))


@each_kind
@each_bias
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "batch_first": True}])
def test_tensors_without_values_have_torchs_shapes(kind, bias_vectors, options):
    ours, stock = kind(3, 5, bias_vectors=bias_vectors, device="meta", **options), STOCK[kind](3, 5, **options)
    x = torch.randn(6, 2, 3)
    made, expected = flat(ours(x.to("meta"))), flat(stock(x))
    assert {name: (t.shape, t.device.type) for name, t in made.items()} == {
        name: (t.shape, "meta") for name, t in expected.items()
    }
    made["output"].sum().backward()
    assert ours.weight_hh_l0.grad.shape == ours.weight_hh_l0.shape
