"""How far a training step is from the machine's rate: what its products would take at the rate of one large product.

The products are those of convolutions, dense and recurrent layers: forwards, for the gradient of the input and for that
of the weights, each where it is needed. Of all else, activations and gates, normalisation, pooling, casts, optimizer
and data, nothing is counted: it is what a step takes longer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecrnn.bench.timing import figure
from ecrnn.recurrence import GRU, LSTM, RNN

SIZE = 1536  # of the square matrices whose product is the machine's rate
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def multiply_adds(network: nn.Module, images: Tensor, precision: str) -> dict[str, int]:
    """Those of a training step, by the precision that they are made in.

    Args:
        network: which stays as it is.
        images: (B, C, H, W), the batch, float32.
        precision: of all layers but the recurrent ones, which compute in float32.

    Returns:
        By precision. Of a recurrent layer with a cutoff the forward pass alone: its backward pass ends where the
        gradient has died out, and how few steps that is depends on the weights.
    """
    counts = dict.fromkeys(dict.fromkeys((precision, "float32")), 0)

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        recurrent = isinstance(layer, RNN | LSTM | GRU)
        if recurrent:
            once = inputs[0].shape[0] * layer.multiply_adds(inputs[0].shape[1])  # type: ignore[operator]
        else:
            once = output.numel() * layer.weight[0].numel()  # type: ignore[index]
        passes = 1 + any(p.requires_grad for p in layer.parameters()) + inputs[0].requires_grad
        if recurrent and layer.cutoff:
            passes = 1
        counts["float32" if recurrent else precision] += passes * once

    network = copy.deepcopy(network).train()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | RNN | LSTM | GRU):
            module.register_forward_hook(count)
    network(images)
    return {name: total for name, total in counts.items() if total}


def products(precisions: Sequence[str]) -> dict[str, Callable[[], object]]:
    """A product of two square matrices in each precision, to be timed beside a step."""

    def product(precision: str) -> Callable[[], object]:
        left, right = (torch.randn(SIZE, SIZE).to(_DTYPES[precision]) for _ in range(2))
        return lambda: left @ right

    return {precision: product(precision) for precision in precisions}


def beside(counts: Mapping[str, int], steps: Sequence[float], rates: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """A step beside its arithmetic.

    Args:
        counts: of `multiply_adds`.
        steps: seconds of a step, one a round.
        rates: seconds of each of `products`, one a round.

    Returns:
        "multiply_adds" of a step and "multiply_adds_per_second" of a product, by precision; "arithmetic_ms", what the
        step's products would take at that rate; "times_arithmetic", how many times as long the step takes. Medians over
        the rounds, each of what was measured within one round.
    """
    arithmetic = torch.tensor(
        [[counts[name] / SIZE**3 * seconds for seconds in rates[name]] for name in counts], dtype=torch.float64
    ).sum(0)
    rate = {
        name: figure(SIZE**3 / float(torch.tensor(rates[name], dtype=torch.float64).quantile(0.5))) for name in counts
    }
    times = torch.tensor(steps, dtype=torch.float64) / arithmetic
    return {
        "multiply_adds": dict(counts),
        "multiply_adds_per_second": rate,
        "arithmetic_ms": figure(1e3 * float(arithmetic.quantile(0.5))),
        "times_arithmetic": figure(float(times.quantile(0.5))),
    }
