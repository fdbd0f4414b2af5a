"""The arguments of one recurrent layer, which functions hand on to a backend as one.

A plain tuple, because a call of a small layer takes 30 us and making an object with names takes 0.7 of them, several
times. Where torch must see every tensor, in the schema of an operator and in an autograd.Function, it is taken apart.
"""

from __future__ import annotations

from torch import Tensor

#: One layer in one or two directions over a batch of sequences; B samples, T steps, I inputs, H nodes, G gates:
#:
#:     cell     "lstm" (gates i, f, g, o), "gru" (r, z, n, reset after the product), "rnn_tanh" or "rnn_relu"
#:     x        (B, T, I) with contiguous last dimension, in memory time first where ``x.stride(0) < x.stride(1)``
#:     weights  for each direction w_ih (G * H, I), w_hh (G * H, H), b_ih (G * H,) and b_hh (G * H,), contiguous; zeros
#:              for an absent bias
#:     h_0      (directions, B, H), contiguous
#:     c_0      the same for an LSTM's cells, None for the other cells
#:     lengths  int64 (B,) on the CPU; None: all T. From step ``lengths[b]`` on a sample's state is held and its output
#:              is 0
Call = tuple[str, Tensor, list[Tensor], Tensor, Tensor | None, Tensor | None]

FIELDS = 6  # of a call
