"""All steps of a recurrent layer forwards, a Triton kernel; ``_gpu_tiles.py`` says how it is laid out."""

# mypy: ignore-errors
# ruff: noqa: RUF005, SIM108, RET505
# Triton compiles these functions by its own rules: no annotations, tuples that grow in loops, ifs decided beforehand.

import triton
import triton.language as tl

from ecrnn.recurrence._gpu_tiles import LOG2_E, columns, inputs, samples, sigmoid, spread, tanh, vectors


@triton.jit
def _scale(q: tl.constexpr, CELL: tl.constexpr):
    """What the weights of gate q are multiplied by, so that its argument comes as ``sigmoid`` and ``tanh`` want it."""
    if CELL == "rnn_relu":
        return 1.0
    elif CELL == "rnn_tanh" or q == 2:
        return -2.0 * LOG2_E
    else:
        return -LOG2_E


@triton.jit
def _scaled(tiles, EACH: tl.constexpr, G: tl.constexpr, CELL: tl.constexpr):
    """``tiles``, of which EACH belong to every gate, times the gates' scales."""
    result = ()
    for q in tl.static_range(G):
        for k in tl.static_range(EACH):
            result = result + (tiles[q * EACH + k] * _scale(q, CELL),)
    return result


@triton.jit
def _arguments(h, xs, W, u, b, c_n, j, H: tl.constexpr, G: tl.constexpr, CELL: tl.constexpr, FUSED: tl.constexpr):
    """What goes into the gates, scaled; of a GRU's n first what x adds, then what h adds."""
    hs = spread(h, j, H)
    gates = ()
    for q in tl.static_range(G):
        if FUSED:
            a = xs[0] * u[q] + b[q]
        else:
            a = xs[q] * _scale(q, CELL) + b[q]
        if CELL == "gru" and q == 2:
            gates = gates + (a,)
            a = c_n
        for k in tl.static_range(H):
            a += W[q * H + k] * hs[k]
        gates = gates + (a,)
    return gates


@triton.jit
def _step(gates, h, c, CELL: tl.constexpr):
    """The states after a step, and what is kept of it."""
    if CELL == "lstm":
        i, f, g, o = sigmoid(gates[0]), sigmoid(gates[1]), tanh(gates[2]), sigmoid(gates[3])
        c_after = f * c + i * g
        return o * tanh(c_after * (-2.0 * LOG2_E)), c_after, (i, f, g, o, c, h)
    elif CELL == "gru":
        r, z = sigmoid(gates[0]), sigmoid(gates[1])
        n = tanh(gates[2] + r * gates[3])
        return n + z * (h - n), c, (r, z, n, gates[3] * (-0.5 / LOG2_E), h)
    elif CELL == "rnn_tanh":
        after = tanh(gates[0])
        return after, c, (after, h)
    else:
        after = tl.where(gates[0] < 0.0, 0.0, gates[0])  # a NaN stays one
        return after, c, (after, h)


@triton.jit(do_not_specialize=["B", "T"])
def forward_kernel(
    x,  # (N, D, B, T, 1 or G * H) by its strides
    weights,  # (N, D, row)
    h_0,  # (N, D, B, H), and so c_0, h_n, c_n
    c_0,
    lengths,  # (N, B) int32
    output,  # (N, B, T, D * H), samples and steps as far apart as rows_b and rows_t times D * H
    h_n,
    c_n,
    slots,  # (N, D, B, T, S, H), likewise
    B,
    T,
    x_n,
    x_d,
    x_b,
    x_t,
    rows_b,
    rows_t,
    CELL: tl.constexpr,
    H: tl.constexpr,
    G: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    BB: tl.constexpr,
    FUSED: tl.constexpr,
    OUTPUT: tl.constexpr,
    KEEP: tl.constexpr,
    LENGTHS: tl.constexpr,
):
    """All steps of a group of samples in one direction of one trial; grid (groups, D, N)."""
    d, D, trial = tl.program_id(1), tl.num_programs(1), tl.program_id(2).to(tl.int64)
    b, _, j, length, n = samples(lengths, B, T, H, BB, P, LENGTHS)
    weights += (trial * D + d) * (G * H * (H + 2 + FUSED))
    W = _scaled(columns(weights, j, H, G), H, G, CELL)
    weights += G * H * H
    b_ih, b_hh, u = vectors(weights, j, H, G), vectors(weights + G * H, j, H, G), ()
    if FUSED:
        u = _scaled(vectors(weights + 2 * G * H, j, H, G), 1, G, CELL)
    bias = ()
    for q in tl.static_range(G):
        bias = bias + (b_ih[q] if CELL == "gru" and q == 2 else b_ih[q] + b_hh[q],)
    bias, b_hn = _scaled(bias, 1, G, CELL), b_hh[G - 1] * _scale(G - 1, CELL)

    state = ((trial * D + d) * B + b) * H + j
    h = tl.load(h_0 + state)
    c = h
    if CELL == "lstm":
        c = tl.load(c_0 + state)
    sign = 1 - 2 * d
    t = d * (n - 1)
    x += trial * x_n + d * x_d + b * x_b + t.to(tl.int64) * x_t
    if not FUSED:
        x += j
    row = b * rows_b + t.to(tl.int64) * rows_t
    rows = B.to(tl.int64) * T
    output += ((trial * rows + row) * D + d) * H + j
    slots += ((trial * D + d) * rows + row) * (S * H) + j
    xs = inputs(x, H, G, FUSED)
    for s in range(n):
        x += tl.where(s + 1 < n, sign * x_t, 0)
        ahead = inputs(x, H, G, FUSED)  # read a step before it is needed
        gates = _arguments(h, xs, W, u, bias, b_hn, j, H, G, CELL, FUSED)
        h_after, c_after, kept = _step(gates, h, c, CELL)
        if KEEP:
            for q in tl.static_range(S):
                tl.store(slots + q * H, kept[q])
            slots += sign * rows_t * (S * H)
        active = t < length
        if LENGTHS:
            h_after, c_after = tl.where(active, h_after, h), tl.where(active, c_after, c)
        h, c, xs = h_after, c_after, ahead
        if OUTPUT:
            tl.store(output, tl.where(active, h, 0.0) if LENGTHS else h)
            output += sign * rows_t * (D * H)
        t += sign
    tl.store(h_n + state, h)
    if CELL == "lstm":
        tl.store(c_n + state, c)
