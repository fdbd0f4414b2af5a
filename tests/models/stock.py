"""torch's own layers with the weights of one of our networks, and the order in which the dense layers read a map."""

from __future__ import annotations

from torch import Tensor, nn


def stock(ours: nn.Module, kinds: tuple[type[nn.Module], ...], *layers: nn.Module) -> nn.Sequential:
    """torch's layers one after the other with the weights of ``ours``, layer by layer."""
    sources = [module for module in ours.modules() if isinstance(module, kinds)]
    targets = [layer for layer in layers if isinstance(layer, kinds)]
    for source, target in zip(sources, targets, strict=True):
        target.load_state_dict(source.state_dict())
    return nn.Sequential(*layers)


class HeightWidthChannel(nn.Module):
    """The order in which the dense layers read a map."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.movedim(1, -1).reshape(len(maps), -1)
