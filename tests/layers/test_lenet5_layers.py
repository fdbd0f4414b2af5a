"""The layers of LeNet-5 of 1998, against their definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import compare

from ecrnn.layers.lenet5_layers import C3_TABLE, Squash, Subsampling, TableConvolution


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_squash_maps_one_to_one() -> None:
    """So the source chose its constants."""
    values = Squash()(torch.tensor([-1.0, 0.0, 1.0, 50.0]))
    torch.testing.assert_close(values, torch.tensor([-1.0, 0.0, 1.0, 1.7159]), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 7), (2, 2)])
def test_subsampling_by_loops(height: int, width: int) -> None:
    layer, maps = Subsampling(3).double(), drawn(2, 3, height, width)
    with torch.no_grad():
        layer.coefficient.copy_(drawn(3, seed=1))
        layer.bias.copy_(drawn(3, seed=2))
    expected = np.empty((2, 3, height // 2, width // 2))
    for b, c, i, j in np.ndindex(expected.shape):
        four = sum(maps[b, c, 2 * i + di, 2 * j + dj].item() for di in (0, 1) for dj in (0, 1))
        expected[b, c, i, j] = layer.coefficient[c].item() * four + layer.bias[c].item()
    compare({"maps": expected}, {"maps": layer(maps).detach()}, 1e-12)


def test_a_fresh_subsampling_is_the_average() -> None:
    maps = drawn(2, 3, 6, 4).float()
    torch.testing.assert_close(Subsampling(3)(maps), torch.nn.functional.avg_pool2d(maps, 2))


def test_the_table_of_1998() -> None:
    """Table I: six maps read three neighbours, six four, three four that are apart, one all; each of S2's maps is read
    by ten."""
    assert [len(sources) for sources in C3_TABLE] == [3] * 6 + [4] * 9 + [6]
    assert [sum(source in sources for sources in C3_TABLE) for source in range(6)] == [10] * 6
    assert len(set(C3_TABLE)) == 16
    for sources in C3_TABLE[:12]:  # neighbours on a ring of six
        assert any({(start + k) % 6 for k in range(len(sources))} == set(sources) for start in range(6)) or sources in (
            (0, 3, 4, 5),
            (0, 1, 4, 5),
            (0, 1, 2, 5),
        )


def test_table_convolution_by_loops() -> None:
    """Forward, and what goes back to the image and to every weight."""
    table = ((0, 2), (1,), (0, 1, 2))
    layer, maps = TableConvolution(table, 3, 2).double(), drawn(2, 3, 4, 5).requires_grad_()
    with torch.no_grad():
        layer.weight.copy_(drawn(6, 2, 2, seed=1))
        layer.bias.copy_(drawn(3, seed=2))
    cotangent = drawn(2, 3, 3, 4, seed=3)
    out = layer(maps)
    out.backward(cotangent)

    expected = {"out": np.zeros((2, 3, 3, 4)), "maps": np.zeros((2, 3, 4, 5)), "weight": np.zeros((6, 2, 2))}
    pairs = [(o, i) for o, sources in enumerate(table) for i in sources]
    weight, bias, x, d = (t.detach().numpy() for t in (layer.weight, layer.bias, maps, cotangent))
    for b, o, r, c in np.ndindex(2, 3, 3, 4):
        expected["out"][b, o, r, c] += bias[o]
        for k, (_, source) in ((k, pair) for k, pair in enumerate(pairs) if pair[0] == o):
            window = x[b, source, r : r + 2, c : c + 2]
            expected["out"][b, o, r, c] += (weight[k] * window).sum()
            expected["weight"][k] += d[b, o, r, c] * window
            expected["maps"][b, source, r : r + 2, c : c + 2] += d[b, o, r, c] * weight[k]
    compare(expected, {"out": out.detach(), "maps": maps.grad, "weight": layer.weight.grad}, 1e-12)
