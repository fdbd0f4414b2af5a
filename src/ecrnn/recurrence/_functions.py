"""Calls of a backend by the layers: checks, tensors in place of None, and autograd without an operator.

Conventions are those of ``operators.py``. ``Recurrence`` is the autograd.Function that serves where nothing traces; it
works under torch.func.grad and vmap too. ``apply`` calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence._call import Call
from ecrnn.recurrence._lengths import check_lengths
from ecrnn.recurrence.dispatch import load


def last_contiguous(sequence: Tensor) -> Tensor:
    """``sequence`` (B, T, features) with neighbouring features beside one another, copied only if they are not.

    The imaginary part of a conjugate is a view whose values torch alone knows to negate; it is copied too.
    """
    sequence = sequence.resolve_neg()
    if sequence.stride(2) == 1:
        return sequence
    if sequence.shape[2] == 1:  # contiguous() would leave it as it is
        return sequence.squeeze(2).unsqueeze(2)
    return sequence.contiguous()


def run_forward(
    backend: str, call: Call, want_output: bool, keep: bool, cutoff: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Output, h_n, c_n and what the backward pass needs, by a backend; absent ones without elements."""
    _, x, _, _, _, lengths = call
    if lengths is not None:
        check_lengths(lengths, *x.shape[:2])
    output, h_n, c_n, saved = load(backend).forward(call, want_output, keep, cutoff)
    if output is None:
        output = x.new_empty((x.shape[0], 0, h_n.shape[0] * h_n.shape[2]))
    return output, h_n, h_n.new_empty(0) if c_n is None else c_n, saved


def run_backward(
    backend: str,
    call: Call,
    saved: Tensor,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    needs_x: bool,
    needs_initial: bool,
    cutoff: float,
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Gradients of x, h_0, c_0 and the weights, by a backend; absent ones without elements."""
    d_output, d_h_n, d_c_n = (d if d is not None and d.numel() else None for d in (d_output, d_h_n, d_c_n))
    d_x, d_h_0, d_c_0, d_weights = load(backend).backward(
        call,
        saved,
        None if d_output is None else last_contiguous(d_output),
        None if d_h_n is None else d_h_n.contiguous(),
        None if d_c_n is None else d_c_n.contiguous(),
        needs_x,
        needs_initial,
        cutoff,
    )
    d_x, d_h_0, d_c_0 = (call[1].new_empty(0) if d is None else d for d in (d_x, d_h_0, d_c_0))
    return d_x, d_h_0, d_c_0, d_weights


class Recurrence(torch.autograd.Function):
    """The forward pass, with what the backward pass needs."""

    @staticmethod
    def forward(
        backend: str,
        cell: str,
        lengths: Tensor | None,
        want_output: bool,
        cutoff: float,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor | None,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return run_forward(backend, (cell, x, list(weights), h_0, c_0, lengths), want_output, True, cutoff)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.backend, ctx.cell, lengths, _, ctx.cutoff, x, h_0, c_0, *weights = inputs
        save(ctx, output, lengths, x, h_0, c_0, weights)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        lengths, saved, x, h_0, c_0, *weights = ctx.saved_tensors
        needs_x, needs_initial = ctx.needs_input_grad[5], any(ctx.needs_input_grad[6:8])
        arguments = (ctx.backend, ctx.cell, needs_x, needs_initial, ctx.cutoff, lengths, x, h_0, c_0, saved)
        # the graph of the gradient is recorded only to say, when it is used, that it cannot be; vmap has a rule for it
        plain = not torch.is_grad_enabled() and not torch._C._are_functorch_transforms_active()

        def gradient(*grads: Tensor | None) -> tuple[Tensor, ...]:
            call: Any = _Gradient.forward if plain else _Gradient.apply
            gradients: tuple[Tensor, ...] = call(*arguments, *grads, *weights)
            return gradients

        gradients = _each_of_a_batch(gradient, grads[:3])
        d_x, d_h_0, d_c_0 = (d if d.numel() else None for d in gradients[:3])
        return None, None, None, None, None, d_x, d_h_0, d_c_0, *gradients[3:]

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        way_out = "backend='torch' has for GRU and RNN"
        raise EcrnnError(f"backend '{ctx.backend}' has no forward-mode derivative, {way_out} (recurrence)")

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        return _one_by_one(Recurrence.apply, info, in_dims, args)


class _Recurrence(torch.autograd.Function):
    """``Recurrence`` in the form without setup_context, which torch.func does not take.

    For the other form torch looks at the signature of ``forward`` on every call, which takes longer than 100 steps.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        results = Recurrence.forward(*arguments)
        Recurrence.setup_context(ctx, arguments, results)
        return results

    backward = Recurrence.backward
    jvp = Recurrence.jvp


def apply(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``Recurrence`` with a gradient; arguments and results are those of its ``forward``."""
    function: Any = Recurrence if torch._C._are_functorch_transforms_active() else _Recurrence
    results: tuple[Tensor, Tensor, Tensor, Tensor] = function.apply(*arguments)
    return results


class _Gradient(torch.autograd.Function):
    """The backward pass as a function whose own gradient is an error."""

    @staticmethod
    def forward(
        backend: str,
        cell: str,
        needs_x: bool,
        needs_initial: bool,
        cutoff: float,
        lengths: Tensor | None,
        x: Tensor,
        h_0: Tensor,
        c_0: Tensor | None,
        saved: Tensor,
        d_output: Tensor | None,
        d_h_n: Tensor | None,
        d_c_n: Tensor | None,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:
        call = (cell, x, list(weights), h_0, c_0, lengths)
        gradients = run_backward(backend, call, saved, d_output, d_h_n, d_c_n, needs_x, needs_initial, cutoff)
        d_x, d_h_0, d_c_0, d_weights = gradients
        return d_x, d_h_0, d_c_0, *d_weights

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.backend = inputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise no_second_derivative(ctx.backend)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        return _one_by_one(_Gradient.apply, info, in_dims, args)


def _each_of_a_batch(gradient: Callable[..., tuple[Tensor, ...]], grads: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """``gradient(*grads)``, one by one where each stands for several.

    So `torch.autograd.grad(..., is_grads_batched=True)` and `jacobian(..., vectorize=True)` have it, by torch's older
    vmap, which knows operators but no function of ours.
    """
    several = [d is not None and torch._C._functorch.is_legacy_batchedtensor(d) for d in grads]
    if not any(several):
        return gradient(*grads)
    level = torch._C._vmapmode_increment_nesting() - 1  # the only way to ask for it
    torch._C._vmapmode_decrement_nesting()
    apart = [torch._remove_batch_dim(d, level, 1, 0) if s else d for d, s in zip(grads, several, strict=True)]  # type: ignore[arg-type]
    number = next(len(d) for d, s in zip(apart, several, strict=True) if s and d is not None)
    results = [
        gradient(*(d[n] if s and d is not None else d for d, s in zip(apart, several, strict=True)))
        for n in range(number)
    ]
    return tuple(torch._add_batch_dim(torch.stack(each), 0, level) for each in zip(*results, strict=True))


def save(
    ctx: Any,
    output: Sequence[Tensor],
    lengths: Tensor | None,
    x: Tensor,
    h_0: Tensor,
    c_0: Tensor | None,
    weights: Sequence[Tensor],
) -> None:
    """Keep for the backward pass what it needs; ``output`` is what ``run_forward`` gave."""
    ctx.save_for_backward(lengths, output[3], x, h_0, c_0, *weights)
    ctx.mark_non_differentiable(output[3])
    ctx.set_materialize_grads(False)  # zeros in place of None would be a whole sequence to read


def no_second_derivative(backend: str) -> EcrnnError:
    """The error for a gradient of a gradient."""
    return EcrnnError(f"backend '{backend}' has no second derivative, backend='torch' has (recurrence)")


def _one_by_one(call: Callable[..., Any], info: Any, in_dims: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
    """torch.func.vmap's rule: a loop, because samples along the batch axis are what the kernels are fast at."""
    results = [
        call(*(a if dim is None else a.select(dim, n) for a, dim in zip(args, in_dims, strict=True)))
        for n in range(info.batch_size)
    ]
    together = tuple(torch.stack(tensors) for tensors in zip(*results, strict=True))
    return together, (0,) * len(together)
