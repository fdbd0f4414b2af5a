"""Checks networks of foreign code before hours are spent on training them; a fault is one line.

A study needs networks that train, predict one example as they do in a batch, save everything they learn, and share
nothing with each other. The checks run a network on four random images, in training and in evaluation.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ecrnn.core.errors import EcrnnError
from ecrnn.models.baselines import make_classifier
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.models.own_code import line_of
from ecrnn.models.spec import InputSpec
from ecrnn.models.weights import DTYPES

BATCH = 4
_SAME = 1e-3  # relative to the largest logit: far above rounding, far under what another example does


def check_models(spec: InputSpec, *models: ModelName) -> None:
    """Check those of ``models`` that are not ecrnn's own, built for ``spec``.

    Raises:
        EcrnnError: the first thing wrong with one of them.
    """
    for model in models:
        if model.row.source is not None:
            with torch.random.fork_rng(devices=[]):
                _check(_Place(model), spec)


class _Place:
    """The model that is checked and the line of its file, which begin the sentence of a fault."""

    def __init__(self, model: ModelName) -> None:
        self.model, self.family = model, model.row
        assert self.family.source is not None
        self.file = inspect.getsourcefile(self.family.builder) or self.family.source.file

    def fault(self, what: str) -> EcrnnError:
        assert self.family.source is not None
        return EcrnnError(f"model '{self.model}' ({self.family.source.file}): {what}")

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Turn whatever foreign code raises inside into one line."""
        try:
            yield
        except EcrnnError:
            raise
        except (Exception, SystemExit) as error:
            line = line_of(error, self.file)
            assert self.family.source is not None
            first = str(error).strip().split("\n")[0]
            where = f"model '{self.model}' ({self.family.source.file}{line})"
            raise EcrnnError(f"{where}: {what} raises {type(error).__name__}: {first}") from error


def _check(place: _Place, spec: InputSpec) -> None:
    if place.family.estimator:
        with place.during("building it"):
            make_classifier(place.model, spec, seed=0)
        return
    with place.during("building it"):
        network, twin = make(place.model, spec, seed=0), make(place.model, spec, seed=1)
    _check_tensors(place, network, twin)
    if place.model.task.inputs == ("image", "classes"):
        _check_images(place, network, spec)


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


def _check_images(place: _Place, network: nn.Module, spec: InputSpec) -> None:
    image, classes = spec.take("image", "classes", model=place.model)
    images = torch.randn(2 * BATCH, *image, generator=torch.Generator().manual_seed(0))
    batch, others = images[:BATCH], images[BATCH:]
    with place.during("training on it"):
        network.train()
        logits = _logits(place, network, batch, classes)
        torch.autograd.backward(logits.sum())
    if not any(p.grad is not None for p in network.parameters()):
        raise place.fault("no gradient reaches its parameters; does it use detach, .data or torch.no_grad?")
    network.zero_grad()
    with place.during("predicting with it"), torch.no_grad():
        network.train()
        _trained(network, batch)
        before = _unsaved(network)
        _trained(network, batch)
        for name, value in _unsaved(network).items():
            if name not in before or not torch.equal(before[name], value):
                raise place.fault(f"{name} changes in training and is not saved; make it a persistent buffer")
        network.eval()
        first = _logits(place, network, batch, classes)
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        _logits(place, network, others, classes)
        again = _logits(place, network, batch, classes)
        alone = _logits(place, network, batch[:1], classes)
    if not torch.equal(first, again):
        raise place.fault("the same images give other logits the second time: something is kept between calls")
    changed = [name for name, tensor in network.state_dict().items() if not torch.equal(state[name], tensor)]
    if changed:
        raise place.fault(f"prediction changes {changed[0]}; in eval() nothing should be learnt")
    if (alone - first[:1]).abs().max() > _SAME * first.abs().max().clamp_min(1e-6):
        raise place.fault("an image has other logits alone than in a batch; in eval() images should not mix")


def _logits(place: _Place, network: nn.Module, images: Tensor, classes: int) -> Tensor:
    logits: Any = network(images)
    wanted = (len(images), classes)
    if not isinstance(logits, Tensor):
        raise place.fault(f"it gives {type(logits).__name__}, and should give logits, a tensor {wanted}")
    if logits.shape != wanted:
        raise place.fault(f"it gives {tuple(logits.shape)} for {len(images)} images, and should give {wanted}")
    if not logits.is_floating_point():
        raise place.fault(f"it gives {logits.dtype}, and should give logits in floating point")
    if not logits.isfinite().all():
        raise place.fault("its logits for random images are not finite (NaN or infinity)")
    return logits


def _trained(network: nn.Module, images: Tensor) -> None:
    """Run ``network`` with the same random numbers each time, so that what it keeps of these images stays the same."""
    torch.default_generator.manual_seed(0)
    network(images)


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
