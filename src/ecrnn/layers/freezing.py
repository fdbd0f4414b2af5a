"""Parts of a network that a training leaves as they are: neither weights nor batch statistics move.

A frozen part computes as in prediction whatever mode the network is in: batch normalisation by its running statistics,
nothing dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from torch import nn

COUNT = "num_batches_tracked"  # ends the names of the numbers of batches that running statistics have seen


def freeze(network: nn.Module, names: Collection[str]) -> None:
    """Freeze weights and buffers of a network for good.

    Args:
        network: changed in place.
        names: of the tensors, as in its state_dict; numbers of batches follow those of their layer.
    """
    for name, parameter in network.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
    for _, part in parts(network, names):
        for module in part.modules():
            module.frozen = True  # type: ignore[assignment]
        part.register_forward_pre_hook(_predict)


def is_frozen(module: nn.Module) -> bool:
    """Whether all tensors of a layer were frozen by `freeze`."""
    return getattr(module, "frozen", False) is True


def parts(network: nn.Module, names: Collection[str], prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The largest modules of a network of whose tensors all are among ``names``, with their own names, in order.

    Args:
        network: of which a module may be given with the ``prefix`` of its tensors' names, "" or ending in a dot.
        names: of tensors; numbers of batches need not be among them.
    """
    inside = [f"{prefix}{name}" for name in network.state_dict() if not name.endswith(COUNT)]
    if inside and all(name in names for name in inside):
        yield prefix[:-1], network
        return
    for name, child in network.named_children():
        yield from parts(child, names, f"{prefix}{name}.")


def _predict(module: nn.Module, _: Any) -> None:
    module.eval()
