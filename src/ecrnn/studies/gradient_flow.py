"""How gradients flow back through untrained recurrent layers: vanishing, exploding, clipped.

For each cell, initialisation and length the gradient of every step is measured, in float64, because an exploding one
leaves the range of float32. The layers have one direction and read one standard normal value a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.explain.effective_memory import gradients
from ecrnn.explain.gradient_flow import Flow
from ecrnn.layers.areas import CELLS, RecurrentArea
from ecrnn.recurrence import configure
from ecrnn.studies.effective_memory import HIDDEN_SIZE, untrained

STEPS = (32, 128, 512)
INITS = ("0.5", "keras", "2", "8")
SEQUENCES = 32
MAX_RADIUS, MAX_STEPS = 1e3, 100_000
_WHOSE = {"keras": ("Keras", 1), "torch": ("torch", 0)}  # and the forget bias that each has


def gradient_flows(
    cells: Sequence[str] = tuple(CELLS),
    inits: Sequence[str] = INITS,
    steps: Sequence[int] = STEPS,
    *,
    clip: float = 1.0,
    hidden_size: int = HIDDEN_SIZE,
    sequences: int = SEQUENCES,
    seed: int = 0,
) -> Iterator[Flow]:
    """Measure every combination of cell, initialisation and length.

    Args:
        cells: any of rnn, lstm, gru.
        inits: "keras", "torch", or a number: Keras's with the recurrent matrix (H, H) of each gate brought to that
            spectral radius. Keras's own is 1 for the RNN, whose matrix is orthogonal, and about a half for each gate
            of LSTM and GRU, whose matrices are orthogonal only together.
        steps: lengths of the sequences.
        clip: the norm at which training would clip.
        hidden_size: hidden size of the layer.
        sequences: in the batch.
        seed: seed of weights, inputs and targets.

    Raises:
        EcrnnError: a wrong name or number, or nothing asked for; before anything is measured.
    """
    for what, values in (("cells", cells), ("init", inits), ("steps", steps)):
        if not values:
            raise EcrnnError(f"--{what} names nothing")
    for cell in cells:
        if cell not in CELLS:
            raise unknown_name("cell", cell, CELLS)
    radii = {init: _radius(init) for init in inits}
    if any(not 1 <= T <= MAX_STEPS for T in steps):
        raise EcrnnError(f"--steps wants lengths from 1 to {MAX_STEPS:,}, not {min(steps)} to {max(steps)}")
    if not clip > 0:
        raise EcrnnError(f"--clip wants a norm above 0, not {clip:g}")
    return _measure(cells, radii, steps, clip, hidden_size, sequences, seed)


def _measure(
    cells: Sequence[str],
    radii: dict[str, float | None],
    steps: Sequence[int],
    clip: float,
    hidden_size: int,
    sequences: int,
    seed: int,
) -> Iterator[Flow]:
    for init, radius in radii.items():
        for cell in cells:
            whose, forget = _WHOSE.get(init, _WHOSE["keras"])
            area = untrained(cell, whose, forget if cell == "lstm" else None, hidden_size, seed).double()
            if radius is not None:
                _scale(area, radius)
            configure(area, cutoff=0)
            for T in steps:
                generator = torch.Generator().manual_seed(seed)
                sequence = torch.randn(sequences, T, 1, generator=generator, dtype=torch.float64)
                target = torch.randn(sequences, hidden_size, generator=generator, dtype=torch.float64)
                error = 0.5 * (area(sequence) - target).square().sum(1).mean()
                norm = nn.utils.get_total_norm(torch.autograd.grad(error, list(area.parameters())))
                gradient = tuple(float(f"{value:.4g}") for value in gradients(area, sequence)[0])
                yield Flow(cell, init, T, hidden_size, sequences, seed, gradient, float(f"{float(norm):.4g}"), clip)


@torch.no_grad()
def _scale(area: RecurrentArea, radius: float) -> None:
    """Bring every gate's recurrent matrix to a spectral radius."""
    weight = area.get_parameter("layers.0.weight_hh_l0")  # (gates * H, H)
    for gate in weight.chunk(weight.shape[0] // weight.shape[1]):
        gate.mul_(radius / float(torch.linalg.eigvals(gate).abs().max()))


def _radius(init: str) -> float | None:
    """The spectral radius that ``init`` names; None for "keras" and "torch"."""
    if init in _WHOSE:
        return None
    try:
        radius = float(init)
    except ValueError:
        raise unknown_name("initialisation", init, (*_WHOSE, "a spectral radius such as 2")) from None
    if not 0 < radius <= MAX_RADIUS:
        raise EcrnnError(f"--init wants a spectral radius above 0 and up to {MAX_RADIUS:g}, not {init}")
    return radius
