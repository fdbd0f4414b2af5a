// The kernels of a GELU stage for one instruction set: 2x2 max-pooling or none, batch normalisation, GELU. As in stages.cpp each
// pass reads the map once, nothing between is kept, and the number of threads changes no bit.
#include <algorithm>
#include <vector>

#include "maps.hpp"

namespace ecrnn::layers::ECRNN_ISA {

namespace {

// The largest value of one window, the first of equals; NaN stays. `best` is its place.
template <class T, int side>
struct Top {
    Vec value;
    IntVec best{};

    ECRNN_INLINE Top(const T* at, ptrdiff_t width, ptrdiff_t C) {
        value = read(at);
        for (int k = 1; k < side * side; ++k) {
            Vec v = read(at + (k / side * width + k % side) * C);
            IntVec larger = (IntVec)(v > value) | (IntVec)(v != v);
            value = select(larger, v, value);
            best = larger ? IntVec{} + k : best;
        }
    }
};

constexpr float SCALE = 0.7978845608028654f, CUBE = 0.044715f;  // sqrt(2 / pi); of Hendrycks and Gimpel 2016

// GELU(y) = y * sigmoid(2 u) with u = SCALE * (y + CUBE * y^3), which is y / 2 * (1 + tanh(u)).
struct Gelu {
    Vec value, slope;

    ECRNN_INLINE explicit Gelu(Vec y) {
        Vec square = y * y, s = sigmoid_scaled(2.0f * SIGMOID_SCALE * SCALE * y * fma(CUBE, square, broadcast(1.0f)));
        value = y * s;
        slope = s + value * (1.0f - s) * (2.0f * SCALE) * fma(3.0f * CUBE, square, broadcast(1.0f));
    }
};

// Calls work(where it begins in the map, where its value goes) for every window of a chunk.
template <class Work>
ECRNN_INLINE void for_windows(const Layout& l, ptrdiff_t chunk, Work work) {
    for (ptrdiff_t row = l.first(chunk); row < l.first(chunk + 1); ++row)
        if (l.whole(row))
            for (ptrdiff_t x = 0; x < l.W / l.side; ++x) work((l.position(row) + x * l.side) * l.C, (l.out(row) + x) * l.C);
}

template <class T, int side>
void forward_as(const StageForward& f) {
    Layout l(f.stage);
    const ptrdiff_t C = l.C;
    const T* map = static_cast<const T*>(f.stage.map);
    T* out = static_cast<T*>(f.out);
    std::vector<float> reference(C), sums(l.chunks * 2 * C), factor(C), shift(C);
    const bool any = l.windows() > 0;
    for (ptrdiff_t c = 0; c < C; c += LANES) store(&reference[c], any ? Top<T, side>(map + c, l.W, C).value : read(map + c));
#pragma omp parallel num_threads(f.stage.threads)
    {
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk) {
            float *sum = &sums[chunk * 2 * C], *square = sum + C;
            for_windows(l, chunk, [&](ptrdiff_t at, ptrdiff_t) {
                for (ptrdiff_t c = 0; c < C; c += LANES) {
                    Vec x = Top<T, side>(map + at + c, l.W, C).value - load(&reference[c]);
                    store(sum + c, load(sum + c) + x);
                    store(square + c, fma(x, x, load(square + c)));
                }
            });
        }
#pragma omp single
        take_moments(f, l.chunks, l.windows(), reference, sums, factor, shift);
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk)
            for_windows(l, chunk, [&](ptrdiff_t at, ptrdiff_t to) {
                for (ptrdiff_t c = 0; c < C; c += LANES)
                    write(out + to + c, Gelu(fma(Top<T, side>(map + at + c, l.W, C).value, load(&factor[c]), load(&shift[c]))).value);
            });
    }
}

// With y = factor * (value - mean) + bias and d = d_out * GELU'(y): d_map = factor * d - mean(factor * d) - (value - mean) * falls at the
// maxima, 0 elsewhere.
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
    auto gradient = [&](Vec value, ptrdiff_t from, ptrdiff_t c) {  // d
        return read(d_out + from + c) * Gelu(fma(value, load(&factor[c]), load(&shift[c]))).slope;
    };
#pragma omp parallel num_threads(b.stage.threads)
    {
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk) {
            float *sum = &sums[chunk * 2 * C], *product = sum + C;
            for_windows(l, chunk, [&](ptrdiff_t at, ptrdiff_t from) {
                for (ptrdiff_t c = 0; c < C; c += LANES) {
                    Vec value = Top<T, side>(map + at + c, l.W, C).value, d = gradient(value, from, c);
                    store(sum + c, load(sum + c) + d);
                    store(product + c, fma(d, value - load(&b.mean[c]), load(product + c)));
                }
            });
        }
#pragma omp single
        take_sums(b, l.chunks, l.windows(), sums, factor, slope, offset);
#pragma omp for schedule(static)
        for (ptrdiff_t chunk = 0; chunk < l.chunks; ++chunk) {
            ptrdiff_t first = l.position(l.first(chunk)) * C, last = chunk + 1 == l.chunks ? l.B * l.H * l.W * C : l.position(l.first(chunk + 1)) * C;
            if (side > 1 && (l.H % side || l.W % side)) std::fill(d_map + first, d_map + last, T{});  // what no window covers
            for_windows(l, chunk, [&](ptrdiff_t at, ptrdiff_t from) {
                for (ptrdiff_t c = 0; c < C; c += LANES) {
                    Top<T, side> top(map + at + c, l.W, C);
                    Vec rest = fma(load(&slope[c]), top.value - load(&b.mean[c]), load(&offset[c]));
                    Vec dx = fma(load(&factor[c]), gradient(top.value, from, c), rest);
                    for (int k = 0; k < side * side; ++k)
                        write(d_map + at + (k / side * l.W + k % side) * C + c, select(top.best == k, dx, Vec{}));
                }
            });
        }
    }
}

}  // namespace

void gelu_forward(const StageForward& f) {
    bool wide = f.stage.element == Element::float32;
    if (f.stage.pool) wide ? forward_as<float, 2>(f) : forward_as<bfloat16, 2>(f);
    else wide ? forward_as<float, 1>(f) : forward_as<bfloat16, 1>(f);
}

void gelu_backward(const StageBackward& b) {
    bool wide = b.stage.element == Element::float32;
    if (b.stage.pool) wide ? backward_as<float, 2>(b) : backward_as<bfloat16, 2>(b);
    else wide ? backward_as<float, 1>(b) : backward_as<bfloat16, 1>(b);
}

}  // namespace ecrnn::layers::ECRNN_ISA
