"""A recurrent layer that goes on from a state: how models that write, a token at a time, carry what they have read.

A state is a tuple of tensors with the batch first, so that rows of it can be chosen and repeated without knowing of
what cell it is: (h,) of an RNN or GRU, (h, c) of an LSTM, each (B, H), or (B, 2 * H) where both directions are read.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecrnn.recurrence.replacing import call

State = tuple[Tensor, ...]


def read(
    layer: nn.Module, inputs: Tensor, state: State = (), lengths: Tensor | None = None, want_output: bool = True
) -> tuple[Tensor, State]:
    """Read some more steps.

    Computes in float32 also under autocast, as `ecrnn.layers.areas.RecurrentArea` and for its reason.

    Args:
        layer: an RNN, LSTM or GRU of `ecrnn.recurrence` or of torch, one layer, batch first.
        inputs: (B, T, features).
        state: from the last call, of one direction; () begins with zeros.
        lengths: (B,), steps that count, at least one; None where all do.
        want_output: False saves the outputs, of which none come back then.

    Returns:
        The outputs at all steps (B, T, H), or 2 * H, 0 beyond a length; and the state after the last step that counts.
    """
    two = layer.mode == "LSTM"
    with torch.autocast(inputs.device.type, enabled=False):
        inputs = inputs.float() if inputs.dtype != torch.float64 else inputs
        before = tuple(part.unsqueeze(0).to(inputs.dtype) for part in state)  # (1, B, H), as the layers have it
        hx = None if not before else before if two else before[0]
        outputs, last = call(layer, inputs, hx, lengths, want_output)
    return outputs, tuple(part.transpose(0, 1).flatten(1) for part in (last if two else (last,)))
