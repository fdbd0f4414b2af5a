"""What the two Triton kernels of ``gpu.py`` share: how a layer lies on the lanes of warps, and what they load.

A program is one warp. It takes a group of samples, one direction and one trial (a network with weights of its own)
through all steps; no program waits for another and nothing is added atomically. A tile is (BB, P): BB samples times P
nodes (H rounded up to a power of two) are the 32 lanes, so that every lane holds one node of one sample. The recurrent
matrices stay in registers, a tile for each column. A state is handed from lane to lane by ``tl.gather``, which becomes
one warp shuffle; there is no shared memory and no barrier, whose latencies would be most of a step of 16 nodes.

At step s of n a program is at t = s, or at t = n - 1 - s in the reverse direction, n being the longest length of its
group. K gates have a gradient of their own: i, f, g, o (LSTM), r, z, n and m (GRU, m = W_hn h + b_hn) or the only one
(RNN). What is kept of a step, ``slots``: the gates and the states before it (LSTM: i, f, g, o, c, h; GRU: r, z, n, m,
h), or the states after and before it (RNN). Weights come and go as one row a direction: w_hh, b_ih, b_hh and, where the
input is ``FUSED``, w_ih.
"""

# mypy: ignore-errors
# ruff: noqa: RUF005, RET505
# Triton compiles these functions by its own rules: no annotations, tuples that grow in loops, ifs decided beforehand.

import triton
import triton.language as tl

INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def reciprocal(v):
    """1 / v for v from 1 to infinity; Triton's own division guards against other values, for a tenth of a step."""
    if INTERPRETED:
        return 1.0 / v
    else:
        return tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=f,f", [v], tl.float32, is_pure=True, pack=1)


@triton.jit
def sigmoid(s):
    """1 / (1 + exp(-a)) of s = -a log2(e)."""
    return reciprocal(1.0 + tl.exp2(s))


@triton.jit
def tanh(s):
    """tanh(a) of s = -2 a log2(e); the polynomial (own fit, 9e-8) keeps small values to float32's relative accuracy."""
    a = s * (-0.5 / LOG2_E)
    z = a * a
    small = a + a * z * (-0.333333105 + z * (0.133305132 + z * (-0.0533910543 + z * 0.0179992206)))
    return tl.where(tl.abs(a) < 0.5, small, 2.0 * reciprocal(1.0 + tl.exp2(s)) - 1.0)


@triton.jit
def columns(weights, j, H: tl.constexpr, G: tl.constexpr):
    """W_hh by columns: tile q * H + k holds the weight from node k to gate q of a lane's node."""
    tiles = ()
    for q in tl.static_range(G):
        for k in tl.static_range(H):
            tiles = tiles + (tl.load(weights + (q * H + j) * H + k),)
    return tiles


@triton.jit
def vectors(start, j, H: tl.constexpr, G: tl.constexpr):
    """G vectors of H numbers that lie one after another."""
    tiles = ()
    for q in tl.static_range(G):
        tiles = tiles + (tl.load(start + q * H + j),)
    return tiles


@triton.jit
def zeros(like, N: tl.constexpr):
    """N tiles of zeros."""
    tiles = ()
    for _ in tl.static_range(N):
        tiles = tiles + (tl.zeros_like(like),)
    return tiles


@triton.jit
def spread(v, j, H: tl.constexpr):
    """Node k of ``v`` to all lanes of its sample, for each k."""
    tiles = ()
    for k in tl.static_range(H):
        tiles = tiles + (tl.gather(v, tl.zeros_like(j) + k, 1),)
    return tiles


@triton.jit
def samples(lengths, B, T, H: tl.constexpr, BB: tl.constexpr, P: tl.constexpr, LENGTHS: tl.constexpr):
    """Of every lane its sample, whether that is its own, its node and length; and n.

    Lanes for which there is no sample or no node do what the last one does and store the same values to the same place;
    so the loops need no masks.
    """
    j = tl.minimum(tl.arange(0, P), H - 1)[None, :] + tl.zeros((BB, 1), tl.int32)  # (BB, P)
    b = tl.program_id(0) * BB + tl.arange(0, BB)[:, None] + tl.zeros((1, P), tl.int32)
    there = b < B
    b = tl.minimum(b, B - 1)
    n, length = T, tl.zeros_like(j) + T
    if LENGTHS:
        length = tl.load(lengths + tl.program_id(2) * B + b)
        n = tl.max(tl.max(length, 1), 0)
    return b.to(tl.int64), there, j, length, n


@triton.jit
def inputs(x, H: tl.constexpr, G: tl.constexpr, FUSED: tl.constexpr):
    """What a step reads: the only feature of x, or the products W_ih x of all gates."""
    tiles = ()
    for q in tl.static_range(1 if FUSED else G):
        tiles = tiles + (tl.load(x + q * H),)
    return tiles
