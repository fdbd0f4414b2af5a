"""What is measured: a recurrent layer, or a training step of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecrnn.bench.torch_baseline import dense_nodes
from ecrnn.core.errors import unknown_name
from ecrnn.models.names import ModelName, parse
from ecrnn.recurrence.checking import Case

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@dataclass(frozen=True)
class RecurrenceSettings:
    """What is measured.

    Attributes:
        cell: lstm, gru, rnn_tanh or rnn_relu.
        hidden, steps, batch, input, layers, directions: the sizes.
        forward_only: no backward pass, under no_grad.
        backend: of our layer, a name or "auto".
        cutoff: where our backward pass may end early; 0 is the full one.
        all_outputs: the loss sees the outputs of all steps, not the last state alone.
    """

    cell: str = "lstm"
    hidden: int = 16
    steps: int = 1024
    batch: int = 128
    input: int = 1
    layers: int = 1
    directions: int = 1
    forward_only: bool = False
    backend: str = "auto"
    cutoff: float = 1e-8
    all_outputs: bool = False

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise unknown_name("cell", self.cell, CELLS, where="bench recurrence")

    @property
    def case(self) -> Case:
        return Case(self.cell, self.hidden, self.steps, self.batch, self.input, self.layers, self.directions)

    @property
    def multiply_adds(self) -> float:
        """Multiply-adds of the products in one forward pass."""
        gates, width = GATES[self.cell], self.directions * self.hidden
        inputs = self.input + (self.layers - 1) * width
        a_step = gates * width * (inputs + self.layers * self.hidden)
        return float(self.batch * self.steps * a_step)


@dataclass(frozen=True)
class StepSettings:
    """What is measured: a step of ``model`` with ``batch`` images of 3x32x32 and ten classes.

    ``precision`` is "float32", "bfloat16" or "auto"; of stock torch it is always float32.
    """

    model: str
    batch: int = 128
    precision: str = "auto"

    @property
    def name(self) -> ModelName:
        """The model's name, taken apart."""
        return parse(self.model)

    def for_keras(self) -> dict[str, Any]:
        """The network in plain words, for a process that does not know ecrnn."""
        name = self.name
        return {
            "batch": self.batch,
            "dense": list(dense_nodes(name)),
            "cell": name.cell,
            "nodes": list(name.nodes),
            "bidirectional": name.bidirectional,
        }
