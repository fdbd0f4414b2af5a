"""What a recurrent layer does step by step with one image: its gates, and how much each step counts for the class.

How much a step counts is the gradient of the score by the step's input, with nothing of the backward pass left out. It
is also followed back to a feature map: J_t is the Jacobian of step t's input by the map, g_t the score's gradient by
that input; a place of the map has the sum over t of the norm of (J_t' g_t) there. Where the RNN reads the map itself,
this is the gradient folded back to where each step was read; behind an encoder-decoder, whose outputs have no place,
it still says which places the steps came from.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.explain.attribution import Score, to_image
from ecrnn.recurrence import configure
from ecrnn.recurrence.replacing import call

COUNTS = 0.01  # of the largest gradient: a step below it hardly counts
_NAMES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("reset", "update", "new")}
_AT_A_TIME = 64  # steps followed back at once


@dataclass(frozen=True)
class Gates:
    """The gates of one direction of a recurrent layer, for one image.

    Attributes:
        layer: name of the module.
        direction: "forward" or "backward"; steps are in the order of the sequence in both.
        values: by name ("input", "forget", ... of an LSTM, "reset", ... of a GRU, "state" of any) (T, H) float32.
    """

    layer: str
    direction: str
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class Steps:
    """How much each step of the first recurrent layer counts.

    Attributes:
        layer: name of the module that reads.
        gradient: (T,) float64, norm of the score's gradient by the step's input.
        counting: the number of steps whose gradient is above 1 % of the largest.
        places: (H, W) float32, the steps' gradients followed back to the image; None where there is no map.
    """

    layer: str
    gradient: np.ndarray
    counting: int
    places: np.ndarray | None


@torch.no_grad()
def gates(network: nn.Module, image: Tensor) -> list[Gates]:
    """The gates of each recurrent layer of one level, for the image (1, C, H, W), standardised.

    Layers with several levels of torch's own (``num_layers`` above 1) and projected ones are left out: their inner
    states do not come out.
    """
    taken: list[tuple[str, nn.RNNBase, Tensor]] = []
    hooks = [
        module.register_forward_pre_hook(_taking(taken, name))
        for name, module in network.named_modules()
        if isinstance(module, nn.RNNBase) and module.num_layers == 1 and not getattr(module, "proj_size", 0)
    ]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for name, layer, inputs in taken:
        sequence = inputs if layer.batch_first else inputs.transpose(0, 1)
        if len(sequence) != 1:  # of several frames or parts of an image: no one sequence
            continue
        output, _ = call(layer, inputs)
        states = (output if layer.batch_first else output.transpose(0, 1))[0]  # (T, directions * H)
        found.append(Gates(name, "forward", _gates(layer, sequence[0], states[:, : layer.hidden_size], "")))
        if layer.bidirectional:
            back = _gates(layer, sequence[0].flip(0), states[:, layer.hidden_size :].flip(0), "_reverse")
            found.append(Gates(name, "backward", {gate: values[::-1].copy() for gate, values in back.items()}))
    return found


def _taking(taken: list[tuple[str, nn.RNNBase, Tensor]], name: str) -> Callable[[nn.Module, tuple[object, ...]], None]:
    """A hook that keeps the sequences (B, T, I) or (T, B, I) which a layer reads."""

    def hook(module: nn.Module, inputs: tuple[object, ...]) -> None:
        if isinstance(module, nn.RNNBase) and inputs and isinstance(inputs[0], Tensor) and inputs[0].dim() == 3:
            taken.append((name, module, inputs[0]))

    return hook


def _gates(layer: nn.RNNBase, inputs: Tensor, states: Tensor, suffix: str) -> dict[str, np.ndarray]:
    """From inputs (T, I) and the states after them (T, H), in the order of reading."""
    end = f"_l0{suffix}"
    weights = {name.removesuffix(end): value for name, value in layer.named_parameters() if name.endswith(end)}
    before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
    from_input = inputs @ weights["weight_ih"].T + weights.get("bias_ih", 0)
    from_state = before @ weights["weight_hh"].T + weights.get("bias_hh", 0)
    values = {"state": states}
    if layer.mode == "LSTM":
        i, f, g, o = (from_input + from_state).chunk(4, 1)
        values |= dict(zip(_NAMES["LSTM"], (i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()), strict=True))
    elif layer.mode == "GRU":
        r_in, z_in, n_in = from_input.chunk(3, 1)
        r_state, z_state, n_state = from_state.chunk(3, 1)
        reset, update = (r_in + r_state).sigmoid(), (z_in + z_state).sigmoid()
        new = (n_in + reset * n_state).tanh()
        values |= dict(zip(_NAMES["GRU"], (reset, update, new), strict=True))
    return {name: value.float().cpu().numpy() for name, value in values.items()}


def steps(network: nn.Module, image: Tensor, score: Score, layer: str | None) -> Steps | None:
    """How much each step of the network's first recurrent layer counts; None where it has none.

    Args:
        network: left as it is.
        image: (1, C, H, W), standardised.
        score: what is explained.
        layer: of the feature map to which steps are followed back; None: to the image itself.
    """
    network = copy.deepcopy(network).eval()
    configure(network, cutoff=0, truncate=0)
    readers = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.RNNBase)]
    if not readers:
        return None
    read: list[tuple[str, nn.RNNBase, Tensor]] = []
    maps: list[Tensor] = []
    hooks = [module.register_forward_pre_hook(_taking(read, name)) for name, module in readers]
    if layer is not None:
        hooks.append(network.get_submodule(layer).register_forward_hook(lambda _m, _i, output: maps.append(output)))
    with torch.enable_grad():
        pixels = image.detach().requires_grad_()
        value = score(network(pixels)).sum()
    for hook in hooks:
        hook.remove()
    if not read:
        return None
    name, reader, sequence = read[0]
    (gradient,) = torch.autograd.grad(value, sequence, retain_graph=True)
    by_step = gradient if reader.batch_first else gradient.transpose(0, 1)  # (1, T, I)
    if len(by_step) != 1:
        return None
    norms = by_step[0].double().norm(dim=1)  # (T,); float32 has no squares of 1e-23
    places = _places(sequence, gradient, maps[0] if maps else pixels, bool(reader.batch_first))
    counting = int((norms > COUNTS * norms.max()).sum())
    return Steps(name, norms.cpu().numpy(), counting, None if places is None else to_image(places, image.shape[2:]))


def _places(sequence: Tensor, gradient: Tensor, maps: Tensor, batch_first: bool) -> np.ndarray | None:
    """(h, w): sum over the steps of the norm over the channels of what each step's gradient brings to ``maps``."""
    if not sequence.requires_grad:
        return None
    count = sequence.shape[1] if batch_first else sequence.shape[0]
    total = torch.zeros(maps.shape[2:], dtype=torch.float64, device=maps.device)
    for start in range(0, count, _AT_A_TIME):
        chosen = range(start, min(start + _AT_A_TIME, count))
        parts = torch.zeros(len(chosen), *sequence.shape, dtype=sequence.dtype, device=sequence.device)
        for row, step in enumerate(chosen):
            where = (0, step) if batch_first else (step, 0)
            parts[(row, *where)] = gradient[where]
        (back,) = torch.autograd.grad(
            sequence, maps, parts, retain_graph=True, is_grads_batched=True, allow_unused=True, materialize_grads=True
        )
        total += back[:, 0].double().norm(dim=1).sum(0)  # (n, 1, C, h, w)
    return total.float().cpu().numpy()
