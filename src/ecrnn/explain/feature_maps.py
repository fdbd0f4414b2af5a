"""What convolutions see of an image: the filters of the first, and the maps before and after each pooling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

MOST_MAPS = 8  # of a stage, those with the largest values
MOST_FILTERS = 64
MOST_STAGES = 8
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class Stage:
    """Maps of one image.

    Attributes:
        layer: name of the module whose output they are.
        channels: number of all maps.
        shown: (n,) int64, which of them, those with the largest mean of absolute values.
        maps: (n, h, w) float32.
        before: (n, H, W) float32, the same maps before this pooling; None where the module is none.
    """

    layer: str
    channels: int
    shown: np.ndarray
    maps: np.ndarray
    before: np.ndarray | None


def filters(network: nn.Module) -> np.ndarray | None:
    """The filters of the first convolution, (n, channels, h, w) float32, at most 64; None where there is none."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return None if first is None else first.weight.detach()[:MOST_FILTERS].float().cpu().numpy()


@torch.no_grad()
def stages(network: nn.Module, image: Tensor) -> list[Stage]:
    """The maps of each stage: after every pooling; without any, after convolutions evenly spread.

    Args:
        network: in evaluation mode.
        image: (1, C, H, W), standardised.
    """
    taken: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            before = inputs[0] if inputs else None
            if isinstance(before, Tensor) and isinstance(output, Tensor) and output.dim() == 4 and len(output) == 1:
                taken.append((name, module, before, output))

        return hook

    wanted = (*_POOLS, nn.Conv2d)
    hooks = [m.register_forward_hook(look(name)) for name, m in network.named_modules() if isinstance(m, wanted)]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    pools = [one for one in taken if isinstance(one[1], _POOLS)]
    chosen = pools or taken
    if len(chosen) > MOST_STAGES:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, MOST_STAGES).round().astype(int)]
    return [_stage(name, before if pools else None, output) for name, _, before, output in chosen]


def _stage(name: str, before: Tensor | None, output: Tensor) -> Stage:
    maps = output[0].float()
    shown = maps.abs().mean((1, 2)).argsort(descending=True, stable=True)[:MOST_MAPS]
    old = None if before is None else before[0].float()[shown].cpu().numpy()
    return Stage(name, len(maps), shown.cpu().numpy(), maps[shown].cpu().numpy(), old)
