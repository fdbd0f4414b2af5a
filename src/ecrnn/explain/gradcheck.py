"""Checks a model's gradients: automatic differentiation against central differences and equations by hand.

Three checks, each of what it can see:

1. every parameter tensor, in float64, by central differences (`ecrnn.explain.differences`). In float64 torch's own
   kernels compute; the C++ ones are float32, in which differences show three digits at best;
2. for `mlp` and the recurrences `rnn`, `lstm` and `gru`, all gradients against those by hand
   (`ecrnn.explain.manual_backprop`), also in float64;
3. every recurrent layer of the model in float32, by the kernels that would train it, against the float64 oracle
   (`ecrnn.recurrence.checking`), as `ecrnn doctor` checks layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.batches import Batch, random_batch, small_sizes
from ecrnn.explain.differences import TOLERANCE, TensorCheck, check_tensors
from ecrnn.explain.manual_backprop import delta_rule, through_time
from ecrnn.layers.areas import CELLS
from ecrnn.layers.initialisation import initialise
from ecrnn.models.build import make
from ecrnn.models.mlp import MLP
from ecrnn.models.names import parse
from ecrnn.models.own_check import check_models
from ecrnn.recurrence import configure, dispatch
from ecrnn.recurrence._layers import Recurrent
from ecrnn.recurrence.checking import Case, awkward, check

CLASSES = 10
BATCH = 4  # batch normalisation over 2 samples has no gradient
STEPS, INPUTS, NODES = 9, 3, 5  # of the recurrences that are checked alone
BY_HAND = 1e-12  # two ways to the same number in float64
_REFERENCE = {"rnn": "rnn_tanh", "lstm": "lstm", "gru": "gru"}
_EQUATIONS = {"rnn": "eq. 16-21", "lstm": "eq. 17-27", "gru": "eq. 17-21, reset after the product"}


@dataclass(frozen=True)
class ByHand:
    """Gradients by equations against automatic differentiation.

    Attributes:
        equations: which.
        tensor: where they differ most.
        error: the largest difference in it, as part of its largest gradient.
        tolerance: up to which the error is rounding.
    """

    equations: str
    tensor: str
    error: float
    tolerance: float = BY_HAND


@dataclass(frozen=True)
class Kernel:
    """The float32 kernels of one recurrent layer against the float64 oracle; ``fault`` is None if they agree."""

    layer: str
    backend: str
    fault: str | None


@dataclass(frozen=True)
class GradientCheck:
    """The findings of all checks; `good` says whether all passed.

    Attributes:
        model: its name.
        loss: the error E at the weights of the check.
        parameters: all of the model's.
        tolerance: of the relative error of a central difference.
        tensors: one for each parameter tensor.
        by_hand: None where there are no equations by hand.
        kernels: one for each recurrent layer.
    """

    model: str
    loss: float
    parameters: int
    tolerance: float
    tensors: tuple[TensorCheck, ...]
    by_hand: ByHand | None
    kernels: tuple[Kernel, ...]

    @property
    def wrong(self) -> list[TensorCheck]:
        """The tensors with a place over the tolerance, and those of which no place could be judged; worst first."""
        bad = [t for t in self.tensors if t.worst is None or not t.worst.error <= self.tolerance]
        return sorted(bad, key=lambda t: t.worst.error if t.worst else 0.0, reverse=True)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        by_hand = self.by_hand is None or self.by_hand.error <= self.by_hand.tolerance
        return not self.wrong and by_hand and all(kernel.fault is None for kernel in self.kernels)


def gradcheck(
    name: str, image: tuple[int, int, int] | None = None, classes: int | None = None, samples: int = 8, seed: int = 0
) -> GradientCheck:
    """Check the gradients of a model at fresh weights, on `BATCH` random inputs.

    Args:
        name: a model name, or "rnn", "lstm" or "gru" for a recurrent layer with a softmax output at every step.
        image: (channels, height, width) of the images, by default those of `ecrnn.explain.batches.small_sizes`; a
            recurrence reads `STEPS` steps of `INPUTS` values instead.
        classes: output units, by default 10, or as the sizes.
        samples: places of each parameter tensor.
        seed: of weights, inputs, labels and places.

    Raises:
        EcrnnError: a wrong name, size or number of samples.
    """
    if samples < 1:
        raise EcrnnError(f"--samples must be at least 1, not {samples}")
    generator = torch.Generator().manual_seed(seed)
    if name in CELLS:
        model: nn.Module = RecurrentClassifier(name, classes or CLASSES, seed)
        batch = _of_a_recurrence(model, classes or CLASSES, generator)
    else:
        parsed = parse(name)
        usual = small_sizes(parsed)
        asked = usual.classes and min(usual.classes, CLASSES)
        sizes = replace(usual, image=image or usual.image, classes=classes or asked)
        check_models(sizes, parsed)
        model = make(parsed, sizes, seed)
        batch = random_batch(parsed, sizes, BATCH, generator)
    kernels = tuple(_kernels(model))
    model.double().train()
    configure(model, cutoff=0)
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()  # E must be the same function each time
    model_loss: Callable[[Tensor, Tensor], Tensor] | None = getattr(model, "loss", None)

    def loss() -> Tensor:
        outputs = model(*batch.inputs)
        return model_loss(outputs, batch.labels) if model_loss else batch.error(outputs)

    return GradientCheck(
        name,
        float(loss().detach()),
        sum(p.numel() for p in model.parameters()),
        TOLERANCE,
        tuple(check_tensors(model, loss, samples, seed)),
        _by_hand(model, batch.inputs[0], batch.labels, loss),
        kernels,
    )


def _of_a_recurrence(model: nn.Module, classes: int, generator: torch.Generator) -> Batch:
    x = torch.randn(BATCH, STEPS, INPUTS, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (BATCH, STEPS), generator=generator)
    return Batch((x,), labels, lambda logits: model.loss(logits, labels))  # type: ignore[operator]


class RecurrentClassifier(nn.Module):
    """A recurrent layer whose every state s_t gives o_t = softmax(V s_t + b); (B, T, I) -> logits (B, T, classes).

    Args:
        cell: rnn, lstm or gru.
        classes: output units.
        seed: of the weights.
    """

    def __init__(self, cell: str, classes: int, seed: int) -> None:
        super().__init__()
        self.cell = cell
        with torch.random.fork_rng(devices=[]):
            self.recurrence = CELLS[cell](INPUTS, NODES, batch_first=True)
            self.output = nn.Linear(NODES, classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.recurrence(x)[0])

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy (17), summed over the steps, mean over the sequences."""
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / len(logits)


def _by_hand(model: nn.Module, x: Tensor, labels: Tensor, loss: Callable[[], Tensor]) -> ByHand | None:
    weights = {n.removeprefix("recurrence."): p.detach().numpy() for n, p in model.named_parameters()}
    match model:
        case MLP():
            equations = f"delta rule, {'eq. 1-14' if model.squared else 'eq. 1-3 and 11-14, softmax'}"
            pixels = model.flatten(x).numpy()
            expected = delta_rule(pixels, labels.numpy(), weights, "sigmoid" if model.squared else "softmax")[1]
        case RecurrentClassifier():
            equations = f"back-propagation through time, {_EQUATIONS[model.cell]}"
            expected = through_time(_REFERENCE[model.cell], x.numpy(), labels.numpy(), weights)[1]
        case _:
            return None
    found = torch.autograd.grad(loss(), list(model.parameters()))
    errors = {
        name: float(np.abs(actual.numpy() - expected[name]).max() / np.abs(expected[name]).max())
        for name, actual in zip(weights, found, strict=True)
    }
    worst = max(errors, key=lambda name: errors[name])
    return ByHand(equations, worst, errors[worst])


def _kernels(model: nn.Module) -> list[Kernel]:
    """Every recurrent layer in float32 at small awkward sizes, by the C++ kernels where they serve."""
    found = []
    for name, layer in model.named_modules():
        if not isinstance(layer, Recurrent):
            continue
        cell, directions = layer.mode.lower(), 1 + layer.bidirectional
        shape = dispatch.Shape(cell, layer.input_size, layer.hidden_size, layer.num_layers, directions)
        backend = "torch" if dispatch.obstacle("cpu", shape) else "cpu"
        copied = copy.deepcopy(layer)
        configure(copied, backend=backend)
        case = Case(cell, copied.hidden_size, 0, 0, copied.input_size, copied.num_layers, directions)
        fault = None
        try:
            for small in awkward(case):
                check(copied, small)
        except EcrnnError as error:
            fault = str(error)
        found.append(Kernel(name, backend, fault))
    return found
