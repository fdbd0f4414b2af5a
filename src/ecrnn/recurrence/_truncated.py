"""Truncated back-propagation through time, over one layer of any backend.

A sequence is cut into pieces of so many steps, counted from the end of each direction's reading; the first piece is the
shorter one. The state passes from piece to piece, its gradient does not. The values are those of the whole sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ecrnn.recurrence._call import Call

Compute = Callable[..., tuple[Tensor, Tensor, Tensor]]  # as ``operators.recurrence``


def truncated(compute: Compute, most: int) -> Compute:
    """``compute``, whose gradients go back ``most`` steps at most.

    Args:
        compute: one layer over (B, T, I) without lengths, with the arguments and results of ``operators.recurrence``.
        most: steps of a piece.
    """

    def pieces(backend: str, call: Call, want_output: bool, cutoff: float) -> tuple[Tensor, Tensor, Tensor]:
        cell, x, weights, h_0, c_0, _ = call
        directions = []
        for d in range(h_0.shape[0]):
            states = h_0[d : d + 1], None if c_0 is None else c_0[d : d + 1]
            part = (cell, x.flip(1) if d else x, weights[4 * d : 4 * d + 4], *states, None)
            directions.append(direction(backend, part, want_output, cutoff))
        outputs = [output.flip(1) if d else output for d, (output, _) in enumerate(directions)]
        h_n, *c_n = (torch.cat(parts) for parts in zip(*(last for _, last in directions), strict=True))
        return torch.cat(outputs, 2), h_n, c_n[0] if c_n else h_n.new_empty(0)

    def direction(backend: str, call: Call, want_output: bool, cutoff: float) -> tuple[Tensor, list[Tensor]]:
        """One direction, read from its beginning: output and last states."""
        cell, x, weights, h_0, c_0, _ = call
        steps = x.shape[1]
        ends = list(range(steps, 0, -most))[::-1]
        if not want_output:  # then the last piece alone has a gradient
            ends = ends[-2:]
        outputs, start = [], 0
        for end in ends:
            with torch.set_grad_enabled(want_output or end == steps):
                piece = (cell, x[:, start:end], weights, h_0, c_0, None)
                output, h_n, c_n = compute(backend, piece, want_output, cutoff)
            outputs.append(output)
            h_0, start = h_n if end == steps else h_n.detach(), end
            c_0 = c_0 if c_0 is None else c_n if end == steps else c_n.detach()
        return torch.cat(outputs, 1), [h_0] if c_0 is None else [h_0, c_0]

    return pieces


def stock(backend: str, call: Call, want_output: bool, cutoff: float) -> tuple[Tensor, Tensor, Tensor]:
    """One layer in one direction by torch's kernels, as ``operators.recurrence`` has it by the others."""
    functions: dict[str, Any] = {"lstm": torch.lstm, "gru": torch.gru, "rnn_tanh": torch.rnn_tanh}
    cell, x, weights, h_0, c_0, _ = call
    function = functions.get(cell, torch.rnn_relu)
    state = h_0 if c_0 is None else (h_0, c_0)
    output, h_n, *c_n = function(x, state, weights, True, 1, 0.0, False, False, True)  # trailing: batch first
    return output if want_output else output[:, :0], h_n, c_n[0] if c_n else h_n.new_empty(0)
