"""The paper's areas: shapes, widths, and what the recurrent area calls its last state."""

import pytest
import torch
from oracles import tolerance
from torch import nn

from ecrnn.layers.areas import (
    CNN_CHANNELS,
    ConvolutionArea,
    DenseArea,
    EncoderDecoder,
    RecurrentArea,
    convolution_stage,
    dense_stage,
)

CELLS = ("rnn", "lstm", "gru")


@pytest.mark.parametrize(
    ("image", "out_shape", "pools"),
    [
        ((3, 32, 32), (256, 2, 2), 4),
        ((1, 28, 28), (256, 1, 1), 4),
        ((1, 8, 8), (256, 1, 1), 3),
        ((3, 9, 11), (256, 1, 1), 3),
        ((3, 8, 64), (256, 1, 8), 3),
        ((1, 17, 33), (256, 1, 2), 4),
        ((3, 31, 47), (256, 1, 2), 4),
        ((3, 48, 96), (256, 3, 6), 4),
    ],
)
def test_convolution_area_says_its_own_shape(image, out_shape, pools):
    area = ConvolutionArea(image).eval()
    assert area.out_shape == out_shape
    assert area(torch.zeros(1, *image)).shape == (1, *out_shape)
    assert sum(isinstance(m, nn.MaxPool2d) for m in area.modules()) == pools


def test_convolution_stage_is_the_tables():
    stage = convolution_stage(3, 32, pool=True)
    assert [type(m).__name__ for m in stage] == [
        "Conv2d",
        "ReLU",
        "BatchNorm2d",
        "MaxPool2d",
    ]
    convolution = stage[0]
    assert (convolution.kernel_size, convolution.stride, convolution.padding) == ((3, 3), (1, 1), (1, 1))
    assert CNN_CHANNELS == (32, 64, 128, 256)
    assert convolution_stage(3, 8, pool=False)(torch.zeros(2, 3, 5, 7)).shape == (2, 8, 5, 7)


def widths(area):
    return [(m.in_features, m.out_features) for m in area.modules() if isinstance(m, nn.Linear)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1024, [(1024, 512), (512, 256), (256, 512), (512, 1024)]),  # the paper's
        (4096, [(4096, 512), (512, 256), (256, 512), (512, 4096)]),
        (256, [(256, 128), (128, 64), (64, 128), (128, 256)]),
        (1000, [(1000, 500), (500, 250), (250, 500), (500, 1000)]),
    ],
)
def test_encoder_decoder_widths(size, expected):
    area = EncoderDecoder(size)
    assert widths(area) == expected
    assert area.eval()(torch.zeros(2, size)).shape == (2, size)


@pytest.mark.parametrize("size", [256, 512, 768, 1024, 1280, 2304, 16384])
def test_encoder_decoder_has_a_narrow_middle(size):
    (_, hidden), (_, latent), (_, hidden_2), (_, out) = widths(EncoderDecoder(size))
    assert hidden <= size / 2
    assert latent <= size / 4
    assert (hidden_2, out) == (hidden, size)


@pytest.mark.parametrize(("nodes", "expected"), [((), []), ((5,), [(9, 5)]), ((5, 4, 7), [(9, 5), (5, 4), (4, 7)])])
def test_dense_area_widths(nodes, expected):
    area, x = DenseArea(9, nodes).eval(), torch.randn(2, 9)
    assert widths(area) == expected
    assert area(x).shape == (2, area.out_features) == (2, (9, *nodes)[-1])
    assert bool(nodes) or area(x) is x


def test_dense_stage_has_its_relu_before_the_normalisation():
    assert [type(m).__name__ for m in dense_stage(4, 2)] == ["Linear", "ReLU", "BatchNorm1d"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_last_state_is_that_of_the_last_layer(cell, bidirectional):
    torch.manual_seed(0)
    area = RecurrentArea(cell, 3, (5, 4), bidirectional)
    x = torch.randn(2, 7, 3)
    first, _ = area.layers[0](x)
    output, state = area.layers[1](first)
    h_n = state[0] if cell == "lstm" else state
    expected = torch.cat([h_n[-2], h_n[-1]], 1) if bidirectional else h_n[-1]
    made = area(x)
    assert made.shape == (2, area.out_features) == (2, 4 * (1 + bidirectional))
    assert torch.equal(made, expected)
    if bidirectional:
        assert torch.equal(made[:, :4], output[:, -1, :4])  # forward, after the last step
        assert torch.equal(made[:, 4:], output[:, 0, 4:])  # backward, after the first
        assert not torch.allclose(made, output[:, -1], atol=1e-3)
    else:
        assert torch.equal(made, output[:, -1])


@pytest.mark.parametrize("cell", CELLS)
def test_the_last_layer_computes_no_sequence(cell):
    area, made = RecurrentArea(cell, 3, (5, 4), True), []
    for layer in area.layers:
        layer.register_forward_hook(lambda module, given, result: made.append(tuple(result[0].shape)))
    area(torch.randn(2, 7, 3))
    assert made == [(2, 7, 10), (2, 0, 8)]


@pytest.mark.parametrize("cell", CELLS)
def test_both_ends_of_the_sequence_reach_the_state(cell):
    torch.manual_seed(0)
    area, x = RecurrentArea(cell, 1, (3,), True), torch.randn(1, 6, 1)
    assert torch.equal(area(x).sort().values, area(x).sort().values)
    flipped = area(x.flip(1))
    with torch.no_grad():  # with the same weights both ways, reading from the other end swaps the halves
        layer = area.layers[0]
        for name, p in layer.named_parameters():
            if not name.endswith("_reverse"):
                getattr(layer, name + "_reverse").copy_(p)
    straight, flipped = area(x), area(x.flip(1))
    torch.testing.assert_close(flipped, torch.cat([straight[:, 3:], straight[:, :3]], 1))


@pytest.mark.parametrize(("cell", "biases"), [("rnn", 1), ("lstm", 1), ("gru", 2)])
def test_bias_vectors_are_keras(cell, biases):
    names = [n for n, _ in RecurrentArea(cell, 1, (4,), False).named_parameters()]
    assert sum("bias" in n for n in names) == biases


@pytest.mark.parametrize("cell", CELLS)
def test_recurrence_is_float32_under_autocast(cell):
    torch.manual_seed(0)
    area, x = RecurrentArea(cell, 2, (8,), True), torch.randn(3, 40, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = area(x)
        rounded = area(x.bfloat16())
    assert made.dtype == rounded.dtype == torch.float32
    assert torch.equal(made, area(x))
    assert torch.equal(rounded, area(x.bfloat16().float()))


def test_float64_stays_float64():
    torch.manual_seed(0)
    area, x = RecurrentArea("lstm", 2, (4,), False), torch.randn(2, 5, 2)
    single = area(x)
    double = area.double()(x.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=0, atol=tolerance("float32", 5))
