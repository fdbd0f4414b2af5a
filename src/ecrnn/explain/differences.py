"""Gradients by central differences, (E(w + e) - E(w - e)) / (2 e) (docs/equations.md, 15), beside those of autograd.

All of it is float64. What the comparison has to cope with, and how:

- Kinks. Where ReLU switches or another value of a pool becomes the largest between w - e and w + e, the difference
  quotient is not the derivative. Each ReLU's signs and each pool's winners are recorded with every E: while they
  change, e is made smaller; a place at which they change even with the smallest e is counted as a kink and not judged.
  They are looked for in `nn.ReLU` and `nn.MaxPool*d`; a kink elsewhere is taken for a wrong gradient, never for a right
  one.
- Rounding. E is known to its last bits only, so a quotient is to `ROUNDING` * 2.2e-16 * |E| / e. A gradient too small
  to be seen above that is compared absolutely: the relative error is |analytic - difference| / max(|analytic|,
  |difference|, rounding / tolerance).
- Curvature. The quotient is off by e^2 / 6 times the third derivative, so a place that is off with one e is tried with
  smaller ones. A gradient that is wrong is wrong with each.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecrnn.core.errors import EcrnnError

TOLERANCE = 1e-6
STEPS = (1e-5, 1e-6, 1e-7)
ROUNDING = 8

_POOLS = ((nn.MaxPool1d, F.max_pool1d), (nn.MaxPool2d, F.max_pool2d), (nn.MaxPool3d, F.max_pool3d))


@dataclass(frozen=True)
class Place:
    """One number of a tensor and its two gradients.

    Attributes:
        index: where in the tensor.
        analytic, difference: the gradient by autograd, and by central differences.
        step: e of the difference.
        error: relative error, as the module's text defines it.
    """

    index: tuple[int, ...]
    analytic: float
    difference: float
    step: float
    error: float


@dataclass(frozen=True)
class TensorCheck:
    """What was found in one parameter tensor.

    Attributes:
        name, shape: of the tensor.
        checked: places at which both gradients were compared.
        kinks: places that lie at a kink, not among the checked.
        worst: the place with the largest error; None if all lay at kinks.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    kinks: int
    worst: Place | None


def check_tensors(
    model: nn.Module, loss: Callable[[], Tensor], samples: int, seed: int, tolerance: float = TOLERANCE
) -> list[TensorCheck]:
    """Compare autograd's gradients of ``loss`` with central differences in every parameter tensor of ``model``.

    Args:
        model: in float64; its parameters are changed while ``loss`` is called, and put back.
        loss: the error E, a scalar, by the model's present weights, the same each time it is called.
        samples: places of a tensor: the one with the largest gradient, the others drawn at random; all of a tensor that
            has no more.
        seed: of the places.
        tolerance: the relative error up to which no smaller step is tried.

    Raises:
        EcrnnError: the error or a gradient is not finite.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all(p.dtype == torch.float64 for p in parameters.values()), "gradients are checked in float64"
    gradients = torch.autograd.grad(loss(), list(parameters.values()), allow_unused=True)
    generator = torch.Generator().manual_seed(seed)
    found = []
    with _watched(model) as pattern, torch.no_grad():
        quotients = _Quotients(loss, pattern, tolerance)
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            analytic = torch.zeros_like(parameter) if gradient is None else gradient
            if not analytic.isfinite().all():
                raise EcrnnError(f"the gradient of {name} is not finite")
            flat = [quotients.place(parameter, k, analytic) for k in _chosen(analytic, samples, generator)]
            places = [place for place in flat if place is not None]
            worst = max(places, key=lambda place: place.error, default=None)
            found.append(TensorCheck(name, tuple(parameter.shape), len(places), len(flat) - len(places), worst))
    return found


def _chosen(gradient: Tensor, samples: int, generator: torch.Generator) -> list[int]:
    """Places in the flattened tensor: the largest gradient's, then others at random."""
    size = gradient.numel()
    if size <= samples:
        return list(range(size))
    largest = int(gradient.abs().argmax())
    drawn = torch.randperm(size, generator=generator).tolist()
    return [largest, *(k for k in drawn[:samples] if k != largest)][:samples]


class _Quotients:
    """Central differences of a loss, place by place."""

    def __init__(self, loss: Callable[[], Tensor], pattern: list[Tensor], tolerance: float) -> None:
        self.loss, self.pattern, self.tolerance = loss, pattern, tolerance
        error, self.at_rest = self._evaluate()
        self.rounding = ROUNDING * sys.float_info.epsilon * abs(error)

    def place(self, parameter: Tensor, k: int, analytic: Tensor) -> Place | None:
        """The best agreement of all steps at place ``k`` of the flattened tensor; None at a kink."""
        index = tuple(int(n) for n in np.unravel_index(k, parameter.shape))
        kept, gradient = parameter[index].clone(), float(analytic[index])
        best: Place | None = None
        for step in STEPS:
            parameter[index] = kept + step
            above, pattern_above = self._evaluate()
            parameter[index] = kept - step
            below, pattern_below = self._evaluate()
            parameter[index] = kept
            if not (self._is_at_rest(pattern_above) and self._is_at_rest(pattern_below)):
                continue
            difference = (above - below) / (2 * step)
            size = max(abs(gradient), abs(difference), self.rounding / step / self.tolerance)
            error = abs(gradient - difference) / size if size else 0.0
            if best is None or error < best.error:
                best = Place(index, gradient, difference, step, error)
            if error <= self.tolerance:
                break
        return best

    def _evaluate(self) -> tuple[float, list[Tensor]]:
        self.pattern.clear()
        error = float(self.loss())
        if not math.isfinite(error):
            raise EcrnnError(f"the error E is {error}: there is nothing to compare")
        return error, list(self.pattern)

    def _is_at_rest(self, pattern: list[Tensor]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(self.at_rest, pattern, strict=True))


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[Tensor]]:
    """A list to which every forward pass appends each ReLU's signs and each pool's winners."""
    pattern: list[Tensor] = []
    pools: dict[type[nn.Module], Any] = dict(_POOLS)

    def relu(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pattern.append(output > 0)

    def pool(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        options = {
            name: getattr(module, name) for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        }
        pattern.append(pools[type(module)](inputs[0], **options, return_indices=True)[1])

    handles = [m.register_forward_hook(relu) for m in model.modules() if isinstance(m, nn.ReLU)]
    handles += [m.register_forward_hook(pool) for m in model.modules() if type(m) in pools]
    try:
        yield pattern
    finally:
        for handle in handles:
            handle.remove()
