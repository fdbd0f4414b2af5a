// One tile of samples in one direction: its whole time loop, forwards and backwards.
#pragma once

#include <limits>

#include "batch.hpp"

namespace ecrnn::ECRNN_ISA {

template <class Cell, int V>
class Tile {
    using G = Geometry<Cell, V>;
    static constexpr int W = G::W;
    static constexpr int R = 4, C = ACCUMULATORS / R;    // blocks of weight gradients for the states,
    static constexpr int RX = 8, CX = ACCUMULATORS / RX;  // and for one input and the bias
    static_assert(RX * CX % LANES == 0 && R * C % LANES == 0);

  public:
    // For one thread, in its working memory, used for one tile after the other.
    Tile(const G& g, bool backward) : g(g), K(backward ? g.K : std::min<ptrdiff_t>(g.K, LANES)),
          state_step(g.plane() + (HALVES ? g.plane() / 2 : 0) + W), planes_step(Cell::PLANES * g.plane() + W) {
        float* memory = nullptr;
        ptrdiff_t needed = 0;
        auto take = [&](ptrdiff_t floats) {
            float* own = memory ? memory + needed : nullptr;
            needed += whole_vectors(floats);
            return own;
        };
        auto lay_out = [&] {
            const ptrdiff_t slots = backward ? K + 1 : 2, columns = blocks(g.H, G::COLUMNS) * G::COLUMNS;
            x = take(K * (g.I + 1) * W);
            h = take(slots * state_step);
            c = take(Cell::STATES == 2 ? slots * state_step : 0);
            scratch = take(std::max(columns * W, g.plane()));
            if (!backward) return;
            planes = take(K * planes_step);
            dh = take(std::max(columns * W, g.plane()));
            carry = take(columns * W);
            dc = take(g.plane());
            x_slot = blocks(g.I, G::COLUMNS) * G::COLUMNS * W;
            dx = take(K * x_slot);
        };
        lay_out();
        memory = working_memory(std::exchange(needed, 0));
        lay_out();
        std::fill_n(x, K * (g.I + 1) * W, 1.0f);  // of which the last row of each step stays: the bias reads it
        if (!backward) return;
        for (int gate = 0; gate < Cell::GATES; ++gate)
            for (ptrdiff_t j = 0; j < g.H; ++j) hidden_rows.push_back(Cell::hidden_sum[gate] * g.plane() + j * W);
        for (int s = 0; s < Cell::SUMS; ++s)
            for (ptrdiff_t j = 0; j < g.H; ++j) input_rows.push_back(s * g.plane() + j * W);
    }

    void forward(const Forward& f, const Packed<Cell, V>& packed, ptrdiff_t unit) {
        place(f, unit);
        load_states(f.h_0, f.c_0);
        float *now = h, *next = now + state_step;
        for (ptrdiff_t s = 0; s < steps; ++s) {
            if (s % K == 0) load_x(f.x, s, std::min(K, steps - s));
            if (f.saved && s % g.K == 0) save(f.saved, unit, s / g.K, now);
            const IntVec* reads = held(s);
            const float* in = x + s % K * (g.I + 1) * W;
            if (f.gates) step_forward<Cell, V, Keep::streamed>(g, packed, in, now, c, next, c, g.kept(f.saved, unit, s), reads);
            else step_forward<Cell, V, Keep::nothing>(g, packed, in, now, c, next, c, nullptr, reads);
            if (f.output.data) write_output(f.output, time(s), next, reads);
            std::swap(now, next);
        }
        if (f.output.data) clear_output(f.output);
        store_states(f.h_n, now);
        if constexpr (Cell::STATES == 2) store_states(f.c_n, c);
        finish_streams();
    }

    // Back-propagation through time; gives the number of steps made. With a cutoff a chunk is left out where its outputs have
    // no gradient and max(|dh|, |dc|) of the state after it is at most cutoff times the largest at the start of any chunk.
    ptrdiff_t backward(const Backward& b, const Packed<Cell, V>& packed, ptrdiff_t unit, float* sums) {
        const Forward& f = b.forward;
        const Sequence<float> d_x = b.d_x;
        place(f, unit);
        load_gradient(b.d_h_n, dh);
        if constexpr (Cell::STATES == 2) load_gradient(b.d_c_n, dc);
        float top = 0.0f;
        ptrdiff_t made = 0;
        loud.clear();
        for (ptrdiff_t from = (blocks(steps, g.K) - 1) * g.K; from >= 0; from -= g.K) {
            ptrdiff_t n = std::min(g.K, steps - from);
            float size = b.cutoff > 0.0f ? largest() : 0.0f;
            top = std::max(top, size);
            if (b.cutoff > 0.0f && std::isfinite(size) && size <= b.cutoff * top && silent(b.d_output, from, n)) {
                forget(d_x, from, n);
                continue;
            }
            chunk_backward(b, packed, unit, from, n, sums, d_x);
            made += n;
        }
        if (d_x.data && direction == 0) clear(d_x, steps, g.T);
        if (b.d_h_0) store_states(b.d_h_0, dh);
        if constexpr (Cell::STATES == 2)
            if (b.d_c_0) store_states(b.d_c_0, dc);
        finish_streams();
        return made;
    }

    static ptrdiff_t sums_size(const G& g) { return hidden_size(g) + input_size(g); }

    // Adds up the tiles' sums, in order, and puts them where torch has them.
    static void unpack(const G& g, const float* sums, ptrdiff_t stride, DirectionWeights<float> to) {
        ptrdiff_t I = g.I, H = g.H;
        auto total = [&](ptrdiff_t at) {
            float value = 0.0f;
            for (ptrdiff_t tile = 0; tile < g.tiles; ++tile) value += sums[tile * stride + at];
            return value;
        };
        for (ptrdiff_t row = 0; row < Cell::GATES * H; ++row)
            for (ptrdiff_t k = 0; k < H; ++k) to.w_hh[row * H + k] = total(position<R, C>(row, k, H));
        auto input = [&](int sum, ptrdiff_t j, ptrdiff_t k) {
            ptrdiff_t row = sum * H + j;
            return total(hidden_size(g) + (I == 1 ? position<RX, CX>(row, k, 2) : position<R, C>(row, k, I + 1)));
        };
        for (int gate = 0; gate < Cell::GATES; ++gate)
            for (ptrdiff_t j = 0; j < H; ++j) {
                ptrdiff_t row = gate * H + j;
                for (ptrdiff_t k = 0; k < I; ++k) to.w_ih[row * I + k] = input(Cell::input_sum[gate], j, k);
                to.b_ih[row] = input(Cell::input_sum[gate], j, I);
                to.b_hh[row] = input(Cell::hidden_sum[gate], j, I);
            }
    }

  private:
    const G& g;
    ptrdiff_t K;
    // From one step of h or c to the next, and of the planes. A row more than they take: at a multiple of 2 KiB all steps
    // would lie in the same few sets of the first-level cache, and push one another out of it.
    const ptrdiff_t state_step, planes_step;
    float *x, *h, *c, *scratch, *planes = nullptr, *dh = nullptr, *dc = nullptr, *dx = nullptr, *carry = nullptr;
    ptrdiff_t x_slot = 0;
    static constexpr ptrdiff_t LARGE = 1 << 20;  // floats of a sequence that will not stay in the second-level caches
    std::vector<ptrdiff_t> hidden_rows, input_rows;
    // of the tile at work
    std::vector<char> loud;  // chunks whose outputs have a gradient, once `silent` was asked
    ptrdiff_t direction = 0, first = 0, samples = 0, steps = 0;
    bool masked = false;
    const bool large_output = g.B * g.T * g.D * g.H >= LARGE, large_x = g.B * g.T * g.I >= LARGE;
    std::int32_t length[W];
    IntVec reads[V];

    static ptrdiff_t hidden_size(const G& g) { return blocks(Cell::GATES * g.H, R) * blocks(g.H, C) * R * C; }
    static ptrdiff_t input_size(const G& g) {
        if (g.I == 1) return blocks(Cell::SUMS * g.H, RX) * blocks(2, CX) * RX * CX;
        return blocks(Cell::SUMS * g.H, R) * blocks(g.I + 1, C) * R * C;
    }
    template <int rows, int columns>
    static ptrdiff_t position(ptrdiff_t r, ptrdiff_t c, ptrdiff_t n_columns) {
        ptrdiff_t block = r / rows * blocks(n_columns, columns) + c / columns;
        return (block * rows + r % rows) * columns + c % columns;
    }

    void place(const Forward& f, ptrdiff_t unit) {
        direction = unit % g.D;
        first = unit / g.D * W;
        samples = std::min<ptrdiff_t>(W, g.B - first);
        steps = g.T;
        masked = false;
        if (!f.lengths) return;
        std::int64_t longest = 0, shortest = g.T;
        for (ptrdiff_t i = 0; i < W; ++i) {
            std::int64_t n = i < samples ? std::clamp<std::int64_t>(f.lengths[first + i], 0, g.T) : 0;
            length[i] = static_cast<std::int32_t>(n);
            if (i < samples) longest = std::max(longest, n), shortest = std::min(shortest, n);
        }
        steps = static_cast<ptrdiff_t>(longest);
        masked = shortest < longest;
    }

    ptrdiff_t time(ptrdiff_t s) const { return direction ? steps - 1 - s : s; }
    int rows(int v) const { return static_cast<int>(std::clamp<ptrdiff_t>(samples - v * LANES, 0, LANES)); }

    // Which lanes read step s; null if all do.
    const IntVec* held(ptrdiff_t s) {
        if (!masked) return nullptr;
        auto t = static_cast<std::int32_t>(time(s));
        for (int v = 0; v < V; ++v) {
            IntVec n;
            std::memcpy(&n, length + v * LANES, sizeof n);
            reads[v] = n > t;
        }
        return reads;
    }

    void load_x(Sequence<const float> from, ptrdiff_t s, ptrdiff_t n) {
        ptrdiff_t slot = (g.I + 1) * W, t = direction ? time(s + n - 1) : s;
        float *start = x + (direction ? (n - 1) * slot : 0), *to = start;  // of time t; time goes up from here
        ptrdiff_t up = direction ? -slot : slot;
        for (int v = 0; v < V; ++v, to += LANES) {
            const float* sample = from.data + (first + v * LANES) * from.batch + t * from.time;
            if (g.I == 1 && from.time == 1) {
                load_transposed(sample, from.batch, rows(v), static_cast<int>(n), to, up);
                continue;
            }
            for (ptrdiff_t k = 0; k < n; ++k)
                load_transposed(sample + k * from.time, from.batch, rows(v), static_cast<int>(g.I), to + k * up, W);
        }
        if (!masked) return;
        for (ptrdiff_t k = 0; k < n; ++k)  // beyond a sample's end may be anything, and 0 * NaN is NaN
            for (ptrdiff_t lane = 0; lane < W; ++lane)
                if (length[lane] <= t + k)
                    for (ptrdiff_t i = 0; i < g.I; ++i) start[k * up + i * W + lane] = 0.0f;
    }

    void load_states(const float* h_0, const float* c_0) {
        load_plane(h_0, h);
        if constexpr (HALVES) pair_rows<W>(h, g.plane(), 0, g.Hp);
        if constexpr (Cell::STATES == 2) load_plane(c_0, c);
    }
    void load_gradient(const float* from, float* to) {
        if (from) load_plane(from, to);
        else std::fill_n(to, g.plane(), 0.0f);
    }
    void load_plane(const float* from, float* to) {
        for (int v = 0; v < V; ++v)
            load_transposed(from + (direction * g.B + first + v * LANES) * g.H, g.H, rows(v), static_cast<int>(g.H), to + v * LANES, W);
        std::fill(to + g.H * W, to + g.plane(), 0.0f);
    }
    void store_states(float* to, const float* from) {
        for (int v = 0; v < V; ++v)
            store_transposed(to + (direction * g.B + first + v * LANES) * g.H, g.H, rows(v), static_cast<int>(g.H), from + v * LANES, W);
    }
    void save(float* saved, ptrdiff_t unit, ptrdiff_t chunk, const float* now) {
        float* to = g.checkpoint(saved, unit, chunk);
        std::copy_n(now, g.plane(), to);
        if constexpr (Cell::STATES == 2) std::copy_n(c, g.plane(), to + g.plane());
    }

    float* output_at(Sequence<float> output, int v, ptrdiff_t t) const {
        return output.data + (first + v * LANES) * output.batch + t * output.time + direction * g.H;
    }
    void write_output(Sequence<float> output, ptrdiff_t t, const float* state, const IntVec* reads) {
        if (reads) {
            for (ptrdiff_t at = 0; at < g.plane(); at += LANES) store(scratch + at, select(reads[at / LANES % V], load(state + at), Vec{}));
            state = scratch;
        }
        for (int v = 0; v < V; ++v)
            store_transposed(output_at(output, v, t), output.batch, rows(v), static_cast<int>(g.H), state + v * LANES, W, large_output);
    }
    void clear_output(Sequence<float> output) {
        for (ptrdiff_t i = 0; i < samples; ++i)
            for (ptrdiff_t t = steps; t < g.T; ++t) std::fill_n(output_at(output, 0, t) + i * output.batch, g.H, 0.0f);
    }
    // Zeros at the times [begin, end) of d_x, past the caches if there are many: a long sequence is mostly zeros.
    void clear(Sequence<float> d_x, ptrdiff_t begin, ptrdiff_t end) {
        for (ptrdiff_t i = first; i < first + samples; ++i)
            for (ptrdiff_t t = begin; t < end; ++t) {
                float* to = d_x.data + i * d_x.batch + t * d_x.time;
                if (large_x && g.I % LANES == 0 && reinterpret_cast<std::uintptr_t>(to) % 64 == 0)
                    for (ptrdiff_t k = 0; k < g.I; k += LANES) stream(to + k, Vec{});
                else std::fill_n(to, g.I, 0.0f);
            }
    }

    // What a chunk that is left out leaves behind.
    void forget(Sequence<float> d_x, ptrdiff_t s, ptrdiff_t n) {
        std::fill_n(dh, g.plane(), 0.0f);
        if constexpr (Cell::STATES == 2) std::fill_n(dc, g.plane(), 0.0f);
        if (d_x.data && direction == 0) clear(d_x, s, s + n);
    }

    // Largest |dh| and |dc|, infinity and NaN above all numbers: compared as integers, non-negative floats keep their order.
    float largest() const {
        IntVec top{};
        auto take = [&](Vec v) { top = (IntVec)absolute(v) > top ? (IntVec)absolute(v) : top; };
        for (ptrdiff_t at = 0; at < g.H * W; at += LANES) {
            take(load(dh + at));
            if constexpr (Cell::STATES == 2) take(load(dc + at));
        }
        std::int32_t bits = 0;
        for (int lane = 0; lane < LANES; ++lane) bits = std::max(bits, top[lane]);
        float size;
        std::memcpy(&size, &bits, sizeof size);
        return size;
    }

    // Whether no gradient comes from the outputs of the chunk [s, s + n). Once asked, it looks at all chunks that are left, sample by
    // sample: in that order memory gives half as much again as chunk by chunk.
    bool silent(Sequence<const float> d_output, ptrdiff_t s, ptrdiff_t n) {
        if (!d_output.data) return true;
        if (loud.empty()) {
            loud.assign(blocks(s + n, g.K), false);
            for (ptrdiff_t i = first; i < first + samples; ++i)
                for (ptrdiff_t chunk = 0; chunk < static_cast<ptrdiff_t>(loud.size()); ++chunk) {
                    if (loud[chunk]) continue;
                    const ptrdiff_t begin = chunk * g.K, end = std::min(begin + g.K, s + n);
                    IntVec any{};
                    for (ptrdiff_t k = begin; k < end; ++k)
                        any |= any_bits(d_output.data + i * d_output.batch + time(k) * d_output.time + direction * g.H, g.H);
                    loud[chunk] = !all_zero(any);
                }
        }
        return !loud[s / g.K];
    }

    void chunk_backward(const Backward& b, const Packed<Cell, V>& packed, ptrdiff_t unit, ptrdiff_t s0, ptrdiff_t n, float* sums,
                        Sequence<float> d_x) {
        const float* start = g.checkpoint(b.forward.saved, unit, s0 / g.K);
        std::copy_n(start, g.plane(), h);
        if constexpr (HALVES) pair_rows<W>(h, g.plane(), 0, g.Hp);
        if constexpr (Cell::STATES == 2) std::copy_n(start + g.plane(), g.plane(), c);
        load_x(b.forward.x, s0, n);
        const ptrdiff_t plane = g.plane(), slot = (g.I + 1) * W;
        auto kept_of = [&](ptrdiff_t k) { return b.forward.gates ? g.kept(b.forward.saved, unit, s0 + k) : planes + k * planes_step; };
        for (ptrdiff_t k = 0; k < n; ++k) {
            float *now = h + k * state_step, *cell = Cell::STATES == 2 ? c + k * state_step : nullptr, *to = planes + k * planes_step;
            float *next = now + state_step, *next_cell = cell ? cell + state_step : nullptr;
            if (b.forward.gates) replay(kept_of(k), now, cell, next, next_cell, to, held(s0 + k));
            else step_forward<Cell, V, Keep::cached>(g, packed, x + k * slot, now, cell, next, next_cell, to, held(s0 + k));
        }
        for (ptrdiff_t k = n - 1; k >= 0; --k) {
            if (b.forward.gates && s0 > 0) fetch_gates(g.kept(b.forward.saved, unit, s0 - g.K + k));
            float* da = planes + k * planes_step;
            bool carries = step_backward(b.d_output, s0 + k, k, kept_of(k), da);
            product_backward<Cell, V, G::COLUMNS>(packed.backward_h.get(), da, Cell::hidden_sum, g.H, plane, g.H, carries ? carry : nullptr, dh);
            if (!d_x.data) continue;
            float* to = dx + k * x_slot;
            if (packed.x_columns == 1) product_backward<Cell, V, 1>(packed.backward_x.get(), da, Cell::input_sum, g.H, plane, g.I, nullptr, to);
            else product_backward<Cell, V, G::COLUMNS>(packed.backward_x.get(), da, Cell::input_sum, g.H, plane, g.I, nullptr, to);
        }
        if (d_x.data) store_dx(d_x, s0, n);
        weight_sums<V, R, C>(planes, hidden_rows.data(), Cell::GATES * g.H, planes_step, h, g.H, state_step, n, sums);
        sums += hidden_size(g);
        if (g.I == 1) weight_sums<V, RX, CX>(planes, input_rows.data(), Cell::SUMS * g.H, planes_step, x, 2, slot, n, sums);
        else weight_sums<V, R, C>(planes, input_rows.data(), Cell::SUMS * g.H, planes_step, x, g.I + 1, slot, n, sums);
    }

    // Asks the second-level cache for the gates of a step, which the chunk before this one will read. More nodes have so much to
    // compute a step that nothing waits.
    void fetch_gates(const float* kept) const {
        if (g.H >= 32) return;
        for (ptrdiff_t at = 0; at < Cell::KEPT * g.plane(); at += 16) __builtin_prefetch(kept + at, 0, 2);
    }

    // The states of a step forwards, without its products.
    void replay(const float* kept, const float* now, const float* cell, float* next, float* next_cell, float* to, const IntVec* reading) {
        for (ptrdiff_t at = 0; at < g.plane(); at += LANES) {
            Vec before = load(now + at), after, c_before{};
            if constexpr (Cell::STATES == 2) c_before = load(cell + at);
            Vec c_after = c_before;
            Cell::replay(kept + at, g.plane(), before, after, c_after, to + at);
            if (reading) after = select(reading[at / LANES % V], after, before), c_after = select(reading[at / LANES % V], c_after, c_before);
            store(next + at, after);
            if constexpr (Cell::STATES == 2) store(next_cell + at, c_after);
        }
    }

    // The element-wise part: dh of the state after the step -> gradients of the sums in the planes. Gives whether `carry`
    // holds a part of the gradient that goes to the state before the step directly.
    bool step_backward(Sequence<const float> d_output, ptrdiff_t s, ptrdiff_t k, const float* kept, float* da) {
        const ptrdiff_t plane = g.plane();
        const IntVec* reading = held(s);
        if (d_output.data) {
            ptrdiff_t t = time(s);
            for (int v = 0; v < V; ++v)
                load_transposed(d_output.data + (first + v * LANES) * d_output.batch + t * d_output.time + direction * g.H, d_output.batch,
                                rows(v), static_cast<int>(g.H), scratch + v * LANES, W);
        }
        const float *before = h + k * state_step, *after = before + state_step;
        const float* cell = Cell::STATES == 2 ? c + k * state_step : nullptr;
        for (ptrdiff_t at = 0; at < g.H * W; at += LANES) {
            int v = static_cast<int>(at / LANES % V);
            Vec d = load(dh + at), d_cell{}, d_held = d, d_cell_held{}, c_before{};
            if (d_output.data) d = d + load(scratch + at);
            if constexpr (Cell::STATES == 2) d_cell = d_cell_held = load(dc + at), c_before = load(cell + at);
            if (reading) d = select(reading[v], d, Vec{}), d_cell = select(reading[v], d_cell, Vec{});
            Vec direct = Cell::backward(kept + at, da + at, plane, load(before + at), load(after + at), c_before, d, d_cell);
            if (reading) direct = select(reading[v], direct, d_held), d_cell = select(reading[v], d_cell, d_cell_held);
            if (Cell::carries || reading) store(carry + at, direct);
            if constexpr (Cell::STATES == 2) store(dc + at, d_cell);
        }
        return Cell::carries || reading;
    }

    // The first direction writes d_x, the second one, which comes after it, adds to it.
    void store_dx(Sequence<float> d_x, ptrdiff_t s, ptrdiff_t n) {
        ptrdiff_t t = direction ? time(s + n - 1) : s, up = direction ? -x_slot : x_slot;
        const float* from = dx + (direction ? (n - 1) * x_slot : 0);
        auto put = [&](float* to, int v, int columns, const float* values, ptrdiff_t stride) {
            if (direction) store_transposed<true>(to, d_x.batch, rows(v), columns, values, stride);
            else store_transposed(to, d_x.batch, rows(v), columns, values, stride);
        };
        for (int v = 0; v < V; ++v, from += LANES) {
            float* sample = d_x.data + (first + v * LANES) * d_x.batch + t * d_x.time;
            if (g.I == 1 && d_x.time == 1) {
                put(sample, v, static_cast<int>(n), from, up);
                continue;
            }
            for (ptrdiff_t k = 0; k < n; ++k) put(sample + k * d_x.time, v, static_cast<int>(g.I), from + k * up, W);
        }
    }
};

}  // namespace ecrnn::ECRNN_ISA
