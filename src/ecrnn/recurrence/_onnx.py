"""The recurrence as ONNX's own operators LSTM, GRU and RNN, while torch.onnx.export traces.

ONNX has the steps first, (T, B, I), stacks the directions of the weights along a first axis, and the gates in its own
order. Its GRU has torch's form, the reset gate after the product, only with ``linear_before_reset=1``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecrnn.recurrence._call import Call

_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}  # torch's places of ONNX's gates


def wanted() -> bool:
    """Whether torch.onnx.export is at work."""
    return torch.onnx.is_in_onnx_export()


def recurrence(backend: str, call: Call, want_output: bool, cutoff: float) -> tuple[Tensor, Tensor, Tensor]:
    """Arguments and results as ``operators.recurrence``; the output is there though unwanted, an exporter drops it."""
    cell, x, weights, h_0, c_0, lengths = call
    B, T = x.shape[:2]
    D, H = h_0.shape[0], h_0.shape[2]
    w_ih, w_hh, b_ih, b_hh = (torch.stack([_reordered(w, cell) for w in weights[k::4]]) for k in range(4))
    inputs = [
        x.transpose(0, 1),
        w_ih,
        w_hh,
        torch.cat([b_ih, b_hh], 1),
        None if lengths is None else lengths.to(torch.int32),
        h_0,
        *([] if c_0 is None else [c_0]),
    ]
    attributes: dict[str, Any] = {
        "hidden_size": H,
        "direction": "forward" if D == 1 else "bidirectional",
    }
    if cell == "gru":
        attributes["linear_before_reset"] = 1
    elif cell.startswith("rnn"):
        attributes["activations"] = [cell.removeprefix("rnn_").capitalize()] * D
    states = 1 if c_0 is None else 2
    output, *last = torch.onnx.ops.symbolic_multi_out(
        cell.partition("_")[0].upper(),
        inputs,
        attributes,
        dtypes=[x.dtype] * (1 + states),
        shapes=[(T, D, B, H)] + [(D, B, H)] * states,
    )
    output = output.permute(2, 0, 1, 3).reshape(B, T, D * H)
    return output, last[0], last[-1]


def _reordered(weight: Tensor, cell: str) -> Tensor:
    H = weight.shape[0] // len(_GATES[cell])
    return torch.cat([weight[k * H : (k + 1) * H] for k in _GATES[cell]])
