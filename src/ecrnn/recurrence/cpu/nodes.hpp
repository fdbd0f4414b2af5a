// Few samples, forwards: a node to a lane, since lanes for samples would be empty. The weights of a step's products are
// read in the order [input][gate][node]; S samples share what is read.
#pragma once

#include "batch.hpp"

namespace ecrnn::ECRNN_ISA {

template <class Cell>
struct PackedNodes {
    ptrdiff_t I, H, width;  // nodes, rounded up to whole vectors; the weights of the additional ones are zero
    Buffer bias, x, h;      // [sum][width], [input][gate][width], [node][gate][width]

    PackedNodes(const Forward& f, const DirectionWeights<const float>& w) : I(f.I), H(f.H), width(blocks(f.H, LANES) * LANES) {
        bias = allocate(Cell::SUMS * width);
        std::fill_n(bias.get(), Cell::SUMS * width, 0.0f);
        for (int gate = 0; gate < Cell::GATES; ++gate) {
            int in = Cell::input_sum[gate], hidden = Cell::hidden_sum[gate];
            for (ptrdiff_t j = 0; j < H; ++j) {
                bias[in * width + j] += w.b_ih[gate * H + j] * Cell::scale[in];
                bias[hidden * width + j] += w.b_hh[gate * H + j] * Cell::scale[hidden];
            }
        }
        x = packed(w.w_ih, I, Cell::input_sum);
        h = packed(w.w_hh, H, Cell::hidden_sum);
    }

  private:
    Buffer packed(const float* w, ptrdiff_t columns, const int (&sum)[Cell::GATES]) {
        Buffer to = allocate(columns * Cell::GATES * width);
        for (ptrdiff_t k = 0; k < columns; ++k)
            for (int gate = 0; gate < Cell::GATES; ++gate)
                for (ptrdiff_t j = 0; j < width; ++j)
                    to[(k * Cell::GATES + gate) * width + j] = j < H ? w[(gate * H + j) * columns + k] * Cell::scale[sum[gate]] : 0.0f;
        return to;
    }
};

// S samples in one direction over all T steps. A single sample's sums are split in two, because each would wait for itself.
template <class Cell, int S>
class Samples {
    static constexpr int GATES = Cell::GATES, SUMS = Cell::SUMS, PARTS = S == 1 ? 2 : 1;

  public:
    Samples(const Forward& f, const PackedNodes<Cell>& w, ptrdiff_t first, ptrdiff_t direction)
        : f(f), w(w), first(first), direction(direction), h(allocate(2 * S * w.width)), c(allocate(S * w.width)) {}

    void run() {
        std::fill_n(h.get(), 2 * S * w.width, 0.0f);
        for (int s = 0; s < S; ++s) {
            std::copy_n(f.h_0 + row(s), f.H, h.get() + s * w.width);
            if constexpr (Cell::STATES == 2) std::copy_n(f.c_0 + row(s), f.H, c.get() + s * w.width);
            if constexpr (Cell::STATES == 2) std::fill(c.get() + s * w.width + f.H, c.get() + (s + 1) * w.width, 0.0f);
        }
        float *now = h.get(), *next = now + S * w.width;
        ptrdiff_t steps = f.lengths ? std::clamp<ptrdiff_t>(f.lengths[first], 0, f.T) : f.T;
        for (ptrdiff_t k = 0; k < steps; ++k) {
            ptrdiff_t t = direction ? steps - 1 - k : k;
            step(t, now, next);
            if (f.output.data)
                for (int s = 0; s < S; ++s) std::copy_n(next + s * w.width, f.H, output(s, t));
            std::swap(now, next);
        }
        if (f.output.data)
            for (ptrdiff_t t = steps; t < f.T; ++t)
                for (int s = 0; s < S; ++s) std::fill_n(output(s, t), f.H, 0.0f);
        for (int s = 0; s < S; ++s) {
            std::copy_n(now + s * w.width, f.H, f.h_n + row(s));
            if constexpr (Cell::STATES == 2) std::copy_n(c.get() + s * w.width, f.H, f.c_n + row(s));
        }
    }

  private:
    const Forward& f;
    const PackedNodes<Cell>& w;
    ptrdiff_t first, direction;
    Buffer h, c;

    ptrdiff_t row(int s) const { return (direction * f.B + first + s) * f.H; }
    float* output(int s, ptrdiff_t t) const { return f.output.data + (first + s) * f.output.batch + t * f.output.time + direction * f.H; }

    void step(ptrdiff_t t, const float* now, float* next) {
        const float* x = f.x.data + first * f.x.batch + t * f.x.time;
        for (ptrdiff_t j = 0; j < w.width; j += LANES) {
            Vec a[PARTS][S][SUMS] = {};
#pragma GCC unroll 16
            for (int s = 0; s < S; ++s)
#pragma GCC unroll 16
                for (int i = 0; i < SUMS; ++i) a[0][s][i] = load(w.bias.get() + i * w.width + j);
            multiply(a, w.x.get() + j, x, f.x.batch, f.I, Cell::input_sum);
            multiply(a, w.h.get() + j, now, w.width, f.H, Cell::hidden_sum);
#pragma GCC unroll 16
            for (int s = 0; s < S; ++s) {
                if constexpr (PARTS == 2)
#pragma GCC unroll 16
                    for (int i = 0; i < SUMS; ++i) a[0][s][i] = a[0][s][i] + a[1][s][i];
                Vec before = load(now + s * w.width + j), after, cell{};
                if constexpr (Cell::STATES == 2) cell = load(c.get() + s * w.width + j);
                Cell::template forward<Keep::nothing>(a[0][s], before, after, cell, nullptr, 0);
                store(next + s * w.width + j, after);
                if constexpr (Cell::STATES == 2) store(c.get() + s * w.width + j, cell);
            }
        }
    }

    ECRNN_INLINE void multiply(Vec (&a)[PARTS][S][SUMS], const float* weights, const float* from, ptrdiff_t stride, ptrdiff_t n,
                               const int (&sum)[GATES]) const {
        auto one = [&](ptrdiff_t k, int part) {
#pragma GCC unroll 16
            for (int gate = 0; gate < GATES; ++gate) {
                Vec weight = load(weights + (k * GATES + gate) * w.width);
#pragma GCC unroll 16
                for (int s = 0; s < S; ++s) a[part][s][sum[gate]] = fma(from[s * stride + k], weight, a[part][s][sum[gate]]);
            }
        };
        ptrdiff_t k = 0;
        for (; k + PARTS <= n; k += PARTS)
#pragma GCC unroll 2
            for (int part = 0; part < PARTS; ++part) one(k + part, part);
        for (; k < n; ++k) one(k, 0);
    }
};

template <class Cell>
void forward_samples(const Forward& f, int threads) {
    std::vector<PackedNodes<Cell>> packed;
    for (ptrdiff_t d = 0; d < f.D; ++d) packed.emplace_back(f, f.weights[d]);
    const ptrdiff_t together = f.lengths ? 0 : f.B / 4, groups = together + f.B - 4 * together;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (ptrdiff_t unit = 0; unit < groups * f.D; ++unit) {
        ptrdiff_t group = unit / f.D, d = unit % f.D;
        if (group < together) Samples<Cell, 4>(f, packed[d], 4 * group, d).run();
        else Samples<Cell, 1>(f, packed[d], 3 * together + group, d).run();
    }
}

}  // namespace ecrnn::ECRNN_ISA
