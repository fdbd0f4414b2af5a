"""A built network with this package's layers in place of torch's, and the other way round."""

import copy
import io
import warnings

import pytest
import torch
from recurrence.pairs import STOCK, each_kind, flat
from torch import nn
from torch.nn.utils import parametrizations, prune

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.recurrence import GRU, LSTM, RNN, configure, replace, to_torch
from ecrnn.recurrence.replacing import call

pytestmark = pytest.mark.sampled()

OPTIONS = [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.5}, {"bias": False}, {"batch_first": True}]


class Net(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.dense = nn.Linear(3, 3)
        self.rnn = kind(3, 8, batch_first=True, **options)

    def forward(self, x):
        return self.rnn(self.dense(x))[0]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


@each_kind
@pytest.mark.parametrize("options", OPTIONS)
def test_a_layer_and_back(kind, options):
    layer = STOCK[kind](3, 8, **options).eval()
    x, parameters = torch.randn(5, 4, 3), dict(layer.named_parameters())
    expected = flat(layer(x))
    assert replace(layer) is layer
    assert (type(layer), layer.bias_vectors, layer.backend, layer.truncate) == (kind, 2, "auto", 0)
    assert not layer.training
    assert all(parameters[name] is p for name, p in layer.named_parameters())
    for name, made in flat(layer(x)).items():
        torch.testing.assert_close(made, expected[name], atol=1e-5, rtol=1e-4)
    back = to_torch(layer)
    assert type(back) is STOCK[kind]
    assert (type(layer), repr(back)) == (kind, repr(STOCK[kind](3, 8, **options)))
    assert vars(back).keys() == vars(STOCK[kind](3, 8, **options)).keys()
    assert all(torch.equal(a, b) for a, b in zip(flat(back(x)).values(), expected.values(), strict=True))
    assert {id(p) for p in back.parameters()}.isdisjoint(map(id, parameters.values()))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_projections_and_nonlinearity_stay():
    network = nn.ModuleList([nn.LSTM(3, 8, proj_size=2), nn.RNN(3, 8, nonlinearity="relu"), nn.GRU(3, 8).double()])
    replace(network, backend="auto", cutoff=0)
    assert [type(layer) for layer in network] == [LSTM, RNN, GRU]
    assert [(layer.proj_size, layer.mode, layer.cutoff) for layer in network][:2] == [
        (2, "LSTM", 0),
        (0, "RNN_RELU", 0),
    ]
    assert network[0](torch.zeros(2, 1, 3))[0].shape == (2, 1, 2)
    assert network[2](torch.zeros(2, 1, 3).double())[0].dtype == torch.float64


def test_optimizers_hooks_and_shared_layers_go_on():
    shared = nn.LSTM(3, 3)
    network = nn.Sequential(nn.ModuleDict({"a": shared}), shared)
    frozen = shared.bias_hh_l0.requires_grad_(False)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    called = []
    handle = shared.register_forward_hook(lambda *_: called.append(1))
    assert replace(network) is network
    assert network[0]["a"] is network[1] is shared
    assert len(list(network.parameters())) == 4
    before = shared.weight_hh_l0.detach().clone()
    network[1](torch.randn(2, 1, 3))[0].sum().backward()
    optimizer.step()
    assert not torch.equal(shared.weight_hh_l0, before)
    assert frozen.grad is None
    handle.remove()
    shared(torch.randn(2, 1, 3))
    assert called == [1]
    stock = to_torch(network)
    assert stock[0]["a"] is stock[1]
    assert type(stock[1]) is nn.LSTM
    assert [p.requires_grad for p in stock.parameters()] == [p.requires_grad for p in network.parameters()]


def test_checkpoints_go_both_ways():
    network = Net(nn.LSTM)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    other = replace(Net(nn.LSTM))
    other.load_state_dict(torch.load(file, weights_only=True))
    to_torch(other).load_state_dict(network.state_dict())
    assert list(other.state_dict()) == list(network.state_dict()) == list(to_torch(other).state_dict())


def test_subclasses_are_left_as_they_are_with_a_warning():
    class Own(nn.LSTM):
        pass

    ours = LSTM(3, 3, backend="reference", bias_vectors=1)
    network = nn.Sequential(Own(3, 3), ours, nn.GRU(3, 3))
    with pytest.warns(UserWarning, match=r"^'0' is left as it is: Own is a subclass of torch's layer$") as said:
        replace(network)
    assert len(said) == 1
    assert [type(layer) for layer in network] == [Own, LSTM, GRU]
    assert (ours.backend, ours.bias_vectors) == ("reference", 1)
    with pytest.warns(UserWarning, match="^the layer is left as it is: Own is"):
        replace(Own(3, 3))


def test_what_cannot_be_is_refused_before_anything_changes():
    network = nn.Sequential(nn.GRU(3, 3), parametrizations.weight_norm(nn.LSTM(3, 3), "weight_hh_l0"))
    with pytest.raises(EcrnnError, match=r"^layer '1' is parametrised and so of another type; remove the param"):
        replace(network)
    with pytest.raises(EcrnnError, match=r"^cutoff must be in \[0, 1\), got 2"):
        replace(network[:1], cutoff=2)
    with pytest.raises(UnknownNameError, match=r"^unknown backend 'tritn', did you mean 'triton'\?"):
        replace(network[:1], backend="tritn")
    assert type(network[0]) is nn.GRU
    with pytest.raises(EcrnnError, match=r"^the layer is parametrised"):
        to_torch(parametrizations.weight_norm(LSTM(3, 3), "weight_hh_l0"))


@each_kind
@pytest.mark.parametrize("options", OPTIONS[:2])
def test_one_bias_vector_becomes_two_of_which_one_is_zero(kind, options):
    layer = kind(3, 8, bias_vectors=1, **options).eval()
    configure(layer, truncate=3)
    stock, plain = to_torch(layer), STOCK[kind](3, 8, **options)
    assert list(stock.state_dict()) == list(plain.state_dict())
    assert [id(p) for p in stock.parameters()] == [id(w) for w in stock._flat_weights]
    zeros = {name: p for name, p in stock.named_parameters() if name.startswith("bias_hh")}
    assert zeros
    assert all(p.abs().max() == 0 and not p.requires_grad for p in zeros.values())
    x = torch.randn(5, 4, 3)
    for made, expected in zip(flat(stock(x)).values(), flat(layer(x)).values(), strict=True):
        torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-4)
    assert layer.bias_vectors == 1
    assert not any(name.startswith("bias_hh") for name in layer.state_dict())


@pytest.mark.sampled(most=2)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@each_kind
@pytest.mark.parametrize("bias_vectors", [1, 2])
def test_tools_that_know_torchs_layers_by_type_work(kind, bias_vectors):
    network, x = Net(kind, bias_vectors=bias_vectors).eval(), torch.randn(2, 5, 3)
    expected = network(x)
    torch.testing.assert_close(torch.fx.symbolic_trace(to_torch(network))(x), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.jit.script(to_torch(network))(x), expected, atol=1e-5, rtol=1e-4)
    if kind is LSTM:
        made = torch.ao.quantization.quantize_dynamic(to_torch(network), {nn.LSTM}, dtype=torch.qint8)
        assert "quantized" in type(made.rnn).__module__
        torch.testing.assert_close(made(x), expected, atol=0.05, rtol=0.1)
    assert type(network.rnn) is kind


@each_kind
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", [None, [5, 2]])
@pytest.mark.parametrize("want_output", [False, True])
def test_either_kind_of_layer_is_called_alike(kind, batch_first, lengths, want_output):
    layer, x = kind(3, 8, batch_first=batch_first, bidirectional=True), torch.randn(2, 5, 3)
    x = x if batch_first else x.transpose(0, 1)
    expected = flat(layer(x, lengths=lengths, want_output=want_output))
    for each in (layer, to_torch(layer)):
        made = flat(call(each, x, lengths=lengths, want_output=want_output))
        for name in expected:
            torch.testing.assert_close(made[name], expected[name], atol=1e-5, rtol=1e-4)


def test_pruned_layers_stay_pruned():
    network = Net(nn.LSTM)
    prune.l1_unstructured(network.rnn, "weight_hh_l0", 0.5)
    x = torch.randn(2, 5, 3)
    with torch.no_grad():
        expected = network(x)
        replace(network)
        torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-4)
    network.rnn.reset_parameters()
    network(x).sum().backward()
    assert int((network.rnn.weight_hh_l0 != 0).sum()) == 128
    with torch.no_grad():
        torch.testing.assert_close(to_torch(copy_without_graph(network))(x), network(x), atol=1e-5, rtol=1e-4)


def copy_without_graph(network):
    """torch copies no tensor in the middle of a graph."""
    with torch.no_grad(), warnings.catch_warnings():
        network(torch.zeros(1, 1, 3))
    return copy.deepcopy(network)
