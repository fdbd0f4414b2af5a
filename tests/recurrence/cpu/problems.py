"""What the tests of the C++ kernels share: a random problem, its solution by the float64 oracle, and by the kernels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pytest
import torch
from oracles import recurrence_by_reference

from ecrnn.recurrence import cpu

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
INSTRUCTIONS = cpu.instructions()

built = pytest.mark.skipif(not INSTRUCTIONS, reason="the C++ kernels are not built")
each_cell = pytest.mark.parametrize("cell", GATES)
each_instruction_set = pytest.mark.parametrize("instruction_set", INSTRUCTIONS)


class Call(NamedTuple):
    """A layer by names, as the kernels take it in a tuple."""

    cell: str
    x: torch.Tensor
    weights: list[torch.Tensor]
    h_0: torch.Tensor
    c_0: torch.Tensor | None = None
    lengths: torch.Tensor | None = None


@dataclass
class Problem:
    """One layer with random weights, inputs, initial states and cotangents, as float32 arrays.

    ``x`` and ``d_output`` are (B, T, ...); states are (D, B, H), two for an LSTM. What may be given as None to the
    kernels stays in its array as zeros.
    """

    cell: str
    B: int
    T: int
    I: int  # noqa: E741
    H: int
    D: int = 1
    lengths: list[int] | None = None
    seed: int = 0
    weights: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.states = 2 if self.cell == "lstm" else 1
        # torch's bound counts the nodes alone; one node that reads 40 inputs saturates, and 1 - h^2 loses its digits
        rows, bound = GATES[self.cell] * self.H, max(self.H, self.I) ** -0.5
        shapes = {"weight_ih": (rows, self.I), "weight_hh": (rows, self.H), "bias_ih": (rows,), "bias_hh": (rows,)}
        self.weights = {
            f"{name}_l0{end}": rng.uniform(-bound, bound, shape).astype(np.float32)
            for end in ("", "_reverse")[: self.D]
            for name, shape in shapes.items()
        }
        normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
        self.x = normal(self.B, self.T, self.I)
        self.d_output = normal(self.B, self.T, self.D * self.H)
        self.initial = tuple(normal(self.D, self.B, self.H) for _ in range(self.states))
        self.d_last = tuple(normal(self.D, self.B, self.H) for _ in range(self.states))

    def expected(self) -> dict[str, np.ndarray]:
        """By the oracle, which knows no lengths: all samples of one length at a time."""
        if self.lengths is None:
            return self._oracle(slice(None), self.T)
        last = list("hc"[: self.states])
        made = {"output": np.zeros(self.d_output.shape), "d_x": np.zeros(self.x.shape)}
        made |= {f"{n}_n": np.array(h, float) for n, h in zip(last, self.initial, strict=True)}
        made |= {f"d_{n}_0": np.array(d, float) for n, d in zip(last, self.d_last, strict=True)}
        made |= {f"d_{name}": np.zeros(w.shape) for name, w in self.weights.items()}
        for length in set(self.lengths) - {0}:
            chosen = [b for b, n in enumerate(self.lengths) if n == length]
            for name, value in self._oracle(chosen, length).items():
                if name in ("output", "d_x"):
                    made[name][chosen, :length] = value
                elif name in ("h_n", "c_n", "d_h_0", "d_c_0"):
                    made[name][:, chosen] = value
                else:
                    made[name] += value
        return made

    def _oracle(self, samples, length):
        return recurrence_by_reference(
            self.cell,
            weights=self.weights,
            x=self.x[samples, :length],
            initial=tuple(h[:, samples] for h in self.initial),
            d_output=self.d_output[samples, :length],
            d_last=tuple(d[:, samples] for d in self.d_last),
        )

    def call(self, layout="batch"):
        """The layer, as the kernels take it."""
        h_0, *c_0 = map(torch.from_numpy, self.initial)
        weights = [torch.from_numpy(w) for w in self.weights.values()]
        lengths = None if self.lengths is None else torch.tensor(self.lengths)
        return Call(self.cell, laid_out(self.x, layout), weights, h_0, c_0[0] if c_0 else None, lengths)

    def cotangents(self, layout="batch"):
        """d_output, d_h_n, d_c_n."""
        d_h_n, *d_c_n = map(torch.from_numpy, self.d_last)
        return laid_out(self.d_output, layout), d_h_n, d_c_n[0] if d_c_n else None

    def forward(self, want_output=True, keep=True, layout="batch", **options):
        """output, h_n, c_n, saved."""
        return cpu.forward(self.call(layout), want_output, keep, **options)

    def actual(self, layout="batch", d_layout="batch", keep_gates=False, instruction_set="") -> dict[str, torch.Tensor]:
        """By the kernels: everything that ``expected`` has."""
        kernels = {"instruction_set": instruction_set}
        output, h_n, c_n, saved = self.forward(layout=layout, keep_gates=keep_gates, **kernels)
        backward = self.backward(saved, layout=layout, d_layout=d_layout, **kernels)
        return _present(output=output, h_n=h_n, c_n=c_n) | backward

    def backward(
        self, saved, needs_x=True, needs_initial=True, cutoff=0.0, layout="batch", d_layout="batch", **options
    ) -> dict[str, torch.Tensor]:
        """The gradients that are asked for, by their names."""
        given = (self.call(layout), saved, *self.cotangents(d_layout))
        d_x, d_h_0, d_c_0, d_weights = cpu.backward(*given, needs_x, needs_initial, cutoff, **options)
        weights = {f"d_{name}": d for name, d in zip(self.weights, d_weights, strict=True)}
        return _present(d_x=d_x, d_h_0=d_h_0, d_c_0=d_c_0) | weights


def _present(**tensors):
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


LAYOUTS = ("batch", "time", "wide", "every other step", "some samples")


def laid_out(array: np.ndarray, layout: str) -> torch.Tensor:
    """(B, T, features) in another order in memory, or among values that must not be read."""
    tensor = torch.tensor(array)
    B, T, features = tensor.shape
    if layout == "time":
        return tensor.transpose(0, 1).contiguous().transpose(0, 1)
    if layout == "wide":
        return torch.full((B, T, features + 3), torch.nan)[:, :, 2:-1].copy_(tensor)
    if layout == "every other step":
        return torch.full((B, 2 * T, features), torch.nan)[:, ::2].copy_(tensor)
    if layout == "some samples":
        moved = torch.full((T, B + 5, features), torch.nan)
        return moved.transpose(0, 1)[2 : B + 2].copy_(tensor)
    return tensor
