"""LSTM, GRU and RNN: drop-ins for torch.nn's, with a choice of one or two bias vectors.

Everything that torch.nn.LSTM, GRU and RNN take, do and store holds here too: constructor, inputs (batched,
unbatched, packed), states, names of the weights. Who computes is a backend's choice, see ``dispatch.py``.
"""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from ecrnn.recurrence._layers import Recurrent
from ecrnn.recurrence.dispatch import CUTOFF

__all__ = ["GRU", "LSTM", "RNN", "configure"]


def configure(
    model: nn.Module, backend: str | None = None, cutoff: float | None = None, truncate: int | None = None
) -> None:
    """Set who computes, and how far gradients go back, on all LSTM, GRU and RNN of this package within a network.

    Args:
        model: the network, or a layer itself.
        backend: as in ``LSTM``; None leaves it as it is.
        cutoff: as in ``LSTM``; None leaves it as it is.
        truncate: steps of truncated back-propagation through time. Each layer and direction is cut into pieces of that
            many steps, counted from the end of its reading; states pass from piece to piece, gradients do not, so they
            reach at most that many steps back, and from the last state exactly as many. Needs sequences of one length.
            0, a layer's default, goes through all steps; None leaves it as it is.

    Raises:
        EcrnnError: if one of them is none of these values.
    """
    for layer in model.modules():
        if isinstance(layer, Recurrent):
            layer.set_options(backend, cutoff, truncate)


class LSTM(Recurrent, nn.LSTM):
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
        backend: who computes: "cpu" (C++), "cpu-bfloat16" (which rounds), "triton", "torch" (the stock kernels) or
            "reference" (float64, slow); one that cannot serve is an error. Default "auto": the fastest that can, see
            ``dispatch.explain``.
        cutoff: the backward pass ends where gradients, once none come in from above any more, are below this part of
            their maximum; the rest is taken as 0. 0 goes back through all steps. Default 1e-8, below rounding.

    Called with ``input`` (T, B, I), (B, T, I), (T, I) or a PackedSequence and optionally ``(h_0, c_0)``, each
    (num_layers * directions, B, H) (no B for unbatched input), it returns ``output, (h_n, c_n)``. With two
    directions ``output[:, -1]`` (batch first) holds the reverse direction after one step; its last state is
    ``h_n[-1]``.

    Beyond torch's: ``lengths=`` (B,) says how many steps of each sample count, from 1 to T, so that states are those
    after its own last step, the reverse direction starts there, and outputs beyond are 0. ``last_states(input, hx,
    lengths)`` returns ``(h_n, c_n)`` alone and saves the work on the last layer's output; it calls the layer with
    ``want_output=False``, which leaves no steps in ``output`` (None for packed input).

    Raises:
        EcrnnError: if ``bias_vectors`` is neither 1 nor 2, ``cutoff`` not in [0, 1), or the backend named cannot serve;
            UnknownNameError for a backend that there is not; torch's own errors for the rest.
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
        backend: str = "auto",
        cutoff: float = CUTOFF,
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
        self._set_options(bias_vectors, backend, cutoff)


class GRU(Recurrent, nn.GRU):
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
        backend: str = "auto",
        cutoff: float = CUTOFF,
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
        self._set_options(bias_vectors, backend, cutoff)


class RNN(Recurrent, nn.RNN):
    """Elman's recurrent network (1990), h' = f(W_ih x + b_ih + W_hh h + b_hh), as torch.nn.RNN.

    Arguments, input and errors as ``LSTM``, without ``proj_size`` and with ``nonlinearity``, "tanh" (default) or
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
        backend: str = "auto",
        cutoff: float = CUTOFF,
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
        self._set_options(bias_vectors, backend, cutoff)
