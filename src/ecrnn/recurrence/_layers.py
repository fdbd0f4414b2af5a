"""The base of LSTM, GRU and RNN; beyond torch.nn's: backends, one bias vector, lengths, last states alone.

A call is checked as torch checks it: whatever torch's own layer would refuse goes there, and so does an empty batch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import _onnx, dispatch
from ecrnn.recurrence._lengths import as_lengths
from ecrnn.recurrence._torchs import call_torchs, sizes
from ecrnn.recurrence._truncated import stock, truncated
from ecrnn.recurrence.operators import recurrence

States = tuple[Tensor, ...]  # (h,) or (h, c)

_DTYPES = {torch.float32: "float32", torch.float64: "float64", torch.bfloat16: "bfloat16", torch.float16: "float16"}
_HALF = (torch.float32, torch.bfloat16, torch.float16)


class Recurrent(nn.RNNBase):
    """The base of the three layers; comes before torch's class of the same name among their bases."""

    bias_vectors: int
    backend: str = "auto"
    cutoff: float = dispatch.CUTOFF
    truncate: int = 0
    _torch_served: tuple[Any, ...] | None = None  # the last call of which torch was found to be the best server

    def _set_options(self, bias_vectors: int, backend: str, cutoff: float) -> None:
        """Keep both bias vectors of every direction, or the first alone, and say who computes."""
        where = f"(recurrence.{type(self).__name__})"
        if isinstance(bias_vectors, bool) or bias_vectors not in (1, 2):
            raise EcrnnError(f"bias_vectors must be 1 or 2, got {bias_vectors!r} {where}")
        self.bias_vectors = bias_vectors
        self.set_options(backend, cutoff)
        if bias_vectors == 1 and self.bias:
            for name in [name for name, _ in self.named_parameters() if name.startswith("bias_hh")]:
                delattr(self, name)
            self._init_flat_weights()

    def __getattr__(self, name: str) -> Any:
        """Zeros for a bias that there is not: torch's kernels want both vectors, and find them in `_flat_weights`.

        Neither a parameter nor a buffer, so that nothing moves, saves, shares, prunes or shows them.
        """
        state = self.__dict__
        if name.startswith("bias_hh_") and self.lacks(name):
            learnt = getattr(self, name.replace("hh", "ih", 1))
            kept = state["_flat_weights"][state["_flat_weights_names"].index(name)]
            if type(learnt) not in (Tensor, nn.Parameter):
                return learnt.new_zeros(learnt.shape)
            if type(kept) is Tensor and (kept.shape, kept.dtype, kept.device) == _kind(learnt):
                return kept
            with torch.inference_mode(False):  # else no backward pass could keep it
                return torch.zeros(learnt.shape, dtype=learnt.dtype, device=learnt.device)
        return super().__getattr__(name)

    def lacks(self, name: str) -> bool:
        """Whether that is one of the biases that torch's kernels want and this layer has not."""
        state = self.__dict__
        if state.get("bias_vectors") != 1 or not self.bias or name in state["_parameters"] or name in state["_buffers"]:
            return False
        return name.startswith("bias_hh_") and name in state["_flat_weights_names"] and name not in state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state.get("bias_vectors") == 1:  # layers of before 0.2 had zeros among their buffers
            state["_buffers"] = {n: b for n, b in state["_buffers"].items() if not n.startswith("bias_hh_")}
        super().__setstate__(state)  # type: ignore[no-untyped-call]

    def set_options(self, backend: str | None = None, cutoff: float | None = None, truncate: int | None = None) -> None:
        """Set what ``configure`` explains; None leaves one as it is."""
        if backend is not None:
            dispatch.check_backend(backend)
            self.backend = backend
        if cutoff is not None:
            if isinstance(cutoff, bool) or not isinstance(cutoff, int | float) or not 0 <= cutoff < 1:
                raise EcrnnError(f"cutoff must be in [0, 1), got {cutoff!r} (recurrence.{type(self).__name__})")
            self.cutoff = float(cutoff)
        if truncate is not None:
            if isinstance(truncate, bool) or not isinstance(truncate, int) or truncate < 0:
                fault = f"truncate must be a number of steps, or 0 for all, got {truncate!r}"
                raise EcrnnError(f"{fault} (recurrence.{type(self).__name__})")
            self.truncate = truncate

    def multiply_adds(self, steps: int) -> int:
        """Multiply-adds of one sample over ``steps`` time steps in the products of matrices and vectors.

        These are gates * H * (I + H) for each step, direction and layer; element-wise work is not counted.
        """
        return steps * sum(w.numel() for name, w in self.named_parameters() if name.startswith("weight_"))

    def extra_repr(self) -> str:
        text = super().extra_repr() + (", bias_vectors=1" if self.bias_vectors == 1 else "")
        text += f", backend='{self.backend}'" if self.backend != "auto" else ""
        text += f", cutoff={self.cutoff:g}" if self.cutoff != dispatch.CUTOFF else ""
        return text + (f", truncate={self.truncate}" if self.truncate else "")

    def last_states(self, input: Tensor | PackedSequence, hx: Any = None, lengths: Any = None) -> Any:
        """``h_n``, or ``(h_n, c_n)`` of an LSTM, without computing the output sequence of the last layer.

        Arguments as for a call. It is a call, with ``want_output=False``: hooks run.
        """
        return self(input, hx, lengths=lengths, want_output=False)[1]

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Any = None,
        want_output: bool = True,
    ) -> Any:
        """``output, h_n``, or ``output, (h_n, c_n)`` of an LSTM; see the class."""
        # a call like the last one goes straight on to torch: between two calls the caches are cold, and to look at the
        # arguments again would take 20 us
        if (
            not torch.compiler.is_compiling()
            and self._torch_served is not None
            and type(input) is Tensor
            and lengths is None
            and want_output
            and self._torch_served == self._like_call(input)
        ):
            return super().forward(input, hx)
        if "torch._dynamo" in sys.modules and not torch.compiler.is_compiling():
            return _unseen_forward()(self, input, hx, lengths, want_output)
        return self._forward(input, hx, lengths, want_output)

    def _forward(self, input: Tensor | PackedSequence, hx: Any, lengths: Any, want_output: bool) -> tuple[Any, Any]:
        if lengths is not None:
            if isinstance(input, PackedSequence) or input.dim() != 3:
                raise EcrnnError("lengths go with input of three dimensions (recurrence)")
            lengths = as_lengths(lengths)
        weights = self._weights()
        backend = self._backend_for(input, hx, weights)
        cut = self.truncate > 0 and self._cuts(input, hx, lengths, weights)
        if backend == "torch" and not cut:
            return self._by_torch(input, hx, lengths, want_output)
        if isinstance(input, PackedSequence):
            return self._packed(backend, input, _states(hx), weights, want_output)
        if input.dim() == 3:
            x = input if self.batch_first else _steps_outside(input).transpose(0, 1)  # (B, T, I)
            output, states = self._layers(backend, x, _states(hx), weights, lengths, want_output)
            return output if self.batch_first else _dense(output.transpose(0, 1)), self._hx(states)
        states = tuple(s.unsqueeze(1) for s in _states(hx))
        output, states = self._layers(backend, input.unsqueeze(0), states, weights, None, want_output)
        return output.squeeze(0), self._hx(tuple(s.squeeze(1) for s in states))

    def _packed(
        self, backend: str, input: PackedSequence, states: States, weights: list[Tensor], want_output: bool
    ) -> tuple[PackedSequence | None, Any]:
        """Padded, with the samples in the order of their lengths as they lie in ``input``, and packed again."""
        data, sizes, by_length, back = input
        x, lengths = pad_packed_sequence(PackedSequence(data, sizes))  # (T, B, I)
        if by_length is not None:
            states = tuple(s.index_select(1, by_length) for s in states)
        output, states = self._layers(backend, x.transpose(0, 1), states, weights, lengths, want_output, packed=True)
        if back is not None:
            states = tuple(s.index_select(1, back) for s in states)
        if not want_output:
            return None, self._hx(states)
        data = pack_padded_sequence(output, lengths, batch_first=True).data
        return PackedSequence(data, sizes, by_length, back), self._hx(states)

    def _layers(
        self,
        backend: str,
        x: Tensor,
        states: States,
        weights: list[Tensor],
        lengths: Tensor | None,
        want_output: bool,
        packed: bool = False,
    ) -> tuple[Tensor, States]:
        """All layers over (B, T, I): the output (B, T, D * H) and the last states (layers * D, B, H)."""
        dtype = weights[0].dtype
        mixed = _autocasts(x.device.type)
        if mixed:
            ragged = packed and lengths is not None and bool((lengths != lengths[0]).any())
            returned = self._type_under_autocast(x, states, ragged)
            x, states = x.to(dtype), tuple(s.to(dtype) for s in states)
        D, cell = 1 + self.bidirectional, self.mode.lower()
        if not states:
            zeros = x.new_zeros(self.num_layers * D, x.shape[0], self.hidden_size)
            states = (zeros, zeros) if cell == "lstm" else (zeros,)
        compute = {"onnx": _onnx.recurrence, "torch": stock}.get(backend, recurrence)
        if self.truncate and torch.is_grad_enabled() and backend != "onnx":
            compute = truncated(compute, self.truncate)
        lasts: list[States] = []
        for k in range(self.num_layers):
            initial = states if self.num_layers == 1 else [s[k * D : (k + 1) * D] for s in states]
            h_0, c_0 = initial[0], initial[1] if cell == "lstm" else None
            part, above = weights[k * 4 * D : (k + 1) * 4 * D], k + 1 < self.num_layers
            call = (cell, x, part, h_0, c_0, lengths)
            x, *last = compute(backend, call, want_output or above, self.cutoff)
            lasts.append(tuple(last[: len(states)]))
            if above and self.dropout and self.training:
                # in memory time first, as torch has it: then the same seed drops the same values
                x = F.dropout(x.transpose(0, 1).contiguous(), self.dropout).transpose(0, 1)
        final = lasts[0] if len(lasts) == 1 else tuple(torch.cat(s) for s in zip(*lasts, strict=True))
        return (x.to(returned), tuple(s.to(returned) for s in final)) if mixed else (x, final)

    def _type_under_autocast(self, x: Tensor, states: States, ragged: bool) -> torch.dtype:
        """What torch's layer returns; we compute in float32 all the same."""
        input_type, half = (states[0] if states else x).dtype, torch.get_autocast_dtype(x.device.type)
        by_steps = self.mode == "GRU" or (self.mode == "LSTM" and (ragged or half == torch.float16))
        return torch.promote_types(input_type, half) if x.device.type == "cpu" and by_steps else half

    def _hx(self, states: States) -> Any:
        return states if self.mode == "LSTM" else states[0]

    def _weights(self) -> list[Tensor]:
        """Four tensors a layer and direction, as they are now: parametrised or given by functional_call too."""
        parameters = self._parameters
        weights: list[Any] = []
        zeros = None
        for name in self._flat_weights_names:
            weight = parameters.get(name)
            if weight is None and self.bias_vectors == 1 and name.startswith("bias_hh_"):
                zeros = weights[0].new_zeros(weights[0].shape[0]) if zeros is None else zeros
                weight = zeros
            weights.append(getattr(self, name) if weight is None else weight)
        if not self.bias and not self.proj_size:
            zeros = weights[0].new_zeros(weights[0].shape[0])
            weights = [w for pair in zip(weights[::2], weights[1::2], strict=True) for w in (*pair, zeros, zeros)]
        return weights

    def _backend_for(self, input: Tensor | PackedSequence, hx: Any, weights: list[Tensor]) -> str:
        """A backend's name; "torch" also for what torch should refuse, "onnx" while that is exported."""
        packed = isinstance(input, PackedSequence)
        data: Tensor = input.data if isinstance(input, PackedSequence) else input
        steps, batch = sizes(input, self.batch_first)
        jitted = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if jitted or self._is_odd(data, packed, batch, hx, weights[0]):
            return "torch"
        compiling = torch.compiler.is_compiling()
        if compiling and torch.compiler.is_exporting() and _onnx.wanted() and not packed and not self.proj_size:
            return "onnx"
        if self.backend == "torch":
            return "torch"
        training = torch.is_grad_enabled() and (data.requires_grad or any(w.requires_grad for w in weights))
        shape = (
            self.mode.lower(),
            self.input_size,
            self.hidden_size,
            self.num_layers,
            1 + self.bidirectional,
            None if compiling else batch or 1,
            None if compiling else steps,
            training,
            _DTYPES.get(weights[0].dtype, "another type"),
            data.device.type,
            self.proj_size > 0,
            1 if compiling else torch.get_num_threads(),
        )
        if compiling:
            return dispatch.resolve_while_tracing(self.backend, *shape)
        served = dispatch.resolve(self.backend, dispatch.Shape(*shape)).backend
        self._torch_served = self._like_call(data) if served == "torch" and not packed and not self.truncate else None
        return served

    def _like_call(self, input: Tensor) -> tuple[Any, ...]:
        """All that the choice of a backend depends on and that can change between calls that torch would not refuse."""
        return self.backend, self.truncate, input.shape, input.dtype, input.device, torch.get_num_threads()

    def _is_odd(self, data: Tensor, packed: bool, batch: int | None, hx: Any, weight: Tensor) -> bool:
        """Whether torch would refuse the arguments, or return empty tensors for them."""
        dims = data.dim()
        if dims != 2 and (packed or dims != 3):
            return True
        if data.size(-1) != self.input_size or data.numel() == 0 or data.device != weight.device:
            return True
        mixed = _autocasts(data.device.type)  # torch casts then
        if data.dtype != weight.dtype and not (mixed and data.dtype in _HALF):
            return True
        if hx is None:
            return False
        two = self.mode == "LSTM"
        if isinstance(hx, Tensor) == two or (two and (len(hx) != 2 or not all(isinstance(s, Tensor) for s in hx))):
            return True
        size: tuple[Any, ...] = (self.num_layers * (1 + self.bidirectional), self.hidden_size)
        if batch is not None:
            size = (size[0], batch, size[1])
        return any(
            tuple(s.shape) != size or s.device != data.device or (s.dtype != data.dtype and not mixed)
            for s in _states(hx)
        )

    def _cuts(self, input: Tensor | PackedSequence, hx: Any, lengths: Tensor | None, weights: list[Tensor]) -> bool:
        """Whether gradients end inside the sequence; it is called where ``truncate`` is set."""
        if not torch.is_grad_enabled() or torch.compiler.is_exporting():
            return False
        where = f"(recurrence.{type(self).__name__})"
        if lengths is not None or not isinstance(input, Tensor):
            raise EcrnnError(f"truncate needs sequences of one length, without lengths or packing {where}")
        if self.proj_size:
            raise EcrnnError(f"truncate does not go with proj_size {where}")
        steps, batch = sizes(input, self.batch_first)
        return steps > self.truncate and not self._is_odd(input, False, batch, hx, weights[0])

    def _by_torch(
        self, input: Tensor | PackedSequence, hx: Any, lengths: Tensor | None, want_output: bool
    ) -> tuple[Any, Any]:
        """torch's own layer, whose LSTM does not look at packed input and writes beyond its memory if that is odd."""
        if isinstance(input, PackedSequence):
            self.check_input(input.data, input.batch_sizes)
            if self.mode == "LSTM" and isinstance(hx, tuple | list) and len(hx) == 2:
                check: Any = super().check_forward_args
                check(input.data, hx, input.batch_sizes)
        stock: Any = super().forward
        return call_torchs(stock, self.batch_first, input, hx, lengths, want_output)


@cache
def _unseen_forward() -> Callable[..., tuple[Any, Any]]:
    """``_forward``, hidden from dynamo, which stops at these layers and would go on to compile what they call."""
    disable: Any = torch.compiler.disable  # loads dynamo, so only where it is loaded already
    return disable(Recurrent._forward)


def _steps_outside(input: Tensor) -> Tensor:
    """(T, B, I) in memory step by step: the output lies as the input does, and torch's can be viewed as (T * B, H)."""
    B, features = input.shape[1:]
    in_order = B == 1 or input.stride(0) > input.stride(1)
    return input if in_order and (features == 1 or input.stride(2) == 1) else input.contiguous()


def _dense(output: Tensor) -> Tensor:
    """(T, B, features) contiguous, with the strides of torch's output also where a dimension is 1."""
    if 1 in output.shape[:2] and not torch.compiler.is_compiling():
        return output.reshape(output.shape)
    return output.contiguous()


def _autocasts(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)  # "meta" has none


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device


def _states(hx: Any) -> States:
    return () if hx is None else (hx,) if isinstance(hx, Tensor) else tuple(hx)
