"""This package's recurrent layers in a built network in place of torch's, and the other way round.

A layer keeps everything and changes its class: weights, their names, hooks, states of optimizers and what refers to it
stay as they are.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence._layers import Recurrent
from ecrnn.recurrence._lengths import as_lengths
from ecrnn.recurrence._torchs import call_torchs
from ecrnn.recurrence.dispatch import CUTOFF
from ecrnn.recurrence.modules import GRU, LSTM, RNN

__all__ = ["replace", "to_torch"]

Model = TypeVar("Model", bound=nn.Module)

_OURS: dict[type[nn.Module], type[Recurrent]] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}
_TORCHS: dict[type[nn.Module], type[nn.Module]] = {ours: torchs for torchs, ours in _OURS.items()}


def replace(model: Model, *, backend: str = "auto", cutoff: float = CUTOFF) -> Model:
    """Make every ``torch.nn.LSTM``, ``GRU`` and ``RNN`` of a network a layer of this package.

    The network itself is changed. Its weights stay the same objects, so that optimizers go on with them; layers in
    several places of the network stay one layer, and hooks, training flags, types and devices stay too. A subclass of
    torch's layers is left as it is, with a warning, because what it does otherwise would be lost.

    Args:
        model: a network, or a layer itself.
        backend, cutoff: as in ``LSTM``. Layers that are this package's already keep theirs: ``configure`` sets them.

    Returns:
        ``model``.

    Raises:
        EcrnnError: if ``cutoff`` is not in [0, 1), or a layer is parametrised, which makes another type of it: replace
            first, then parametrise. UnknownNameError for a backend that there is not. Nothing is changed then.
    """
    LSTM(1, 1, device="meta", backend=backend, cutoff=cutoff)
    _refuse_parametrised(model, _OURS)
    for name, layer in model.named_modules():
        if type(layer) in _OURS:
            layer.__class__ = _OURS[type(layer)]
            assert isinstance(layer, Recurrent)
            layer.bias_vectors = 2
            layer.set_options(backend, cutoff)
        elif isinstance(layer, tuple(_OURS)) and not isinstance(layer, Recurrent):
            place = f"'{name}' is" if name else "the layer is"
            warnings.warn(f"{place} left as it is: {type(layer).__name__} is a subclass of torch's layer", stacklevel=2)
    return model


def to_torch(model: Model) -> Model:
    """A copy of a network with torch's own layers in place of every ``LSTM``, ``GRU`` and ``RNN`` of this package.

    For tools that know torch's layers by their type: ``torch.jit.script``, ``torch.fx``, dynamic quantisation. The
    network that is given stays as it is; the copy has weights of its own. A layer with one bias vector has a second one
    there, zeros that are not trained. ``backend``, ``cutoff`` and ``truncate`` are left out, and what torch's layers do
    not have is gone: ``lengths=``, ``want_output=`` and ``last_states``; a network that uses them, and should work with
    either kind of layer, calls its layers by ``call``, as this package's networks do.

    Args:
        model: a network, or a layer itself.

    Returns:
        The copy.

    Raises:
        EcrnnError: if a layer is parametrised: remove the parametrisation first.
    """
    _refuse_parametrised(model, _TORCHS)
    copied = copy.deepcopy(model)
    for layer in copied.modules():
        if type(layer) in _TORCHS:
            assert isinstance(layer, Recurrent)
            absent = {name: getattr(layer, name) for name in layer._flat_weights_names if layer.lacks(name)}
            layer.__class__ = _TORCHS[type(layer)]  # type: ignore[assignment]
            for option in ("bias_vectors", "backend", "cutoff", "truncate", "_torch_served"):
                layer.__dict__.pop(option, None)
            for name, zeros in absent.items():
                layer.register_parameter(name, nn.Parameter(zeros, requires_grad=False))
            order = [*layer._flat_weights_names, *layer._parameters]
            layer._parameters = {name: layer._parameters[name] for name in order if name in layer._parameters}
            layer._init_flat_weights()
    return copied


def call(
    layer: nn.Module, input: Tensor | PackedSequence, hx: Any = None, lengths: Any = None, want_output: bool = True
) -> tuple[Any, Any]:
    """Call a recurrent layer of this package, of torch or of torch's quantised ones, as this package's are called.

    Args:
        layer: that layer.
        input, hx, lengths, want_output: as for a call of ``LSTM``.

    Returns:
        ``output, h_n``, or ``output, (h_n, c_n)`` of an LSTM.
    """
    if isinstance(layer, Recurrent):
        result: tuple[Any, Any] = layer(input, hx, lengths=lengths, want_output=want_output)
        return result
    lengths = None if lengths is None else as_lengths(lengths)
    return call_torchs(layer, bool(layer.batch_first), input, hx, lengths, want_output)


def _refuse_parametrised(model: nn.Module, kinds: Iterable[type[nn.Module]]) -> None:
    for name, layer in model.named_modules():
        if nn.utils.parametrize.is_parametrized(layer) and type(layer).__mro__[1] in kinds:
            place = f"layer '{name}'" if name else "the layer"
            raise EcrnnError(f"{place} is parametrised and so of another type; remove the parametrisation (recurrence)")
