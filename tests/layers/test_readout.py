"""A recurrent layer that goes on from a state."""

from __future__ import annotations

import pytest
import torch

from ecrnn.layers.readout import read
from ecrnn.recurrence import GRU, LSTM, RNN


@pytest.mark.parametrize("cell", [RNN, LSTM, GRU])
@pytest.mark.parametrize("batch", [2, 70])
def test_under_autocast_it_computes_in_float32(cell: type, batch: int) -> None:
    """Also from a state that came out of a product of matrices, in bfloat16 then."""
    torch.manual_seed(0)
    layer = cell(3, 4, batch_first=True)
    inputs, first = torch.randn(batch, 5, 3), torch.randn(batch, 4)
    state = (first, torch.zeros_like(first)) if cell is LSTM else (first,)
    half = tuple(part.bfloat16() for part in state)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, last = read(layer, inputs, half)
    wanted, wanted_last = read(layer, inputs, tuple(part.float() for part in half))
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, wanted)
    torch.testing.assert_close(last, wanted_last)
