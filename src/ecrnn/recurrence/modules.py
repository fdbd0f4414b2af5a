"""LSTM, GRU and RNN: drop-ins for torch.nn's, with a choice of one or two bias vectors.

Everything that torch.nn.LSTM, GRU and RNN take, do and store holds here too: constructor, inputs (batched,
unbatched, packed), states, names of the weights. torch's stock kernels compute; faster ones will take their
place in ``forward``.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn

from ecrnn.core.errors import EcrnnError

__all__ = ["GRU", "LSTM", "RNN"]


class _Recurrent(nn.RNNBase):
    """What the three layers have beyond torch's."""

    bias_vectors: int

    def _set_bias_vectors(self, bias_vectors: int) -> None:
        """Keep both bias vectors of every direction, or the first alone."""
        if isinstance(bias_vectors, bool) or bias_vectors not in (1, 2):
            raise EcrnnError(f"bias_vectors must be 1 or 2, got {bias_vectors!r} (recurrence.{type(self).__name__})")
        self.bias_vectors = bias_vectors
        if bias_vectors == 1 and self.bias:
            for name in [name for name, _ in self.named_parameters() if name.startswith("bias_hh")]:
                zeros = torch.zeros_like(getattr(self, name), requires_grad=False)
                delattr(self, name)
                self.register_buffer(name, zeros, persistent=False)  # the stock kernels want both vectors
            self._init_flat_weights()

    def reset_parameters(self) -> None:
        """Draw the weights anew as torch does, uniform within 1 / sqrt(H) of 0; an absent bias stays zero."""
        super().reset_parameters()
        for zeros in self.buffers():  # not zero yet after to_empty()
            zeros.zero_()

    def multiply_adds(self, steps: int) -> int:
        """Multiply-adds of one sample over ``steps`` time steps in the products of matrices and vectors.

        These are gates * H * (I + H) for each step, direction and layer; element-wise work is not counted.
        """
        return steps * sum(w.numel() for name, w in self.named_parameters() if name.startswith("weight_"))

    def extra_repr(self) -> str:
        return super().extra_repr() + (", bias_vectors=1" if self.bias_vectors == 1 else "")


class LSTM(_Recurrent, nn.LSTM):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, Gers et al. 2000), as torch.nn.LSTM.

    i = sigma(W_ii x + b_ii + W_hi h + b_hi), f and o likewise, g with tanh; c' = f * c + i * g,
    h' = o * tanh(c'). Gates are stacked in the order i, f, g, o.

    Args:
        input_size: features I of the input.
        hidden_size: nodes H.
        num_layers: layers, each reading the outputs of the one below. Default 1.
        bias: whether there are biases at all. Default True.
        batch_first: input and output are (B, T, features) instead of (T, B, features); states never are.
        dropout: probability in [0, 1] of zeroing an output between layers, in training. Default 0.
        bidirectional: a second direction that reads from the end; outputs are concatenated. Default False.
        proj_size: if above 0, h' is projected to that many features (``weight_hr``). Default 0.
        device, dtype: of the weights; inputs must have the same.
        bias_vectors: 2 as torch and cuDNN have it; 1 leaves out ``bias_hh``, which adds nothing that
            ``bias_ih`` cannot express, so that a direction has 4 * H * (I + H + 1) parameters as in Keras.
            Default 2.

    Called with ``input`` (T, B, I), (B, T, I), (T, I) or a PackedSequence and optionally ``(h_0, c_0)``, each
    (num_layers * directions, B, H) (no B for unbatched input), it returns ``output, (h_n, c_n)``. With two
    directions ``output[:, -1]`` (batch first) holds the reverse direction after one step; its last state is
    ``h_n[-1]``.

    Raises:
        EcrnnError: if ``bias_vectors`` is neither 1 nor 2; torch's own errors for the rest.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        bias_vectors: Literal[1, 2] = 2,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device=device,
            dtype=dtype,
        )
        self._set_bias_vectors(bias_vectors)


class GRU(_Recurrent, nn.GRU):
    """Gated recurrent unit (Cho et al. 2014) in the reset-after form, as torch.nn.GRU and Keras's default.

    r = sigma(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r * (W_hn h + b_hn)),
    h' = (1 - z) * n + z * h. Gates are stacked in the order r, z, n (Keras: z, r, n).

    Arguments, input and errors as ``LSTM``, without ``proj_size``; the state is one tensor ``h_0``, what
    comes back ``output, h_n``. With ``bias_vectors=1`` there is no b_hn either, which *does* change what the
    layer can express: Keras's reset-after GRU has both vectors, 3 * H * (I + H + 2) parameters a direction.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias_vectors: Literal[1, 2] = 2,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        self._set_bias_vectors(bias_vectors)


class RNN(_Recurrent, nn.RNN):
    """Elman's recurrent network (1990), h' = f(W_ih x + b_ih + W_hh h + b_hh), as torch.nn.RNN.

    Arguments, input and errors as ``LSTM``, without ``proj_size`` and with ``nonlinearity``, "tanh" (default)
    or
    "relu", for f in fourth place; the state is one tensor ``h_0``, what comes back ``output, h_n``. With
    ``bias_vectors=1`` a direction has H * (I + H + 1) parameters as in Keras.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias_vectors: Literal[1, 2] = 2,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            nonlinearity,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device=device,
            dtype=dtype,
        )
        self._set_bias_vectors(bias_vectors)
