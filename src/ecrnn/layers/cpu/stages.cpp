// The kernels of stages.hpp for one instruction set; CMake compiles this file once for each, with its flags.
//
// Each pass reads the map once and writes once: forwards the moments, then normalisation with pooling; backwards the two
// sums of batch normalisation's gradient, then the gradient of the map. Nothing between is kept: ReLU, the normalised
// values and the place of each maximum are computed anew from the map. The map is cut into chunks that depend on its
// shape alone, and their sums are added in order, so any number of threads gives the same bits.
#include "stages.hpp"

#include <algorithm>
#include <vector>

#include "maps.hpp"

namespace ecrnn::layers::ECRNN_ISA {

ECRNN_INLINE Vec relu(Vec v) { return v < 0.0f ? Vec{} : v; }  // NaN stays

// The values of one window after ReLU, and which of them gives the maximum of the normalised values: the first of equals.
template <class T, int side>
struct Window {
    Vec value[side * side];
    IntVec best[side * side];
    Vec top;         // the largest normalised value,
    Vec top_value;   // and what it was before

    ECRNN_INLINE Window(const T* at, ptrdiff_t width, ptrdiff_t C, Vec factor, Vec shift) {
        IntVec from{};
        for (int k = 0; k < side * side; ++k) {
            value[k] = relu(read(at + (k / side * width + k % side) * C));
            Vec y = fma(value[k], factor, shift);
            IntVec larger = k == 0 ? ~IntVec{} : (IntVec)(y > top);
            top = select(larger, y, top);
            top_value = select(larger, value[k], top_value);
            from = larger ? IntVec{} + k : from;
        }
        for (int k = 0; k < side * side; ++k) best[k] = from == k;
    }
};

// Adds sums and squares of ReLU(map) - reference over positions; the reference keeps the squares from cancelling.
template <class T, int V>
ECRNN_INLINE void add_moments(const T* at, ptrdiff_t positions, ptrdiff_t C, const float* reference, float* sum, float* square) {
    Vec s[V]{}, q[V]{}, r[V];
    for (int v = 0; v < V; ++v) r[v] = load(reference + v * LANES);
    for (ptrdiff_t p = 0; p < positions; ++p)
        for (int v = 0; v < V; ++v) {
            Vec x = relu(read(at + p * C + v * LANES)) - r[v];
            s[v] += x;
            q[v] = fma(x, x, q[v]);
        }
    for (int v = 0; v < V; ++v) {
        store(sum + v * LANES, s[v]);
        store(square + v * LANES, q[v]);
    }
}

template <class T, int side>
void forward_as(const StageForward& f) {
    Layout l(f.stage);
    const ptrdiff_t C = l.C;
    const T* map = static_cast<const T*>(f.stage.map);
    T* out = static_cast<T*>(f.out);
    std::vector<float> reference(C), sums(l.chunks * 2 * C), factor(C), shift(C);
    for (ptrdiff_t c = 0; c < C; c += LANES) store(&reference[c], relu(read(map + c)));
#pragma omp parallel num_threads(f.stage.threads)
    {
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk) {
            ptrdiff_t from = l.position(l.first(chunk)), to = chunk + 1 == l.chunks ? l.B * l.H * l.W : l.position(l.first(chunk + 1));
            float *sum = &sums[chunk * 2 * C], *square = sum + C;
            ptrdiff_t c = 0;
            for (; c + 4 * LANES <= C; c += 4 * LANES) add_moments<T, 4>(map + from * C + c, to - from, C, &reference[c], sum + c, square + c);
            for (; c < C; c += LANES) add_moments<T, 1>(map + from * C + c, to - from, C, &reference[c], sum + c, square + c);
        }
#pragma omp single
        take_moments(f, l.chunks, l.positions(), reference, sums, factor, shift);
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk)
            for (ptrdiff_t row = l.first(chunk); row < l.first(chunk + 1); ++row) {
                if (!l.whole(row)) continue;
                for (ptrdiff_t x = 0; x < l.W / side; ++x) {
                    const T* at = map + (l.position(row) + x * side) * C;
                    T* to = out + (l.out(row) + x) * C;
                    for (ptrdiff_t c = 0; c < C; c += LANES)
                        write(to + c, Window<T, side>(at + c, l.W, C, load(&factor[c]), load(&shift[c])).top);
                }
            }
    }
}

template <class T, int side>
void backward_as(const StageBackward& b) {
    Layout l(b.stage);
    const ptrdiff_t C = l.C;
    const T *map = static_cast<const T*>(b.stage.map), *d_out = static_cast<const T*>(b.d_out);
    T* d_map = static_cast<T*>(b.d_map);
    std::vector<float> sums(l.chunks * 2 * C, 0.0f), factor(C), shift(C), slope(C), offset(C);
    for (ptrdiff_t c = 0; c < C; ++c) {
        factor[c] = b.stage.weight[c] * b.inverse[c];
        shift[c] = b.stage.bias[c] - b.mean[c] * factor[c];
    }
#pragma omp parallel num_threads(b.stage.threads)
    {
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk) {
            float *sum = &sums[chunk * 2 * C], *product = sum + C;
            for (ptrdiff_t row = l.first(chunk); row < l.first(chunk + 1); ++row) {
                if (!l.whole(row)) continue;
                for (ptrdiff_t c = 0; c < C; c += LANES) {
                    Vec s{}, p{}, mean = load(&b.mean[c]), fac = load(&factor[c]), sh = load(&shift[c]);
                    for (ptrdiff_t x = 0; x < l.W / side; ++x) {
                        Vec d = read(d_out + (l.out(row) + x) * C + c);
                        s += d;
                        p = fma(d, Window<T, side>(map + (l.position(row) + x * side) * C + c, l.W, C, fac, sh).top_value - mean, p);
                    }
                    store(sum + c, load(sum + c) + s);
                    store(product + c, load(product + c) + p);
                }
            }
        }
#pragma omp single
        take_sums(b, l.chunks, l.positions(), sums, factor, slope, offset);
        // d_map = factor * d - mean(factor * d) - (value - mean) * falls where the map is above 0, d being d_out at the maxima
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk)
            for (ptrdiff_t row = l.first(chunk); row < l.first(chunk + 1); ++row) {
                ptrdiff_t covered = l.whole(row) ? l.W / side : 0, lines = std::min(side * 1L, l.H - row % l.rows * side);
                for (ptrdiff_t x = 0; x < covered; ++x) {
                    ptrdiff_t at = (l.position(row) + x * side) * C;
                    for (ptrdiff_t c = 0; c < C; c += LANES) {
                        Vec fac = load(&factor[c]), sl = load(&slope[c]), off = load(&offset[c]), mean = load(&b.mean[c]);
                        Window<T, side> window(map + at + c, l.W, C, fac, load(&shift[c]));
                        Vec d = fac * read(d_out + (l.out(row) + x) * C + c);
                        for (int k = 0; k < side * side; ++k) {
                            Vec value = window.value[k], rest = fma(sl, value - mean, off);
                            Vec dx = select(window.best[k], rest + d, rest);
                            write(d_map + at + (k / side * l.W + k % side) * C + c, value > 0.0f ? dx : Vec{});
                        }
                    }
                }
                for (ptrdiff_t line = 0; line < lines; ++line)  // what no window covers
                    for (ptrdiff_t p = (l.position(row) + line * l.W + covered * side) * C; p < (l.position(row) + (line + 1) * l.W) * C; p += LANES) {
                        Vec value = relu(read(map + p));
                        Vec dx = fma(load(&slope[p % C]), value - load(&b.mean[p % C]), load(&offset[p % C]));
                        write(d_map + p, value > 0.0f ? dx : Vec{});
                    }
            }
    }
}

void forward(const StageForward& f) {
    bool wide = f.stage.element == Element::float32;
    if (f.stage.pool) wide ? forward_as<float, 2>(f) : forward_as<bfloat16, 2>(f);
    else wide ? forward_as<float, 1>(f) : forward_as<bfloat16, 1>(f);
}

void backward(const StageBackward& b) {
    bool wide = b.stage.element == Element::float32;
    if (b.stage.pool) wide ? backward_as<float, 2>(b) : backward_as<bfloat16, 2>(b);
    else wide ? backward_as<float, 1>(b) : backward_as<bfloat16, 1>(b);
}

}  // namespace ecrnn::layers::ECRNN_ISA

namespace ecrnn::layers {
#define ECRNN_NAME_OF(isa) #isa
#define ECRNN_NAME(isa) ECRNN_NAME_OF(isa)
#define ECRNN_TABLE_OF(isa) isa##_kernels
#define ECRNN_TABLE(isa) ECRNN_TABLE_OF(isa)
extern const Kernels ECRNN_TABLE(ECRNN_ISA) = {ECRNN_NAME(ECRNN_ISA), ECRNN_ISA::forward, ECRNN_ISA::backward, ECRNN_ISA::gelu_forward,
                                                    ECRNN_ISA::gelu_backward};
}  // namespace ecrnn::layers
