"""One recurrent layer as torch operators, ``ecrnn::recurrence`` and ``ecrnn::recurrence_backward``, and the short way.

``recurrence`` below is what the layers call. While torch.compile, torch.export or a mode traces, it calls the
operators, which have fake kernels and an autograd formula. Otherwise it calls the backend straight, or by an
autograd.Function where a gradient will come: the way to an operator through the dispatcher costs as much as a few
hundred steps of 16 nodes.

All sequences are (B, T, features) here, in memory time first if ``x.stride(0) < x.stride(1)``; states are
(directions, B, H); weights are w_ih, w_hh, b_ih, b_hh for each direction, absent biases zeros. Operators cannot return
None, so what is absent comes as a tensor without elements.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from ecrnn.recurrence._call import FIELDS, Call
from ecrnn.recurrence._functions import (
    apply,
    last_contiguous,
    no_second_derivative,
    run_backward,
    run_forward,
    save,
)

_INPUTS = "str backend, str cell, Tensor x, Tensor[] weights, Tensor h_0, Tensor? c_0, Tensor? lengths, "
_FORWARD = f"({_INPUTS}bool want_output, bool keep, float cutoff) -> (Tensor, Tensor, Tensor, Tensor)"
_BACKWARD = (
    f"({_INPUTS}Tensor saved, Tensor? d_output, Tensor? d_h_n, Tensor? d_c_n, bool needs_x, bool needs_initial, "
    "float cutoff) -> (Tensor, Tensor, Tensor, Tensor[])"
)


def recurrence(backend: str, call: Call, want_output: bool, cutoff: float) -> tuple[Tensor, Tensor, Tensor]:
    """One layer by the backend of that name, with gradients where torch records them.

    Args:
        backend: "cpu", "cpu-bfloat16", "triton" or "reference".
        call: float32, contiguous or not.
        want_output: whether the outputs of all steps are wanted, or the last states alone.
        cutoff: where the backward pass may end, relative to its largest gradient; 0 for never.

    Returns:
        output (B, T, directions * H), or (B, 0, directions * H) if not wanted; h_n and c_n (directions, B, H), c_n
        without elements unless the cell is an LSTM.
    """
    cell, x, weights, h_0, c_0, lengths = call
    x = last_contiguous(x)
    h_0, c_0 = h_0.contiguous(), None if c_0 is None else c_0.contiguous()
    weights = [w.contiguous() for w in weights]
    records = torch.is_grad_enabled() and any(
        t.requires_grad for t in (x, h_0, *weights, *(() if c_0 is None else (c_0,)))
    )
    if _traced(x, h_0, weights):
        keep = records and not torch.compiler.is_exporting()  # what is exported is there to infer
        results = torch.ops.ecrnn.recurrence(backend, cell, x, weights, h_0, c_0, lengths, want_output, keep, cutoff)
    elif records or torch._C._are_functorch_transforms_active():
        results = apply(backend, cell, lengths, want_output, cutoff, x, h_0, c_0, *weights)
    else:
        results = run_forward(backend, (cell, x, weights, h_0, c_0, lengths), want_output, False, cutoff)
    return results[0], results[1], results[2]


def _traced(x: Tensor, h_0: Tensor, weights: list[Tensor]) -> bool:
    """Whether something wants to see an operator: a tracer, a dispatch mode or a subclass of Tensor."""
    if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0:
        return True
    return not _PLAIN.issuperset(map(type, (x, h_0, *weights)))


_PLAIN = frozenset((Tensor, Parameter))


def _with_call(backend: str, *arguments: Any) -> tuple[Any, ...]:
    """The arguments of an operator, `_INPUTS` and others, with the call as one."""
    return backend, arguments[:FIELDS], *arguments[FIELDS:]


def _operator(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    backend, call, *others = _with_call(*arguments)
    output, h_n, c_n, saved = run_forward(backend, call, *others)
    return _ordered(output, call[1]), h_n, c_n, saved


def _operator_backward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    backend, call, *others = _with_call(*arguments)
    d_x, d_h_0, d_c_0, d_weights = run_backward(backend, call, *others)
    return _ordered(d_x, call[1]) if d_x.numel() else d_x, d_h_0, d_c_0, d_weights


def _ordered(sequence: Tensor, x: Tensor) -> Tensor:
    """``made`` (B, T, features) in the order in memory that the fake kernels declare."""
    return sequence.transpose(0, 1).contiguous().transpose(0, 1) if time_first(x) else sequence.contiguous()


def time_first(x: Tensor) -> bool:
    """Whether (B, T, features) lies in memory with the steps outside, as a transposed (T, B, features) does."""
    return bool(x.stride(0) < x.stride(1))


def _empty(x: Tensor, features: Any) -> Tensor:
    B, T = x.shape[:2]
    return x.new_empty(T, B, features).transpose(0, 1) if time_first(x) else x.new_empty(B, T, features)


def _fake(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    _, (_, x, _, h_0, c_0, _), want_output, keep, _ = _with_call(*arguments)
    features = h_0.shape[0] * h_0.shape[2]
    output = _empty(x, features) if want_output else x.new_empty(x.shape[0], 0, features)
    saved = _unknown_size() if keep else 0
    return output, torch.empty_like(h_0), h_0.new_empty(0) if c_0 is None else torch.empty_like(c_0), x.new_empty(saved)


def _unknown_size() -> Any:
    """A size that only the backend knows: a symbol, or 0 under a fake mode that has none."""
    from torch._subclasses.fake_tensor import DynamicOutputShapeException  # loaded by who makes fake tensors

    try:
        return torch.library.get_ctx().new_dynamic_size()
    except DynamicOutputShapeException:
        return 0


def _fake_backward(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    _, (_, x, weights, h_0, c_0, _), *_, needs_x, needs_initial, _ = _with_call(*arguments)
    d_h_0, d_c_0 = (
        s.new_empty(s.shape if needs_initial else 0) if s is not None else x.new_empty(0) for s in (h_0, c_0)
    )
    d_x = _empty(x, x.shape[2]) if needs_x else x.new_empty(0)
    return d_x, d_h_0, d_c_0, [torch.empty_like(w) for w in weights]


def _operator_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.backend, ctx.cell, x, weights, h_0, c_0, lengths, _, ctx.keep, ctx.cutoff = inputs
    save(ctx, output, lengths, x, h_0, c_0, weights)


def _operator_gradient(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
    lengths, saved, x, h_0, c_0, *weights = ctx.saved_tensors
    arguments = (ctx.backend, ctx.cell, x, weights, h_0, c_0, lengths)
    if not ctx.keep:  # it was traced to infer: once more, now for the gradient
        saved = torch.ops.ecrnn.recurrence(*arguments, False, True, ctx.cutoff)[3]
    needs = ctx.needs_input_grad
    needs_x, needs_initial = needs[2], needs[4] or needs[5]
    gradients = torch.ops.ecrnn.recurrence_backward(*arguments, saved, *grads[:3], needs_x, needs_initial, ctx.cutoff)
    d_h_0, d_c_0 = gradients[1:3] if needs_initial else (None, None)
    d_x = gradients[0] if needs_x else None
    return None, None, d_x, gradients[3], d_h_0, None if c_0 is None else d_c_0, None, None, None, None


def _gradient_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.backend = inputs[0]


def _no_gradient(ctx: Any, *grads: Any) -> Any:
    raise no_second_derivative(ctx.backend)


for _name, _schema, _kernel, _without_values in (
    ("ecrnn::recurrence", _FORWARD, _operator, _fake),
    ("ecrnn::recurrence_backward", _BACKWARD, _operator_backward, _fake_backward),
):
    torch.library.define(_name, _schema)
    torch.library.impl(_name, ("cpu", "cuda"), _kernel)
    torch.library.register_fake(_name, _without_values)
torch.library.register_autograd("ecrnn::recurrence", _operator_gradient, setup_context=_operator_context)
torch.library.register_autograd("ecrnn::recurrence_backward", _no_gradient, setup_context=_gradient_context)
