"""All steps of a recurrent layer backwards, a Triton kernel; ``_gpu_tiles.py`` says how it is laid out."""

# mypy: ignore-errors
# ruff: noqa: PLR0912, PLR0915, RUF005, SIM102, PLR0124, RET505
# Triton compiles these functions by its own rules: no annotations, tuples that grow in loops, ifs decided beforehand.

import triton
import triton.language as tl

from ecrnn.recurrence._gpu_tiles import LOG2_E, columns, samples, spread, tanh, vectors, zeros

CHECK_EVERY = tl.constexpr(16)  # steps between two looks at whether the backward pass may end


@triton.jit
def _factors(kept, CELL: tl.constexpr):
    """Of what was kept of a step all products that ``_gradients`` needs; they do not wait for a gradient."""
    if CELL == "lstm":
        i, f, g, o, c, h = kept[0], kept[1], kept[2], kept[3], kept[4], kept[5]
        tanh_c = tanh((f * c + i * g) * (-2.0 * LOG2_E))
        of_c = o * (1.0 - tanh_c * tanh_c)
        return of_c, g * i * (1.0 - i), c * f * (1.0 - f), i * (1.0 - g * g), tanh_c * o * (1.0 - o), f, h
    elif CELL == "gru":
        r, z, n, m, h = kept[0], kept[1], kept[2], kept[3], kept[4]
        return (1.0 - z) * (1.0 - n * n), m * r * (1.0 - r), (h - n) * z * (1.0 - z), r, z, h
    elif CELL == "rnn_tanh":
        return 1.0 - kept[0] * kept[0], kept[1]
    else:
        return tl.where(kept[0] <= 0.0, 0.0, 1.0), kept[1]


@triton.jit
def _gradients(dh, dc, by, CELL: tl.constexpr):
    """Gradients of the K arguments of the gates, and of h and c before the step as far as they do not come by W_hh."""
    if CELL == "lstm":
        dc += dh * by[0]
        return (dc * by[1], dc * by[2], dc * by[3], dh * by[4]), tl.zeros_like(dh), dc * by[5]
    elif CELL == "gru":
        d_n = dh * by[0]
        return (d_n * by[1], dh * by[2], d_n, d_n * by[3]), dh * by[4], dc
    else:
        return (dh * by[0],), tl.zeros_like(dh), dc


@triton.jit
def _halved(parts, lane, HALF: tl.constexpr):
    """Of 2 * HALF sums those that a lane keeps, with what the lane HALF apart adds to them."""
    upper = (lane & HALF) != 0
    kept = ()
    for k in tl.static_range(HALF):
        swapped = tl.gather(tl.where(upper, parts[k], parts[k + HALF]), lane ^ HALF, 1)
        kept = kept + (tl.where(upper, parts[k + HALF], parts[k]) + swapped,)
    return kept


@triton.jit
def _through_w_hh(d_gates, W, lane, j, H: tl.constexpr, G: tl.constexpr, P: tl.constexpr, CELL: tl.constexpr):
    """The sum over gates of W_hh^T d_gate.

    A lane has its node's part in the sums of all H nodes. Lanes 2^i apart swap the halves that they do not need, so
    that P - 1 shuffles leave the sum of node k on lane k, where H shuffles a gate would spread all gradients first.
    """
    parts = ()
    for k in tl.static_range(P):
        part = tl.zeros_like(d_gates[0])
        if k < H:
            for q in tl.static_range(G):
                part += W[q * H + k] * (d_gates[3] if CELL == "gru" and q == 2 else d_gates[q])
        parts = parts + (part,)
    if P >= 32:
        parts = _halved(parts, lane, 16)
    if P >= 16:
        parts = _halved(parts, lane, 8)
    if P >= 8:
        parts = _halved(parts, lane, 4)
    parts = _halved(_halved(parts, lane, 2), lane, 1)
    return parts[0] if H == P else tl.gather(parts[0], j, 1)


@triton.jit
def _with_products(d_W, d_gates, h, j, H: tl.constexpr, G: tl.constexpr, CELL: tl.constexpr):
    """``d_W``, laid out as ``columns``, and the products of the gates' gradients with h before the step added."""
    hs = spread(h, j, H)
    added = ()
    for q in tl.static_range(G):
        d = d_gates[3] if CELL == "gru" and q == 2 else d_gates[q]
        for k in tl.static_range(H):
            added = added + (d_W[q * H + k] + d * hs[k],)
    return added


@triton.jit
def _quiet(d_output, d_t, first, n, BB: tl.constexpr, P: tl.constexpr):
    """Up to which step, in steps of 16, nothing comes from above: s in [0, result) of ``d_output`` is zero."""
    s = 0
    loud = 0
    while (s < n) & (loud == 0):
        found = tl.zeros((BB, P), tl.int32)
        for ahead in tl.static_range(CHECK_EVERY):
            d = tl.load(d_output + first + (s + ahead).to(tl.int64) * d_t, mask=s + ahead < n, other=0.0)
            found |= (d != 0.0).to(tl.int32)
        loud = tl.max(tl.max(found, 1), 0)
        s += tl.where(loud == 0, CHECK_EVERY, 0)
    return s


@triton.jit
def _largest(dh, dc):
    """The largest |dh| or |dc| of a tile; infinite if one of them is no number, so that it is never small."""
    size = tl.maximum(tl.abs(dh), tl.abs(dc))
    size = tl.where((dh == dh) & (dc == dc), size, float("inf"))
    return tl.max(tl.max(size, 1), 0)


@triton.jit
def _store_sums(start, tiles, is_own, H: tl.constexpr, P: tl.constexpr, N: tl.constexpr):
    node = tl.arange(0, P)
    for i in tl.static_range(N):
        tl.store(start + i * H + node, tl.sum(tl.where(is_own, tiles[i], 0.0), 0), mask=node < H)


@triton.jit
def _store_columns(start, tiles, is_own, H: tl.constexpr, P: tl.constexpr, G: tl.constexpr):
    node = tl.arange(0, P)
    for q in tl.static_range(G):
        for k in tl.static_range(H):
            total = tl.sum(tl.where(is_own, tiles[q * H + k], 0.0), 0)
            tl.store(start + (q * H + node) * H + k, total, mask=node < H)


@triton.jit
def _store_weights(
    start,
    d_W,
    d_bias,
    d_u,
    is_own,
    CELL: tl.constexpr,
    H: tl.constexpr,
    G: tl.constexpr,
    P: tl.constexpr,
    FUSED: tl.constexpr,
    ACCUMULATE: tl.constexpr,
):
    """A program's part of the weights' gradients, in the order of the weights."""
    if ACCUMULATE:
        _store_columns(start, d_W, is_own, H, P, G)
        start += G * H * H
    _store_sums(start, d_bias, is_own, H, P, G)
    if CELL == "gru":
        _store_sums(start + G * H, (d_bias[0], d_bias[1], d_bias[3]), is_own, H, P, G)
    else:
        _store_sums(start + G * H, d_bias, is_own, H, P, G)
    _store_sums(start + 2 * G * H, d_u, is_own, H, P, G * FUSED)


@triton.jit
def _counted_once(tiles, lane, H: tl.constexpr, N: tl.constexpr):
    """N tiles with zeros on the lanes that repeat the last node."""
    result = ()
    for i in tl.static_range(N):
        result = result + (tiles[i] if tiles[i].shape[1] == H else tl.where(lane < H, tiles[i], 0.0),)
    return result


@triton.jit
def _added(tiles, more, factor, N: tl.constexpr):
    sums = ()
    for i in tl.static_range(N):
        sums = sums + (tiles[i] + more[i] * factor,)
    return sums


@triton.jit
def _kept(slots, H: tl.constexpr, S: tl.constexpr):
    tiles = ()
    for q in tl.static_range(S):
        tiles = tiles + (tl.load(slots + q * H),)
    return tiles


@triton.jit(do_not_specialize=["B", "T"])
def backward_kernel(
    x,  # as for the forward kernel, read where FUSED
    weights,
    lengths,
    slots,
    d_output,  # (N, B, T, D * H) by its strides, read where ABOVE
    d_h_n,  # (N, D, B, H), and so d_c_n, d_h_0, d_c_0
    d_c_n,
    d_x,  # (N, D, B, T), samples and steps rows_b and rows_t apart, written where FUSED and NEEDS_X
    d_h_0,
    d_c_0,
    d_gates,  # (N, D, B, T, K, H), likewise, written where GATES
    d_weights,  # (groups, N, D, row), without w_hh unless ACCUMULATE
    cutoff,
    B,
    T,
    x_n,
    x_b,
    x_t,
    d_n,
    d_b,
    d_t,
    rows_b,
    rows_t,
    CELL: tl.constexpr,
    H: tl.constexpr,
    G: tl.constexpr,
    K: tl.constexpr,
    S: tl.constexpr,
    P: tl.constexpr,
    BB: tl.constexpr,
    FUSED: tl.constexpr,
    ABOVE: tl.constexpr,
    NEEDS_X: tl.constexpr,
    GATES: tl.constexpr,
    ACCUMULATE: tl.constexpr,
    CUTOFF: tl.constexpr,
    LENGTHS: tl.constexpr,
):
    """All steps of a group of samples in one direction of one trial, from the last to the first."""
    d, D, trial = tl.program_id(1), tl.num_programs(1), tl.program_id(2).to(tl.int64)
    b, is_own, j, length, n = samples(lengths, B, T, H, BB, P, LENGTHS)
    weights += (trial * D + d) * (G * H * (H + 2 + FUSED))
    lane = tl.arange(0, P)[None, :] + tl.zeros_like(j)
    W, u = _counted_once(columns(weights, j, H, G), lane, H, G * H), ()
    if FUSED:
        u = _counted_once(vectors(weights + G * H * (H + 2), j, H, G), lane, H, G)
    state = ((trial * D + d) * B + b) * H + j
    dh = tl.load(d_h_n + state)
    dc = tl.zeros_like(dh)
    if CELL == "lstm":
        dc = tl.load(d_c_n + state)

    # a lane's pointers stand at the last step and go against the direction of reading
    sign = 2 * d - 1
    t = (1 - d) * (n - 1)
    if ABOVE:
        d_output += trial * d_n + b * d_b + d * H + j
        quiet = 0
        if CUTOFF:
            quiet = _quiet(d_output, -sign * d_t, d * (n - 1).to(tl.int64) * d_t, n, BB, P)
        d_output += t.to(tl.int64) * d_t
        from_above = tl.load(d_output)
    else:
        quiet = n
        from_above = tl.zeros_like(dh)
    x += trial * x_n + b * x_b + t.to(tl.int64) * x_t
    row = b * rows_b + t.to(tl.int64) * rows_t
    row += (trial * D + d) * (B.to(tl.int64) * T)
    slots += row * (S * H) + j
    d_x += row
    d_gates += row * (K * H) + j
    by = _factors(_kept(slots, H, S), CELL)
    slots += tl.where(n > 1, sign, 0) * rows_t * (S * H)
    kept = _kept(slots, H, S)
    x_now = tl.zeros_like(dh)
    if FUSED:
        x_now = tl.load(x)
    d_W, d_bias, d_u = zeros(dh, G * H * ACCUMULATE), zeros(dh, K), zeros(dh, G * FUSED)
    peak = _largest(dh, dc)
    s = n - 1
    while s >= 0:
        # for the step before factors are made, and for the one before that memory is read, while this one waits
        by_ahead = _factors(kept, CELL)
        slots += tl.where(s > 1, sign, 0) * rows_t * (S * H)
        kept = _kept(slots, H, S)
        back = tl.where(s > 0, sign, 0)
        x_ahead = x_now
        if FUSED:
            x += back * x_t
            x_ahead = tl.load(x)
        active = t < length
        if ABOVE:
            dh += tl.where(active, from_above, 0.0) if LENGTHS else from_above
            d_output += back * d_t
            from_above = tl.load(d_output)
        d_now, past_w_hh, dc_before = _gradients(dh, dc, by, CELL)
        if LENGTHS:
            masked = ()
            for q in tl.static_range(K):
                masked = masked + (tl.where(active, d_now[q], 0.0),)
            d_now = masked
        dh_before = past_w_hh + _through_w_hh(d_now, W, lane, j, H, G, P, CELL)
        if ACCUMULATE:
            d_W = _with_products(d_W, d_now, by[-1], j, H, G, CELL)
        if LENGTHS:
            dh_before, dc_before = tl.where(active, dh_before, dh), tl.where(active, dc_before, dc)
        dh, dc = dh_before, dc_before
        d_bias = _added(d_bias, d_now, 1.0, K)
        if GATES:
            for q in tl.static_range(K):
                tl.store(d_gates + q * H, d_now[q])
            d_gates += sign * rows_t * (K * H)
        if FUSED:
            d_u = _added(d_u, d_now, x_now, G)
            if NEEDS_X:
                d_x_now = d_now[0] * u[0]
                for q in tl.static_range(1, G):
                    d_x_now += d_now[q] * u[q]
                tl.store(d_x, tl.sum(d_x_now, 1)[:, None] + tl.zeros_like(dh))
                d_x += sign * rows_t
        by, x_now = by_ahead, x_ahead
        if CUTOFF:
            if (s % CHECK_EVERY == 0) & (s <= quiet):
                largest = _largest(dh, dc)
                peak = tl.maximum(peak, largest)
                s = tl.where(largest < cutoff * peak, 0, s)
        s -= 1
        t += sign
    tl.store(d_h_0 + state, dh)
    if CELL == "lstm":
        tl.store(d_c_0 + state, dc)
    group = tl.program_id(0).to(tl.int64) * tl.num_programs(2) + trial
    d_weights += (group * D + d) * (G * H * (ACCUMULATE * H + 2 + FUSED))
    _store_weights(d_weights, d_W, d_bias, d_u, is_own, CELL, H, G, P, FUSED, ACCUMULATE)
