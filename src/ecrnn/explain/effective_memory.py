"""How far back the RNN reads: the gradient and the effect of each step on the last state.

Let h(b) be the last state (H,) of a direction for image b, x_t(b) (I,) the input of step t, and J_t(b) the Jacobian
dh(b)/dx_t(b) (H, I). What is measured of a batch of B images, with nothing of the backward pass left out (cutoff 0):

- gradient of step t: sqrt(mean over b of ||J_t(b)||^2), Frobenius norm; H vector-Jacobian products for the whole batch
  give it exactly, because one image's state does not depend on another's steps;
- effect of step t alone: x_t(b) becomes x_t(b + 1), the next image's in the batch, all other steps stay;
- effect of everything older than the last m steps: these are replaced in the same way, the last m stay.

An effect is sqrt(mean over b of ||h'(b) - h(b)||^2) as part of the spread sqrt(mean over b of ||h(b) - mean||^2). 0:
the state ignores the change; about sqrt(2): it depends on nothing else. The gradient says what infinitely small changes
do, the effect what changes as large as those between images do.

The state is h, which the softmax layer sees; an LSTM's c is not. With several layers it is that of the last one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.memory_curve import (
    CLASS_PART,
    GRADIENT_PARTS,
    STATE_PARTS,
    Direction,
    Memory,
    distances_of,
    effective,
    reach,
)
from ecrnn.layers.areas import RecurrentArea
from ecrnn.recurrence import configure

_NAMES = ("forward", "backward")


def network_memory(network: nn.Module, images: Tensor, *, model: str, repeat: int = 0) -> Memory:
    """How far back the RNN of an image classifier reads, and how many steps its prediction needs.

    Args:
        network: a crnn or ecrnn of `ecrnn.models.build.build`, trained or not; it is left as it is.
        images: (B, C, H, W), standardised, B at least 2, on the network's device; neighbours in the batch lend each
            other steps, so they should be in random order.
        model: its name, for the result.
        repeat: of its training, for the result.

    Raises:
        EcrnnError: the network has no RNN, there are too few images, or the last states cannot be compared.
    """
    network = copy.deepcopy(network).eval()
    areas = [module for module in network.modules() if isinstance(module, RecurrentArea)]
    if not areas:
        raise EcrnnError(f"model '{model}' has no RNN, so it has no memory of steps; those of crnn and ecrnn have")
    taken: list[Tensor] = []
    hook = areas[0].register_forward_pre_hook(lambda module, inputs: taken.append(inputs[0]))
    with torch.no_grad():
        network(images)
    hook.remove()
    return memory(areas[0], taken[0].float(), network.get_submodule("head"), model=model, repeat=repeat)


def memory(
    area: RecurrentArea, sequence: Tensor, head: nn.Module | None = None, *, model: str, repeat: int = 0
) -> Memory:
    """How far back a recurrent area reads; the module's text has the definitions.

    Args:
        area: left as it is.
        sequence: (B, T, I), float32 or float64, what the area reads; B at least 2.
        head: from the last states (B, directions * H) to logits; None where there are no classes.
        model: its name, for the result.
        repeat: of its training, or the seed of its weights, for the result.

    Raises:
        EcrnnError: there is one sequence only, or a last state is not finite or the same for all sequences.
    """
    if len(sequence) < 2:
        raise EcrnnError(f"the memory of '{model}' needs at least 2 images, whose steps are exchanged, not 1")
    area = copy.deepcopy(area).eval().requires_grad_(False)
    configure(area, cutoff=0, truncate=0)
    distances = distances_of(sequence.shape[1])
    kept = (*distances, sequence.shape[1])
    spread = (sequence - sequence.mean(0)).square().mean((0, 2)).sqrt()  # (T,)
    spreads = _by_age(spread, spread)
    every = gradients(area, sequence)
    alone, older, changed = _effects(area, sequence, head, distances, kept, model)
    directions = []
    for name, inputs, gradient, one, all_older in zip(_NAMES, spreads, every, alone, older, strict=False):
        largest = max(gradient)
        directions.append(
            Direction(
                name,
                input_spread=tuple(_short(inputs[n]) for n in distances),
                largest_gradient=_short(largest),
                gradient=tuple(_short(gradient[n] / largest) if largest else 0.0 for n in distances),
                alone=tuple(map(_short, one)),
                older=tuple(map(_short, all_older)),
                gradient_steps={f"{part:g}": reach(gradient, part) for part in GRADIENT_PARTS},
                memory={f"{part:g}": effective(all_older, kept, part) for part in STATE_PARTS},
            )
        )
    return Memory(
        model,
        repeat,
        steps=sequence.shape[1],
        samples=len(sequence),
        distances=distances,
        kept=kept,
        directions=tuple(directions),
        changed=tuple(changed) if head else None,
        class_memory=effective(changed, kept, CLASS_PART) if head else None,
    )


def gradients(area: RecurrentArea, sequence: Tensor) -> list[list[float]]:
    """For each direction the gradient of every step, by distance; the module's text defines it.

    Args:
        area: its layers' ``cutoff`` and ``truncate`` hold.
        sequence: (B, T, I), what the area reads, in its type.
    """
    with torch.enable_grad():
        x = sequence.detach().requires_grad_()
        states = area(x)  # (B, directions * H)
    norms = []
    for state in _by_direction(area, states):
        squares = torch.zeros(x.shape[:2], dtype=torch.float64, device=x.device)  # (B, T); float32 has none of 1e-23
        for k in range(state.shape[1]):
            (row,) = torch.autograd.grad(state[:, k].sum(), x, retain_graph=True)  # row k of every Jacobian
            squares += row.double().square().sum(2)
        norms.append(squares.mean(0).sqrt())  # (T,)
    return _by_age(*norms)


@torch.no_grad()
def _effects(
    area: RecurrentArea,
    sequence: Tensor,
    head: nn.Module | None,
    distances: Sequence[int],
    kept: Sequence[int],
    model: str,
) -> tuple[list[list[float]], list[list[float]], list[float]]:
    """By direction the effect of each step alone and of all older than the last m; and the classes that change."""
    states, other = area(sequence), sequence.roll(-1, 0)
    states_of = _by_direction(area, states)
    spreads = [_spread(state, model) for state in states_of]
    time = torch.arange(sequence.shape[1], device=sequence.device)
    ages = [time.flip(0), time][: len(states_of)]  # distance of each step, forward and backward

    def replaced(direction: int, steps: Tensor) -> Tensor:
        """The direction's last state where ``steps`` (T,) are another image's."""
        return _by_direction(area, area(torch.where(steps[:, None], other, sequence)))[direction]

    def effect(direction: int, state: Tensor) -> float:
        return float((state - states_of[direction]).double().square().sum(1).mean().sqrt()) / spreads[direction]

    alone = [[effect(d, replaced(d, age == n)) for n in distances] for d, age in enumerate(ages)]
    older: list[list[float]] = [[] for _ in states_of]
    changed = []
    for m in kept:
        limited = [replaced(d, age >= m) for d, age in enumerate(ages)]
        for d, state in enumerate(limited):
            older[d].append(effect(d, state))
        if head:
            moved = head(torch.cat(limited, 1)).argmax(1) != head(states).argmax(1)
            changed.append(float(moved.double().mean()))
    return alone, older, changed


def _by_age(forward: Tensor, backward: Tensor | None = None) -> list[list[float]]:
    """What belongs to each step (T,), for one direction or both, in the order of the distance from its end."""
    return [forward.flip(0).tolist(), *([] if backward is None else [backward.tolist()])]


def _by_direction(area: RecurrentArea, states: Tensor) -> tuple[Tensor, ...]:
    return states.chunk(1 + area.bidirectional, 1)


def _spread(state: Tensor, model: str) -> float:
    spread = float((state - state.mean(0)).double().square().sum(1).mean().sqrt())
    if not 0 < spread < torch.inf:
        what = "is the same for all images" if spread == 0 else "is not finite"
        raise EcrnnError(f"the last state of '{model}' {what}, so there is nothing to compare")
    return spread


def _short(value: float) -> float:
    """Four digits, as many as are used."""
    return float(f"{value:.4g}")
