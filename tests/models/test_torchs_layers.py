"""This package's networks with torch's own recurrent layers in place of ours, and with torch's quantised ones."""

import pytest
import torch
from models import test_battery, test_task_battery
from torch import Tensor, nn

from ecrnn.models.build import build, make
from ecrnn.models.names import parse
from ecrnn.recurrence import GRU, LSTM, RNN, to_torch

OURS, TORCHS = (RNN, LSTM, GRU), (nn.RNN, nn.LSTM, nn.GRU)


def network_and_inputs(name):
    if name in test_task_battery.NAMES:
        return make(parse(name), test_task_battery.SIZES[parse(name).task.name], 0), test_task_battery.examples(
            name, 4
        ).inputs
    side = test_battery.least_side(name)
    image = (3, side, side + 2)
    return build(name, image, 4), (test_battery.random_images(3, image),)


RECURRENT = [
    name
    for name in (*test_battery.NAMES, *test_task_battery.NAMES)
    if not name.startswith(("cnn", "ecnn", "mlp", "lenet5", "alexnet")) and name != "sentiment-cnn"
]


def flat(result):
    return [result] if isinstance(result, Tensor) else [tensor for part in result for tensor in flat(part)]


@pytest.mark.sampled(cover=1)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", RECURRENT)
@torch.no_grad()
def test_outputs_are_the_same(name):
    torch.manual_seed(3)
    network, inputs = network_and_inputs(name)
    for key, p in network.named_parameters():
        if "bias_ih" in key:  # where it is not 0, what is read of the padding counts
            p.add_(0.1 * torch.randn_like(p))
    expected = flat(network.eval()(*inputs))
    stock = to_torch(network)
    assert not any(isinstance(module, OURS) for module in stock.modules())
    assert any(type(module) in TORCHS for module in stock.modules())
    for made, wanted in zip(flat(stock(*inputs)), expected, strict=True):
        torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-4)
    small = torch.ao.quantization.quantize_dynamic(stock, {nn.LSTM, nn.GRU}, dtype=torch.qint8)
    assert not any(isinstance(module, (nn.LSTM, nn.GRU)) for module in small.modules())
    for made, wanted in zip(flat(small(*inputs)), expected, strict=True):
        torch.testing.assert_close(made, wanted, atol=0.05, rtol=0.1)


@pytest.mark.parametrize("name", ["translate-lstm-16-attention", "translate-gru-16", "caption-rnn-32"])
@torch.no_grad()
def test_networks_that_write_go_on_from_a_state(name):
    network, inputs = network_and_inputs(name)
    written = []
    for each in (network.eval(), to_torch(network)):
        memory = each.encode(*inputs[:-1])
        logits, state = each.step(inputs[-1][:, 1], each.begin(memory), memory)
        written.append([logits, *state])
    for made, wanted in zip(*written, strict=True):
        torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-4)
