// Few samples: a node to a lane, since lanes for samples would be empty.
//
// S samples go together and share each weight that is read; products with the inputs, which wait for no state, share it over
// several steps too. The forward pass keeps the gates and states of all steps if a backward pass will come, which then has
// no sums to compute anew; with few samples that is little memory.
#pragma once

#include "packed_nodes.hpp"

namespace ecrnn::ECRNN_ISA {

// S samples from `first` on, in one direction.
template <class Cell, int S>
class Samples {
    static constexpr int GATES = Cell::GATES, SUMS = Cell::SUMS, RECORD = NodesGeometry<Cell>::RECORD;
    static constexpr int PARTS = S == 1 ? 2 : 1;       // a single sample's sums are split, or each would wait for itself
    static constexpr int BACK_PARTS = S == 1 ? 4 : 1;
    static constexpr ptrdiff_t CHUNK = 32;             // steps between the sums of weight gradients
    static constexpr int R = ACCUMULATORS / 2;         // rows of weight gradients at a time
    static constexpr int TOGETHER = ACCUMULATORS / SUMS, BACK_TOGETHER = 8;  // records whose products with inputs are made at once
    static constexpr ptrdiff_t WIDE = 8;               // inputs from which it pays to make those products first
    static_assert(CHUNK % TOGETHER == 0 && CHUNK % BACK_TOGETHER == 0);

  public:
    Samples(const Forward& f, const PackedNodes<Cell>& w, ptrdiff_t first, ptrdiff_t direction)
        : f(f), w(w), first(first), direction(direction), width(w.width),
          steps(f.lengths ? std::clamp<ptrdiff_t>(f.lengths[first], 0, f.T) : f.T) {}

    void begin() {
        states = allocate(2 * S * width), cells = allocate(S * width);
        std::fill_n(states.get(), 2 * S * width, 0.0f);
        std::fill_n(cells.get(), S * width, 0.0f);
        now = states.get(), next = now + S * width;
        for (int s = 0; s < S; ++s) {
            std::copy_n(f.h_0 + row(s), f.H, now + s * width);
            if constexpr (Cell::STATES == 2) std::copy_n(f.c_0 + row(s), f.H, cells.get() + s * width);
        }
        if (f.I >= WIDE) products = allocate(CHUNK * S * SUMS * width);
    }

    // Step k in the order of the direction; nothing where the samples have fewer.
    void advance(ptrdiff_t k) {
        if (k >= steps) return;
        ptrdiff_t t = time(k);
        if (products && k % CHUNK == 0) multiply_inputs(k, std::min(CHUNK, steps - k) * S, products.get());
        const float* start = products ? products.get() + k % CHUNK * S * SUMS * width : nullptr;
        if (f.saved) step<Keep::cached>(t, start, now, next, cells.get());
        else step<Keep::nothing>(t, start, now, next, cells.get());
        if (f.output.data)
            for (int s = 0; s < S; ++s) std::copy_n(next + s * width, f.H, output(f.output, s, t));
        std::swap(now, next);
    }

    void finish() {
        if (f.output.data)
            for (ptrdiff_t t = steps; t < f.T; ++t)
                for (int s = 0; s < S; ++s) std::fill_n(output(f.output, s, t), f.H, 0.0f);
        for (int s = 0; s < S; ++s) {
            std::copy_n(now + s * width, f.H, f.h_n + row(s));
            if constexpr (Cell::STATES == 2) std::copy_n(cells.get() + s * width, f.H, f.c_n + row(s));
        }
    }

    // As Tile::backward; adds to sums, of sums_size().
    ptrdiff_t backward(const Backward& b, float* sums) {
        const Sequence<float> d_x = b.d_x;
        const ptrdiff_t records = CHUNK * S, chunk_floats = records * (SUMS * width + width + w.x_width);
        Buffer gradients = allocate(3 * S * width), chunk = allocate(chunk_floats);
        std::fill_n(gradients.get(), 3 * S * width, 0.0f);
        dh = gradients.get(), dc = dh + S * width, carry = dc + S * width;
        da = chunk.get(), before = da + records * SUMS * width, inputs = before + records * width;
        std::fill_n(chunk.get(), chunk_floats, 0.0f);
        for (int s = 0; s < S; ++s) {
            if (b.d_h_n) std::copy_n(b.d_h_n + row(s), f.H, dh + s * width);
            if (Cell::STATES == 2 && b.d_c_n) std::copy_n(b.d_c_n + row(s), f.H, dc + s * width);
        }
        float top = 0.0f;
        ptrdiff_t made = 0;
        for (ptrdiff_t from = (blocks(steps, CHUNK) - 1) * CHUNK; from >= 0; from -= CHUNK) {
            ptrdiff_t n = std::min(CHUNK, steps - from);
            float size = b.cutoff > 0.0f ? largest() : 0.0f;
            top = std::max(top, size);
            if (b.cutoff > 0.0f && std::isfinite(size) && size <= b.cutoff * top && silent(b.d_output, from, n)) {
                std::fill_n(dh, 2 * S * width, 0.0f);
                if (d_x.data && direction == 0)
                    for (ptrdiff_t k = from; k < from + n; ++k) clear(d_x, time(k));
                continue;
            }
            for (ptrdiff_t k = n - 1; k >= 0; --k) step_backward(b, from + k, k);
            if (d_x.data) multiply_back(from, n * S, d_x);
            add_weights(n, sums);
            made += n;
        }
        if (d_x.data && direction == 0)
            for (ptrdiff_t t = steps; t < f.T; ++t) clear(d_x, t);
        for (int s = 0; s < S; ++s) {
            if (b.d_h_0) std::copy_n(dh + s * width, f.H, b.d_h_0 + row(s));
            if (Cell::STATES == 2 && b.d_c_0) std::copy_n(dc + s * width, f.H, b.d_c_0 + row(s));
        }
        return made;
    }

    // [gate][node][width] for W_hh, [gate][node][x_width] for W_ih, [sum][width] for the biases.
    static ptrdiff_t sums_size(const NodesGeometry<Cell>& g) { return GATES * g.H * (g.width + g.x_width) + SUMS * g.width; }

    static void unpack(const NodesGeometry<Cell>& g, const float* sums, DirectionWeights<float> to) {
        const float *w_ih = sums + GATES * g.H * g.width, *bias = w_ih + GATES * g.H * g.x_width;
        for (ptrdiff_t r = 0; r < GATES * g.H; ++r) {
            std::copy_n(sums + r * g.width, g.H, to.w_hh + r * g.H);
            std::copy_n(w_ih + r * g.x_width, g.I, to.w_ih + r * g.I);
            to.b_ih[r] = bias[Cell::input_sum[r / g.H] * g.width + r % g.H];
            to.b_hh[r] = bias[Cell::hidden_sum[r / g.H] * g.width + r % g.H];
        }
    }

  private:
    const Forward& f;
    const PackedNodes<Cell>& w;
    ptrdiff_t first, direction, width, steps;
    Buffer states, cells, products;                                 // forwards: (2, S, width), (S, width), (CHUNK * S, SUMS * width)
    float *now = nullptr, *next = nullptr;                          // (S, width), of states
    float *dh = nullptr, *dc = nullptr, *carry = nullptr;           // (S, width)
    float *da = nullptr, *before = nullptr, *inputs = nullptr;      // of a chunk: (CHUNK * S, SUMS * width | width | x_width)

    ptrdiff_t time(ptrdiff_t k) const { return direction ? steps - 1 - k : k; }
    ptrdiff_t row(int s) const { return (direction * f.B + first + s) * f.H; }
    template <class Float>
    Float* output(Sequence<Float> sequence, int s, ptrdiff_t t) const {
        return sequence.data + (first + s) * sequence.batch + t * sequence.time + direction * f.H;
    }
    float* record(int s, ptrdiff_t t) const { return f.saved + (((first + s) * f.D + direction) * f.T + t) * RECORD * width; }
    void clear(Sequence<float> d_x, ptrdiff_t t) const {
        for (int s = 0; s < S; ++s) std::fill_n(d_x.data + (first + s) * d_x.batch + t * d_x.time, f.I, 0.0f);
    }

    const float* input(int s, ptrdiff_t t) const { return f.x.data + (first + s) * f.x.batch + t * f.x.time; }

    // Biases and products with the inputs of so many records, which are steps and in each S samples, from step `at` on.
    void multiply_inputs(ptrdiff_t at, ptrdiff_t records, float* to) const {
        for (ptrdiff_t record = 0; record < records; record += TOGETHER) {
            const float* from[TOGETHER];
            for (int r = 0; r < TOGETHER; ++r) {
                const ptrdiff_t own = std::min(record + r, records - 1);
                from[r] = input(static_cast<int>(own % S), time(at + own / S));
            }
            for (ptrdiff_t j = 0; j < width; j += LANES) {
                Vec a[1][TOGETHER][SUMS];
#pragma GCC unroll 16
                for (int r = 0; r < TOGETHER; ++r)
#pragma GCC unroll 16
                    for (int i = 0; i < SUMS; ++i) a[0][r][i] = load(w.bias.get() + i * width + j);
                multiply(a, w.x.get() + j, from, f.I, Cell::input_sum);
#pragma GCC unroll 16
                for (int r = 0; r < TOGETHER; ++r)
#pragma GCC unroll 16
                    for (int i = 0; i < SUMS; ++i) store(to + ((record + r) * SUMS + i) * width + j, a[0][r][i]);
            }
        }
    }

    // `start` are the sums without the products with the states, or null if they are not made yet.
    template <Keep keep>
    void step(ptrdiff_t t, const float* start, const float* now, float* next, float* c) {
        const float *x[S], *h[S];
        for (int s = 0; s < S; ++s) x[s] = input(s, t), h[s] = now + s * width;
        for (ptrdiff_t j = 0; j < width; j += LANES) {
            Vec a[PARTS][S][SUMS] = {};
#pragma GCC unroll 16
            for (int s = 0; s < S; ++s)
#pragma GCC unroll 16
                for (int i = 0; i < SUMS; ++i) a[0][s][i] = load(start ? start + (s * SUMS + i) * width + j : w.bias.get() + i * width + j);
            if (!start) multiply(a, w.x.get() + j, x, f.I, Cell::input_sum);
            multiply(a, w.h.get() + j, h, f.H, Cell::hidden_sum);
#pragma GCC unroll 16
            for (int s = 0; s < S; ++s) {
                if constexpr (PARTS == 2)
#pragma GCC unroll 16
                    for (int i = 0; i < SUMS; ++i) a[0][s][i] = a[0][s][i] + a[1][s][i];
                Vec previous = load(now + s * width + j), after, cell{};
                if constexpr (Cell::STATES == 2) cell = load(c + s * width + j);
                float* to = keep == Keep::nothing ? nullptr : record(s, t) + j;
                Cell::template forward<keep>(a[0][s], previous, after, cell, to, width);
                store(next + s * width + j, after);
                if constexpr (Cell::STATES == 2) store(c + s * width + j, cell);
                if constexpr (keep == Keep::nothing) continue;
                store(to + Cell::PLANES * width, after);
                if constexpr (Cell::STATES == 2) store(to + (Cell::PLANES + 1) * width, cell);
            }
        }
    }

    template <int parts, int rows>
    ECRNN_INLINE void multiply(Vec (&a)[parts][rows][SUMS], const float* weights, const float* const (&from)[rows], ptrdiff_t n,
                               const int (&sum)[GATES]) const {
        auto one = [&](ptrdiff_t k, int part) {
#pragma GCC unroll 16
            for (int gate = 0; gate < GATES; ++gate) {
                Vec weight = load(weights + (k * GATES + gate) * width);
#pragma GCC unroll 16
                for (int r = 0; r < rows; ++r) a[part][r][sum[gate]] = fma(from[r][k], weight, a[part][r][sum[gate]]);
            }
        };
        ptrdiff_t k = 0;
        for (; k + parts <= n; k += parts)
#pragma GCC unroll 2
            for (int part = 0; part < parts; ++part) one(k + part, part);
        for (; k < n; ++k) one(k, 0);
    }

    // Step `at` in the order of the direction, slot k of the chunk.
    void step_backward(const Backward& b, ptrdiff_t at, ptrdiff_t k) {
        ptrdiff_t t = time(at);
        for (int s = 0; s < S; ++s) {
            ptrdiff_t slot = k * S + s;
            const float* kept = record(s, t);
            const float* previous = at > 0 ? record(s, time(at - 1)) + Cell::PLANES * width : nullptr;  // h, then c
            float *h = before + slot * width, *own = dh + s * width, *cell = dc + s * width, *to = da + slot * SUMS * width;
            std::copy_n(previous ? previous : f.h_0 + row(s), f.H, h);
            std::copy_n(input(s, t), f.I, inputs + slot * w.x_width);
            if (b.d_output.data) {
                const float* from = output(b.d_output, s, t);
                for (ptrdiff_t j = 0; j < f.H; ++j) own[j] += from[j];
            }
            for (ptrdiff_t j = 0; j < width; j += LANES) {
                auto read = [&](const float* full, const float* short_row) {
                    return full ? load(full + j) : f.H - j < LANES ? load_first(short_row + j, static_cast<int>(f.H - j)) : load(short_row + j);
                };
                Vec d_cell{}, c_before{};
                if constexpr (Cell::STATES == 2) d_cell = load(cell + j), c_before = read(previous ? previous + width : nullptr, f.c_0 + row(s));
                float planes[5 * LANES];  // the gradients of the sums, and the LSTM's tanh(c) behind them
                if constexpr (Cell::PLANES > SUMS) store(planes + SUMS * LANES, load(kept + SUMS * width + j));
                Vec direct = Cell::backward(gather(kept + j), planes, LANES, load(h + j), load(kept + Cell::PLANES * width + j), c_before, load(own + j), d_cell);
                for (int i = 0; i < SUMS; ++i) store(to + i * width + j, load(planes + i * LANES));
                if constexpr (Cell::STATES == 2) store(cell + j, d_cell);
                if constexpr (Cell::carries) store(carry + s * width + j, direct);
            }
        }
        product<S, BACK_PARTS>(da + k * S * SUMS * width, Cell::hidden_sum, w.back_h.get(), width, [&](int s, ptrdiff_t c, Vec v) {
            store(dh + s * width + c, Cell::carries ? v + load(carry + s * width + c) : v);
        });
    }

    // Gradients of the inputs of the chunk's records, whose first step is `from`.
    void multiply_back(ptrdiff_t from, ptrdiff_t records, Sequence<float> d_x) const {
        for (ptrdiff_t record = 0; record < records; record += BACK_TOGETHER)  // those beyond the last are in memory
            product<BACK_TOGETHER, 1>(da + record * SUMS * width, Cell::input_sum, w.back_x.get(), w.x_width, [&](int r, ptrdiff_t c, Vec v) {
                const ptrdiff_t own = record + r;
                if (own >= records) return;
                float* to = d_x.data + (first + own % S) * d_x.batch + time(from + own / S) * d_x.time + c;
                const int n = static_cast<int>(std::min<ptrdiff_t>(f.I - c, LANES));
                store_first(to, direction ? v + load_first(to, n) : v, n);  // the second direction comes after the first
            });
    }

    // The kept planes of LANES nodes, one behind the other.
    const float* gather(const float* kept) {
        for (int i = 0; i < Cell::KEPT; ++i) store(gathered + i * LANES, load(kept + i * width));
        return gathered;
    }
    alignas(64) float gathered[4 * LANES];

    // Calls take(r, c, sum over the gates' nodes of sums * weights) for each of `rows` records and vector of columns.
    template <int rows, int parts, class Take>
    ECRNN_INLINE void product(const float* sums, const int (&sum)[GATES], const float* weights, ptrdiff_t columns, Take take) const {
        for (ptrdiff_t c = 0; c < columns; c += LANES) {
            Vec acc[parts][rows] = {};
            const float* weight = weights + c;
            for (int gate = 0; gate < GATES; ++gate) {
                const float* from = sums + sum[gate] * width;
                ptrdiff_t j = 0;
                auto one = [&](int part) {
                    Vec v = load(weight);
#pragma GCC unroll 16
                    for (int r = 0; r < rows; ++r) acc[part][r] = fma(from[r * SUMS * width + j], v, acc[part][r]);
                    weight += columns;
                    ++j;
                };
                while (j + parts <= f.H)
#pragma GCC unroll 4
                    for (int part = 0; part < parts; ++part) one(part);
                while (j < f.H) one(0);
            }
            for (int r = 0; r < rows; ++r) {
                for (int part = 1; part < parts; ++part) acc[0][r] = acc[0][r] + acc[part][r];
                take(r, c, acc[0][r]);
            }
        }
    }

    void add_weights(ptrdiff_t n, float* sums) {
        float *w_ih = sums + GATES * f.H * width, *bias = w_ih + GATES * f.H * w.x_width;
        outer(n * S, Cell::hidden_sum, before, width, sums);
        outer(n * S, Cell::input_sum, inputs, w.x_width, w_ih);
        for (ptrdiff_t at = 0; at < SUMS * width; at += LANES) {
            Vec total = load(bias + at);
            for (ptrdiff_t slot = 0; slot < n * S; ++slot) total = total + load(da + slot * SUMS * width + at);
            store(bias + at, total);
        }
    }

    // to[gate][node][columns] += sum over the chunk of da (a number) * right (a row).
    void outer(ptrdiff_t slots, const int (&sum)[GATES], const float* right, ptrdiff_t columns, float* to) const {
        for (int gate = 0; gate < GATES; ++gate)
            for (ptrdiff_t j = 0; j < f.H; j += R) {
                const float* left = da + sum[gate] * width + j;  // R numbers, the last of which may belong to what lies behind
                const ptrdiff_t rows = std::min<ptrdiff_t>(R, f.H - j);
                for (ptrdiff_t c = 0; c < columns; c += LANES) {
                    Vec acc[R] = {};
                    for (ptrdiff_t slot = 0; slot < slots; ++slot) {
                        Vec v = load(right + slot * columns + c);
#pragma GCC unroll 16
                        for (int r = 0; r < R; ++r) acc[r] = fma(left[slot * SUMS * width + r], v, acc[r]);
                    }
                    for (ptrdiff_t r = 0; r < rows; ++r) {
                        float* at = to + ((gate * f.H) + j + r) * columns + c;
                        store(at, load(at) + acc[r]);
                    }
                }
            }
    }

    // As in Tile.
    float largest() const {
        float top = 0.0f;
        for (ptrdiff_t i = 0; i < 2 * S * width; ++i) {
            float size = std::fabs(dh[i]);  // dc lies behind dh
            if (!(size <= top)) top = size;
            if (size != size) return size;
        }
        return top;
    }
    bool silent(Sequence<const float> d_output, ptrdiff_t from, ptrdiff_t n) const {
        if (!d_output.data) return true;
        for (int s = 0; s < S; ++s)
            for (ptrdiff_t k = from; k < from + n; ++k) {
                if (!all_zero(output(d_output, s, time(k)), f.H)) return false;
            }
        return true;
    }
};

}  // namespace ecrnn::ECRNN_ISA
