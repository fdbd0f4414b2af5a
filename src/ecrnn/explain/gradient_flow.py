"""The gradient over the steps of one untrained recurrent layer, as plain data without torch.

`ecrnn.studies.gradient_flow` measures it, `ecrnn.report.render.gradient_flow_files` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass

PART = 1e-3  # a gradient that has lost or won this factor on its way has vanished or exploded


@dataclass(frozen=True)
class Flow:
    """What reaches the steps of one layer's sequences from the last state.

    Attributes:
        cell: rnn, lstm or gru.
        init: "keras", "torch", or the spectral radius of the recurrent matrices, as in "2".
        steps: T, length of the sequences.
        nodes, sequences, seed: of the layer, of the batch, of weights and inputs.
        gradient: of each step, by its distance from the last (T values), as `ecrnn.explain.effective_memory` defines
            it: root mean square, over the sequences, of the Frobenius norm of the last state's derivative by the
            step's input.
        weight_norm: norm of all weights' gradients together, for E = 1/2 ||h_T - target||^2 with standard normal
            targets, mean over the sequences.
        clip: the norm at which training would clip.
    """

    cell: str
    init: str
    steps: int
    nodes: int
    sequences: int
    seed: int
    gradient: tuple[float, ...]
    weight_norm: float
    clip: float

    @property
    def carried(self) -> float:
        """The first step's gradient as a part of the last step's."""
        return self.gradient[-1] / self.gradient[0] if self.gradient[0] else 0.0

    @property
    def verdict(self) -> str:
        """vanishes, holds or explodes: by `carried` and `PART`."""
        return "vanishes" if self.carried < PART else "explodes" if self.carried > 1 / PART else "holds"

    @property
    def factor(self) -> float:
        """What clipping multiplies every gradient with: 1 where the norm is small enough."""
        return min(1.0, self.clip / self.weight_norm) if self.weight_norm else 1.0
