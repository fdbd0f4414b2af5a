"""Checks networks of foreign code before hours are spent on training them; a fault is one line with its place.

A study needs networks that train, predict one example as they do in a batch, save everything they learn, and share
nothing with each other. The checks run a network on four random images, or on four examples of the data where the task
has other inputs, in training and in evaluation.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ecrnn.core.errors import EcrnnError
from ecrnn.models.baselines import make_classifier
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.models.own_code import builder_of, file_of, line_of
from ecrnn.models.spec import InputSpec
from ecrnn.models.weights import DTYPES

BATCH = 4
_SAME = 1e-3  # relative to the largest logit: far above rounding, far under what another example does


class Examples(Protocol):
    """What is asked of an `ecrnn.training.objective.Objective`."""

    def __len__(self) -> int: ...
    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Any, Any]: ...
    def loss(self, model: nn.Module, inputs: Any, targets: Any) -> Any: ...


class _Batch(NamedTuple):
    """``inputs`` are the network's arguments; ``error`` maps a network and what it gives for them to a scalar."""

    inputs: tuple[Tensor, ...]
    error: Callable[[nn.Module, Any], Tensor]


def check_models(spec: InputSpec, *models: ModelName, examples: Callable[[], Examples] | None = None) -> None:
    """Check those of ``models`` that are not ecrnn's own, built for ``spec``.

    Args:
        spec: sizes of the data.
        models: all for one task.
        examples: gives the data as a training sees it, by which models of other inputs than images are checked; None:
            only their tensors are.

    Raises:
        EcrnnError: the first thing wrong with one of them.
    """
    for model in models:
        if model.row.source is not None:
            with torch.random.fork_rng(devices=[]):
                _check(_Place(model), spec, examples)


class _Place:
    """The model that is checked and the lines of its file, which begin the sentence of a fault."""

    def __init__(self, model: ModelName) -> None:
        assert model.row.source is not None
        self.model, self.family, self.file = model, model.row, file_of(model.row)
        self.name = model.row.source.file

    def fault(self, what: str, function: Any = None) -> EcrnnError:
        """The error that says ``what`` is wrong with ``function``, or where that is not theirs with what builds it."""
        lines = [f", line {line}" for line in map(self._line, (function, builder_of(self.family))) if line]
        return EcrnnError(f"model '{self.model}' ({self.name}{lines[0] if lines else ''}): {what}")

    def _line(self, function: Any) -> int | None:
        """The line at which a function, or the constructor of a class, begins in the model's file."""
        function = inspect.getattr_static(function, "__init__") if isinstance(function, type) else function
        code = getattr(function, "__code__", None)
        return code.co_firstlineno if code is not None and code.co_filename == self.file else None

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Turn whatever foreign code raises inside into one line."""
        try:
            yield
        except EcrnnError:
            raise
        except (Exception, SystemExit) as error:
            where = f"model '{self.model}' ({self.name}{line_of(error, self.file)})"
            first = str(error).strip().split("\n")[0]
            raise EcrnnError(f"{where}: {what} raises {type(error).__name__}: {first}") from error


def _check(place: _Place, spec: InputSpec, examples: Callable[[], Examples] | None) -> None:
    if place.family.estimator:
        with place.during("building it"):
            make_classifier(place.model, spec, seed=0)
        return
    with place.during("building it"):
        network, twin = make(place.model, spec, seed=0), make(place.model, spec, seed=1)
    _check_tensors(place, network, twin)
    if place.model.task.inputs == ("image", "classes"):
        _check_calls(place, network, spec, *_images(place.model, spec))
    elif examples is not None:
        _check_calls(place, network, spec, *_of_data(examples()))


def _check_tensors(place: _Place, network: nn.Module, twin: nn.Module) -> None:
    if any(is_lazy(p) for p in (*network.parameters(), *network.buffers())):
        raise place.fault("it has lazy layers, whose sizes are not known; take them from spec")
    if list(network.parameters()) and not any(p.requires_grad for p in network.parameters()):
        raise place.fault("all its parameters are frozen (requires_grad is False)")
    if not any(p.requires_grad for p in network.parameters()):
        raise place.fault("it has no parameters to train; layers in a plain list need nn.ModuleList")
    odd = next((name for name, p in network.named_parameters() if p.dtype != torch.float32), None)
    if odd is not None:
        raise place.fault(f"parameter {odd} is {network.get_parameter(odd).dtype}; ecrnn trains float32")
    for name, tensor in network.state_dict().items():
        if tensor.dtype not in DTYPES:
            raise place.fault(f"{name} is {tensor.dtype}, which files of weights do not hold here")
    others = {tensor.data_ptr() for tensor in twin.state_dict().values() if tensor.numel()}
    for name, tensor in network.state_dict().items():
        if tensor.numel() and tensor.data_ptr() in others:
            raise place.fault(f"{name} is shared by all its networks; create it in __init__, not in the class")


def _images(model: ModelName, spec: InputSpec) -> tuple[_Batch, _Batch]:
    """Two batches of random images."""
    image, classes = spec.take("image", "classes", model=model)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2 * BATCH, *image, generator=generator)
    labels = torch.randint(classes, (BATCH,), generator=generator)

    def error(network: nn.Module, logits: Any) -> Tensor:
        loss = getattr(network, "loss", None)
        return logits.sum() if loss is None else loss(logits, labels)

    return _Batch((images[:BATCH],), error), _Batch((images[BATCH:],), error)


def _of_data(examples: Examples) -> tuple[_Batch, _Batch]:
    """The first and the last of the training examples."""
    n = min(BATCH, len(examples))

    def batch(positions: np.ndarray) -> _Batch:
        inputs, targets = examples.batch(positions, 0)
        return _Batch(_several(inputs), lambda network, _: examples.loss(network, inputs, targets).mean)

    return batch(np.arange(n)), batch(np.arange(len(examples) - n, len(examples)))


def _several(inputs: Any) -> tuple[Tensor, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _check_calls(place: _Place, network: nn.Module, spec: InputSpec, batch: _Batch, others: _Batch) -> None:
    examples, forward = place.model.task.examples, type(network).forward
    network.to(batch.inputs[0].device)
    with place.during("training on it"):
        network.train()
        outputs = _outputs(place, network, spec, batch)
    with place.during(f"its loss on {_described(outputs)}"):
        error = batch.error(network, outputs)
        if error.shape != () or not error.isfinite():
            line = f"its loss on {_described(outputs)} is {error.tolist()}, and should be a finite number"
            raise place.fault(line, getattr(type(network), "loss", forward))
    with place.during("training on it"):
        torch.autograd.backward(error)
    if not any(p.grad is not None for p in network.parameters()):
        raise place.fault("no gradient reaches its parameters; does it use detach, .data or torch.no_grad?", forward)
    network.zero_grad()
    with place.during("predicting with it"), torch.no_grad():
        network.train()
        _trained(network, batch)
        before = _unsaved(network)
        _trained(network, batch)
        for name, value in _unsaved(network).items():
            if name not in before or not torch.equal(before[name], value):
                raise place.fault(f"{name} changes in training and is not saved; make it a persistent buffer", forward)
        network.eval()
        first = _outputs(place, network, spec, batch)
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        _outputs(place, network, spec, others)
        again = _outputs(place, network, spec, batch)
        row = _longest(batch.inputs)
        alone = _outputs(place, network, spec, _Batch(tuple(x[row : row + 1] for x in batch.inputs), batch.error))
    if not all(map(torch.equal, _tensors(first), _tensors(again))):
        line = f"the same {examples} give other {_what(place)} the second time: something is kept between calls"
        raise place.fault(line, forward)
    changed = [name for name, tensor in network.state_dict().items() if not torch.equal(state[name], tensor)]
    if changed:
        raise place.fault(f"prediction changes {changed[0]}; in eval() nothing should be learnt", forward)
    if _differ(_tensors(first)[0][row : row + 1], _tensors(alone)[0]):
        line = f"one of the {examples} has other {_what(place)} alone than in a batch; in eval() they should not mix"
        raise place.fault(line, forward)


def _outputs(place: _Place, network: nn.Module, spec: InputSpec, batch: _Batch) -> Any:
    """What ``network`` gives; of a classifier checked to be logits, of others to hold no NaN."""
    outputs, forward = network(*batch.inputs), type(network).forward
    n, examples = len(batch.inputs[0]), place.model.task.examples
    if place.model.task.classes:
        wanted = (n, *spec.take("classes", model=place.model))
        if not isinstance(outputs, Tensor):
            line = f"it gives {type(outputs).__name__}, and should give logits, a tensor {wanted}"
            raise place.fault(line, forward)
        if outputs.shape != wanted:
            line = f"it gives {tuple(outputs.shape)} for {n} {examples}, and should give {wanted}"
            raise place.fault(line, forward)
        if not outputs.is_floating_point():
            raise place.fault(f"it gives {outputs.dtype}, and should give logits in floating point", forward)
        if not outputs.isfinite().all():
            raise place.fault(f"its logits for {n} {examples} are not finite (NaN or infinity)", forward)
    elif not _tensors(outputs):
        raise place.fault(f"it gives {type(outputs).__name__}, and should give tensors", forward)
    elif any(tensor.isnan().any() for tensor in _tensors(outputs)):
        raise place.fault(f"what it gives for {n} {examples} is not finite (NaN)", forward)
    return outputs


def _what(place: _Place) -> str:
    return "logits" if place.model.task.classes else "outputs"


def _tensors(outputs: Any) -> list[Tensor]:
    """The tensors in outputs, such as logits and the states of a recurrence."""
    if isinstance(outputs, Tensor):
        return [outputs]
    return [tensor for part in outputs for tensor in _tensors(part)] if isinstance(outputs, tuple | list) else []


def _described(outputs: Any) -> str:
    return ", ".join(f"outputs {tuple(tensor.shape)}" for tensor in _tensors(outputs))


def _longest(inputs: tuple[Tensor, ...]) -> int:
    """The example that has no padding: the one of the largest length, where a batch has lengths."""
    lengths = next((x for x in inputs if x.ndim == 1 and not x.is_floating_point()), None)
    return 0 if lengths is None else int(lengths.argmax())


def _differ(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs, of one shape, differ by more than rounding."""
    return one.shape == other.shape and bool((one - other).abs().max() > _SAME * one.abs().max().clamp_min(1e-6))


def _trained(network: nn.Module, batch: _Batch) -> None:
    """Run ``network`` with the same random numbers each time, so that what it keeps of these inputs stays the same."""
    torch.default_generator.manual_seed(0)
    network(*batch.inputs)


def _unsaved(network: nn.Module) -> dict[str, Tensor]:
    """Tensors of the modules that the state_dict does not have, copied: plain attributes, not persistent buffers."""
    saved = set(network.state_dict()) | {name for name, _ in network.named_parameters()}
    found: dict[str, Tensor] = {}
    for prefix, module in network.named_modules():
        attributes = {**dict(module.named_buffers(recurse=False)), **vars(module)}
        for name, value in attributes.items():
            full = f"{prefix}.{name}" if prefix else name
            if isinstance(value, Tensor) and full not in saved:
                found[full] = value.detach().clone()
    return found
