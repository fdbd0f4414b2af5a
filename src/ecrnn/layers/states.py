"""A recurrent layer that goes on from a state: how models that write, a token at a time, carry what they have read.

A state is a tuple of tensors with the batch first, so that rows of it can be chosen and repeated without knowing of
what cell it is: (h,) of an RNN or GRU, (h, c) of an LSTM, each (B, H).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


def read(layer: nn.Module, inputs: Tensor, state: State = ()) -> tuple[Tensor, State]:
    """Read some more steps.

    Computes in float32 also under autocast, as `ecrnn.layers.areas.RecurrentArea` and for its reason.

    Args:
        layer: an RNN, LSTM or GRU of `ecrnn.recurrence`, of one layer and direction, batch first.
        inputs: (B, T, features).
        state: from the last call; () begins with zeros.

    Returns:
        The outputs at all steps (B, T, H), and the state after the last.
    """
    two = layer.mode == "LSTM"
    before = tuple(part.unsqueeze(0) for part in state)  # (1, B, H), as the layers have it
    with torch.autocast(inputs.device.type, enabled=False):
        inputs = inputs.float() if inputs.dtype != torch.float64 else inputs
        outputs, last = layer(inputs, None if not before else before if two else before[0])
    return outputs, tuple(part.squeeze(0) for part in (last if two else (last,)))
