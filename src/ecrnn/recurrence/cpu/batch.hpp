// Many samples: a sample to a lane, a tile of V vectors of samples at a time, the time loop inside.
//
// Memory: the forward pass saves the states before every K-th step. The backward pass goes chunk by chunk from the end and
// computes the gates of a chunk anew from the saved states, in the second-level cache; if it is known that it will visit
// every step, the forward pass saves the gates too, which are then read once.
// The tiles depend on the shape alone and their weight gradients are added in order, so any number of threads
// gives the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "cells.hpp"
#include "halves.hpp"
#include "kernels.hpp"

namespace ecrnn::ECRNN_ISA {

using std::ptrdiff_t;

constexpr int ACCUMULATORS = ECRNN_REGISTERS / 2;  // of the products; the other registers hold operands

struct Free {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};
using Buffer = std::unique_ptr<float[], Free>;

inline Buffer allocate(ptrdiff_t floats) {
    return Buffer(static_cast<float*>(::operator new[](sizeof(float) * static_cast<std::size_t>(floats), std::align_val_t{64})));
}

// This thread's memory, of at least so many floats; it stays for the next call, because fresh memory comes page by page.
inline float* working_memory(ptrdiff_t floats) {
    thread_local Buffer memory;
    thread_local ptrdiff_t size = 0;
    if (size < floats) {
        memory = allocate(floats);
        size = floats;
    }
    return memory.get();
}

inline ptrdiff_t blocks(ptrdiff_t n, ptrdiff_t size) { return (n + size - 1) / size; }
inline ptrdiff_t whole_vectors(ptrdiff_t n) { return blocks(n, LANES) * LANES; }

template <class Cell, int V>
struct Geometry {
    static constexpr int W = V * LANES;                                           // samples of a tile
    static constexpr int U = std::max(1, ACCUMULATORS / (Cell::SUMS * V));        // nodes at a time, forwards
    static constexpr int COLUMNS = std::max(1, ACCUMULATORS / V);                 // columns of W^T at a time, backwards
    static constexpr ptrdiff_t CHUNK_FLOATS = 96 * 1024;                        // 384 KiB in the second-level cache

    ptrdiff_t B, T, I, H, D, tiles, Hp, K;

    explicit Geometry(const Forward& f) : B(f.B), T(f.T), I(f.I), H(f.H), D(f.D), tiles(blocks(f.B, W)), Hp(blocks(f.H, U) * U) {
        ptrdiff_t step = W * (Hp * (Cell::PLANES + Cell::STATES) + I + 1);
        K = std::clamp<ptrdiff_t>(CHUNK_FLOATS / step, 4, 32);
    }
    ptrdiff_t plane() const { return Hp * W; }
    ptrdiff_t operands() const { return HALVES ? (H + 1) / 2 : H; }  // of the product with the states: rows, or pairs of them
    ptrdiff_t chunks() const { return blocks(T, K); }
    ptrdiff_t checkpoints() const { return tiles * D * chunks() * Cell::STATES * plane(); }
    float* checkpoint(float* saved, ptrdiff_t unit, ptrdiff_t chunk) const { return saved + (unit * chunks() + chunk) * Cell::STATES * plane(); }
    float* kept(float* saved, ptrdiff_t unit, ptrdiff_t step) const { return saved + checkpoints() + (unit * T + step) * Cell::KEPT * plane(); }
    std::size_t saved_size(bool gates) const { return static_cast<std::size_t>(checkpoints() + (gates ? tiles * D * T * Cell::KEPT * plane() : 0)); }
};

// One direction's weights in the order in which the products read them.
template <class Cell, int V>
struct Packed {
    using G = Geometry<Cell, V>;
    static constexpr int GATES = Cell::GATES, SUMS = Cell::SUMS, U = G::U, COLUMNS = G::COLUMNS;
    Buffer bias, forward_x, forward_h, backward_x, backward_h;
    int x_columns;  // 1 or COLUMNS

    Packed(const G& g, const DirectionWeights<const float>& w, bool backward, bool needs_x) {
        ptrdiff_t I = g.I, H = g.H, node_blocks = g.Hp / U;
        bias = allocate(g.Hp * SUMS);
        forward_x = allocate(g.Hp * I * GATES);
        const ptrdiff_t operands = g.operands();
        forward_h = allocate(g.Hp * operands * GATES);
        for (ptrdiff_t block = 0; block < node_blocks; ++block)
            for (int u = 0; u < U; ++u) {
                ptrdiff_t j = block * U + u;
                bool real = j < H;
                for (int s = 0; s < SUMS; ++s) bias[j * SUMS + s] = 0.0f;
                for (int gate = 0; gate < GATES; ++gate) {
                    int in = Cell::input_sum[gate], hidden = Cell::hidden_sum[gate];
                    ptrdiff_t row = gate * H + j;
                    if (real) {
                        bias[j * SUMS + in] += w.b_ih[row] * Cell::scale[in];
                        bias[j * SUMS + hidden] += w.b_hh[row] * Cell::scale[hidden];
                    }
                    for (ptrdiff_t k = 0; k < I; ++k)
                        forward_x[((block * I + k) * U + u) * GATES + gate] = real ? w.w_ih[row * I + k] * Cell::scale[in] : 0.0f;
                    auto weight = [&](ptrdiff_t k) { return real && k < H ? w.w_hh[row * H + k] * Cell::scale[hidden] : 0.0f; };
                    for (ptrdiff_t k = 0; k < operands; ++k)
                        forward_h[((block * operands + k) * U + u) * GATES + gate] = HALVES ? as_halves(weight(2 * k), weight(2 * k + 1)) : weight(k);
                }
            }
        x_columns = I == 1 ? 1 : COLUMNS;
        if (backward) backward_h = transposed(w.w_hh, GATES * H, H, COLUMNS);
        if (backward && needs_x) backward_x = transposed(w.w_ih, GATES * H, I, x_columns);
    }

    // [block of columns][row][column in the block], zeros beyond the last column.
    static Buffer transposed(const float* w, ptrdiff_t rows, ptrdiff_t columns, int width) {
        Buffer packed = allocate(blocks(columns, width) * rows * width);
        float* to = packed.get();
        for (ptrdiff_t c = 0; c < columns; c += width)
            for (ptrdiff_t r = 0; r < rows; ++r)
                for (ptrdiff_t k = c; k < c + width; ++k) *to++ = k < columns ? w[r * columns + k] : 0.0f;
        return packed;
    }
};

// The rows of a state as the halves of words, row by row of pairs, from `plane` behind the state on.
template <int W>
ECRNN_INLINE void pair_rows(float* state, ptrdiff_t plane, ptrdiff_t first, ptrdiff_t rows) {
    for (ptrdiff_t j = first; j < first + rows; j += 2)
#pragma GCC unroll 4
        for (ptrdiff_t at = 0; at < W; at += LANES)
            store(state + plane + j / 2 * W + at, as_halves(load(state + j * W + at), load(state + (j + 1) * W + at)));
}

// One step forwards of all nodes of a tile. x (I, W), h (H, W), c in place unless c_to differs. With HALVES their pairs lie
// behind the rows of h, and of h_to.
template <class Cell, int V, Keep keep>
inline void step_forward(const Geometry<Cell, V>& g, const Packed<Cell, V>& packed, const float* x, const float* h,
                         const float* c, float* h_to, float* c_to, float* planes, const IntVec* reads) {
    constexpr int W = V * LANES, U = Geometry<Cell, V>::U, GATES = Cell::GATES, SUMS = Cell::SUMS;
    const float *wx = packed.forward_x.get(), *wh = packed.forward_h.get(), *bias = packed.bias.get();
    static_assert(!HALVES || U % 2 == 0);
    const ptrdiff_t I = g.I, plane = g.plane();
    for (ptrdiff_t j = 0; j < g.Hp; j += U) {
        Vec a[U][V][SUMS];
#pragma GCC unroll 16
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 16
            for (int s = 0; s < SUMS; ++s)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) a[u][v][s] = broadcast(bias[u * SUMS + s]);
        bias += U * SUMS;
        auto multiply = [&](auto halves, const float*& w, const float* from, ptrdiff_t n, const int(&sum)[GATES]) {
            for (ptrdiff_t k = 0; k < n; ++k, from += W, w += U * GATES) {
                Vec value[V];
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) value[v] = load(from + v * LANES);
#pragma GCC unroll 16
                for (int u = 0; u < U; ++u)
#pragma GCC unroll 16
                    for (int gate = 0; gate < GATES; ++gate)
#pragma GCC unroll 16
                        for (int v = 0; v < V; ++v) {
                            Vec& to = a[u][v][sum[gate]];
                            const float* weight = w + u * GATES + gate;
                            to = decltype(halves)::value ? fma_halves(weight, value[v], to) : fma(*weight, value[v], to);
                        }
            }
        };
        multiply(std::false_type{}, wx, x, I, Cell::input_sum);
        multiply(std::bool_constant<HALVES>{}, wh, HALVES ? h + plane : h, g.operands(), Cell::hidden_sum);
#pragma GCC unroll 16
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v) {
                ptrdiff_t at = (j + u) * W + v * LANES;
                Vec before = load(h + at), cell{}, after;
                if constexpr (Cell::STATES == 2) cell = load(c + at);
                Vec cell_before = cell;
                Cell::template forward<keep>(a[u][v], before, after, cell, planes + at, plane);
                if (reads) {
                    after = select(reads[v], after, before);
                    cell = select(reads[v], cell, cell_before);
                }
                store(h_to + at, after);
                if constexpr (Cell::STATES == 2) store(c_to + at, cell);
            }
        if constexpr (HALVES) pair_rows<W>(h_to, plane, j, U);
    }
}

// to (columns, W) = [carry +] the product of packed^T with the rows (gates * H) of da's planes.
template <class Cell, int V, int columns>
inline void product_backward(const float* packed, const float* da, const int (&sum)[Cell::GATES], ptrdiff_t H, ptrdiff_t plane,
                             ptrdiff_t total, const float* carry, float* to) {
    constexpr int W = V * LANES;
    for (ptrdiff_t c = 0; c < total; c += columns) {
        Vec acc[columns][V];
#pragma GCC unroll 16
        for (int k = 0; k < columns; ++k)
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v) acc[k][v] = carry && c + k < total ? load(carry + (c + k) * W + v * LANES) : Vec{};
        for (int gate = 0; gate < Cell::GATES; ++gate) {
            const float* row = da + sum[gate] * plane;
            for (ptrdiff_t j = 0; j < H; ++j, row += W, packed += columns) {
                Vec value[V];
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) value[v] = load(row + v * LANES);
#pragma GCC unroll 16
                for (int k = 0; k < columns; ++k)
#pragma GCC unroll 16
                    for (int v = 0; v < V; ++v) acc[k][v] = fma(packed[k], value[v], acc[k][v]);
            }
        }
#pragma GCC unroll 16
        for (int k = 0; k < columns; ++k)
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v) store(to + (c + k) * W + v * LANES, acc[k][v]);
    }
}

// Sums over `steps` steps and all samples of a tile: sums[block][r][c] += sum of rows[r] * columns[c], in blocks of R x C.
// row_offsets and column c * W count from the two bases, which advance by their strides a step. Blocks reach beyond the
// last row and column by repeating them. A few columns at a time, which stay in the first-level cache for all rows.
template <int V, int R, int C>
inline void weight_sums(const float* rows, const ptrdiff_t* row_offsets, ptrdiff_t n_rows, ptrdiff_t row_step,
                        const float* columns, ptrdiff_t n_columns, ptrdiff_t column_step, ptrdiff_t steps, float* sums) {
    static_assert(R * C % LANES == 0);
    constexpr int W = V * LANES;
    constexpr ptrdiff_t CACHE_FLOATS = 5 * 1024;
    const ptrdiff_t group = std::max<ptrdiff_t>(1, CACHE_FLOATS / (steps * W * C)) * C, column_blocks = blocks(n_columns, C);
    for (ptrdiff_t group0 = 0; group0 < n_columns; group0 += group)
        for (ptrdiff_t r0 = 0; r0 < n_rows; r0 += R) {
            const float* row[R];
            for (int r = 0; r < R; ++r) row[r] = rows + row_offsets[std::min(r0 + r, n_rows - 1)];
            for (ptrdiff_t c0 = group0; c0 < std::min(group0 + group, n_columns); c0 += C) {
                const float* column[C];
                for (int c = 0; c < C; ++c) column[c] = columns + std::min(c0 + c, n_columns - 1) * W;
                Vec acc[R * C] = {};
                for (ptrdiff_t t = 0; t < steps; ++t) {
#pragma GCC unroll 4
                    for (int v = 0; v < V; ++v) {
                        Vec left[R];
#pragma GCC unroll 16
                        for (int r = 0; r < R; ++r) left[r] = load(row[r] + t * row_step + v * LANES);
#pragma GCC unroll 16
                        for (int c = 0; c < C; ++c) {
                            Vec right = load(column[c] + t * column_step + v * LANES);
#pragma GCC unroll 16
                            for (int r = 0; r < R; ++r) acc[r * C + c] = fma(left[r], right, acc[r * C + c]);
                        }
                    }
                }
                float* block = sums + (r0 / R * column_blocks + c0 / C) * R * C;
#pragma GCC unroll 16
                for (int first = 0; first < R * C; first += LANES) {
                    Vec part[LANES];
#pragma GCC unroll 16
                    for (int i = 0; i < LANES; ++i) part[i] = acc[first + i];
                    store(block + first, load(block + first) + sums_over_lanes(part));
                }
            }
        }
}

}  // namespace ecrnn::ECRNN_ISA
