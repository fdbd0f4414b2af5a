// A vector of LANES floats and what the kernels do with it: loads, transposes, sums over lanes, sigmoid and tanh.
//
// Compiled once for each instruction set, each time in a namespace of its own (ECRNN_ISA), so that the linker never
// mixes them. Errors, measured against double precision by tests/cpp/activations.cpp: sigmoid at most 2.3e-7 and tanh
// at most 3e-7, relative, near 0 too; absolute 1e-7 and 2e-7. Sigmoid ends at 2^-80 (in the LSTM at 2^-40) instead of 0,
// tanh at +-1. NaN stays NaN, whatever its payload; +-infinity gives these limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>
#ifdef ECRNN_BFLOAT16
#define ECRNN_ISA avx512_bfloat16
#else
#define ECRNN_ISA avx512
#endif
#define ECRNN_LANES 16
#define ECRNN_REGISTERS 32
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define ECRNN_ISA avx2
#define ECRNN_LANES 8
#define ECRNN_REGISTERS 16
#else
#define ECRNN_ISA portable
#define ECRNN_LANES 4
#define ECRNN_REGISTERS 32
#endif

#define ECRNN_INLINE inline __attribute__((always_inline))

namespace ecrnn::ECRNN_ISA {

constexpr int LANES = ECRNN_LANES;
typedef float Vec __attribute__((vector_size(4 * ECRNN_LANES)));
typedef std::int32_t IntVec __attribute__((vector_size(4 * ECRNN_LANES)));

ECRNN_INLINE Vec load(const float* from) {
    Vec v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

ECRNN_INLINE void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }

// Past the caches, for what is not read again soon; `to` is aligned to a vector. finish_streams() before another thread reads.
ECRNN_INLINE void stream(float* to, Vec v) {
#if ECRNN_LANES == 16
    _mm512_stream_ps(to, (__m512)v);
#elif ECRNN_LANES == 8
    _mm256_stream_ps(to, (__m256)v);
#else
    store(to, v);
#endif
}

ECRNN_INLINE void finish_streams() {
#if ECRNN_LANES >= 8
    _mm_sfence();
#endif
}

ECRNN_INLINE Vec broadcast(float value) { return value - Vec{}; }

// a * b + c, rounded once where the machine can.
ECRNN_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if ECRNN_LANES == 16
    return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif ECRNN_LANES == 8
    return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;  // contracted by -ffp-contract=fast
#endif
}

ECRNN_INLINE Vec fma(float weight, Vec b, Vec c) { return fma(broadcast(weight), b, c); }

ECRNN_INLINE Vec select(IntVec mask, Vec yes, Vec no) { return mask ? yes : no; }

ECRNN_INLINE Vec absolute(Vec v) { return (Vec)((IntVec)v & 0x7fffffff); }

// The first n <= LANES floats, zeros behind them; nothing after them is touched.
ECRNN_INLINE Vec load_first(const float* from, int n) {
#if ECRNN_LANES == 16
    return (Vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
#else
    Vec v{};
    std::memcpy(&v, from, sizeof(float) * static_cast<std::size_t>(n));
    return v;
#endif
}

ECRNN_INLINE void store_first(float* to, Vec v, int n) {
#if ECRNN_LANES == 16
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    std::memcpy(to, &v, sizeof(float) * static_cast<std::size_t>(n));
#endif
}

// 1 / d for 1 <= d <= 2^81; exact to one unit in the last place.
ECRNN_INLINE Vec reciprocal(Vec d) {
#if ECRNN_LANES == 16
    Vec r = (Vec)_mm512_rcp14_ps((__m512)d);
    return fma(r, fma(-d, r, broadcast(1.0f)), r);  // one step of Newton's method: 2^-14 squared
#else
    return 1.0f / d;
#endif
}

// 2^y for y <= 80, with relative error 1.5e-7; 2^0 is 1 exactly. Polynomials: minimax with p(0) = 1, by Remez exchange.
ECRNN_INLINE Vec exp2(Vec y) {
#if ECRNN_LANES == 16
    Vec f = (Vec)_mm512_reduce_ps((__m512)y, 0x09);  // y - floor(y), without exceptions
    Vec p = fma(broadcast(0.0018671302f), f, broadcast(0.00901703f));
    p = fma(p, f, broadcast(0.055799913f));
    p = fma(p, f, broadcast(0.24016446f));
    p = fma(p, f, broadcast(0.6931513f));
    p = fma(p, f, broadcast(1.0f));
    return (Vec)_mm512_scalef_ps((__m512)p, (__m512)y);  // p * 2^floor(y)
#else
    y = y < -126.0f ? broadcast(-126.0f) : y;
    constexpr float magic = 12582912.0f + 127.0f;  // 1.5 * 2^23: the sum's last bits are round(y), plus the exponent's bias
    Vec shifted = y + magic, f = y - (shifted - magic);
    Vec p = fma(broadcast(0.0013264726f), f, broadcast(0.009671513f));
    p = fma(p, f, broadcast(0.055507336f));
    p = fma(p, f, broadcast(0.24022248f));
    p = fma(p, f, broadcast(0.693147f));
    p = fma(p, f, broadcast(1.0f));
    return p * (Vec)((IntVec)shifted << 23);
#endif
}

// 2^y - 1 for y <= 80, with relative error 2e-7 also near y = 0, where exp2(y) - 1 would have none of its digits.
ECRNN_INLINE Vec exp2_minus_1(Vec y) {
#if ECRNN_LANES == 16
    Vec f = (Vec)_mm512_reduce_ps((__m512)y, 0x08);  // y - round(y)
    Vec scale = (Vec)_mm512_scalef_ps((__m512)broadcast(1.0f), (__m512)(y - f));
#else
    y = y < -126.0f ? broadcast(-126.0f) : y;
    constexpr float magic = 12582912.0f + 127.0f;
    Vec shifted = y + magic, f = y - (shifted - magic), scale = (Vec)((IntVec)shifted << 23);
#endif
    Vec p = fma(broadcast(0.00015403512f), f, broadcast(0.0013390735f));
    p = fma(p, f, broadcast(0.009618238f));
    p = fma(p, f, broadcast(0.055503573f));
    p = fma(p, f, broadcast(0.24022649f));
    p = fma(p, f, broadcast(0.6931472f));
    return fma(scale, p * f, scale - 1.0f);
}

// Arguments come multiplied by these, which the packed weights already contain.
constexpr float SIGMOID_SCALE = -1.44269504f;  // -log2(e)
constexpr float TANH_SCALE = -2.88539008f;     // -2 log2(e)

ECRNN_INLINE Vec at_most(Vec v, float limit) {
#if ECRNN_LANES == 16
    return (Vec)_mm512_min_ps((__m512)broadcast(limit), (__m512)v);  // the second one if either is NaN
#else
    return v > limit ? broadcast(limit) : v;
#endif
}

// sigmoid(a) for scaled = SIGMOID_SCALE * a.
ECRNN_INLINE Vec sigmoid_scaled(Vec scaled) { return reciprocal(1.0f + exp2(at_most(scaled, 80.0f))); }

// tanh(a) for scaled = TANH_SCALE * a: with m = exp(-2a) - 1 it is -m / (m + 2).
ECRNN_INLINE Vec tanh_scaled(Vec scaled) {
    Vec m = exp2_minus_1(at_most(scaled, 80.0f));
    return -m * reciprocal(2.0f + m);
}

ECRNN_INLINE Vec tanh(Vec a) { return tanh_scaled(a * TANH_SCALE); }

// Columns c of the results: where bit `s` of c is 0, column c of a (lower) or c + s of a (upper), else of b.
template <int s, int... c>
ECRNN_INLINE Vec interleave_lower(Vec a, Vec b, std::integer_sequence<int, c...>) {
    return __builtin_shufflevector(a, b, ((c & s) == 0 ? c : LANES + c - s)...);
}
template <int s, int... c>
ECRNN_INLINE Vec interleave_upper(Vec a, Vec b, std::integer_sequence<int, c...>) {
    return __builtin_shufflevector(a, b, ((c & s) == 0 ? c + s : LANES + c)...);
}
using Columns = std::make_integer_sequence<int, LANES>;

// LANES vectors as the rows of a square, transposed in place.
template <int s = 1>
ECRNN_INLINE void transpose(Vec (&rows)[LANES]) {
#pragma GCC unroll 16
    for (int i = 0; i < LANES; ++i) {
        if ((i & s) != 0) continue;
        Vec lower = interleave_lower<s>(rows[i], rows[i + s], Columns{});
        rows[i + s] = interleave_upper<s>(rows[i], rows[i + s], Columns{});
        rows[i] = lower;
    }
    if constexpr (2 * s < LANES) transpose<2 * s>(rows);
}

// The sums over the lanes of LANES vectors, in one vector: lane i is the sum of rows[i]. Always in the same order.
template <int s = 1>
ECRNN_INLINE Vec sums_over_lanes(Vec (&rows)[LANES]) {
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i += 2 * s)
        rows[i] = interleave_lower<s>(rows[i], rows[i + s], Columns{}) + interleave_upper<s>(rows[i], rows[i + s], Columns{});
    if constexpr (2 * s < LANES) return sums_over_lanes<2 * s>(rows);
    return rows[0];
}

// to[c * to_stride + lane] = from[lane * row_stride + c]; lanes from `rows` upwards become 0. Reads rows x columns.
inline void load_transposed(const float* from, std::ptrdiff_t row_stride, int rows, int columns, float* to, std::ptrdiff_t to_stride) {
    for (int c = 0; c < columns; c += LANES) {
        int n = columns - c < LANES ? columns - c : LANES;
        if (n < 3) {  // too few for a square
            for (int k = c; k < c + n; ++k)
                for (int lane = 0; lane < LANES; ++lane) to[k * to_stride + lane] = lane < rows ? from[lane * row_stride + k] : 0.0f;
            continue;
        }
        Vec square[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            const float* row = from + lane * row_stride + c;
            square[lane] = lane >= rows ? Vec{} : n == LANES ? load(row) : load_first(row, n);
        }
        transpose(square);
        for (int k = 0; k < n; ++k) store(to + (c + k) * to_stride, square[k]);
    }
}

// The way back: to[lane * row_stride + c] = from[c * from_stride + lane], or += with `add`, for the lanes below `rows`. With
// `past_caches` whole lines of the cache are streamed.
template <bool add = false>
inline void store_transposed(float* to, std::ptrdiff_t row_stride, int rows, int columns, const float* from, std::ptrdiff_t from_stride,
                             bool past_caches = false) {
    for (int c = 0; c < columns; c += LANES) {
        int n = columns - c < LANES ? columns - c : LANES;
        if (n < 3) {
            for (int k = c; k < c + n; ++k)
                for (int lane = 0; lane < rows; ++lane) {
                    float &at = to[lane * row_stride + k], value = from[k * from_stride + lane];
                    at = add ? at + value : value;
                }
            continue;
        }
        Vec square[LANES];
        for (int k = 0; k < LANES; ++k) square[k] = k < n ? load(from + (c + k) * from_stride) : Vec{};
        transpose(square);
        for (int lane = 0; lane < rows; ++lane) {
            float* row = to + lane * row_stride + c;
            if constexpr (add) square[lane] = square[lane] + load_first(row, n);
            const bool line = sizeof(Vec) == 64 && past_caches && reinterpret_cast<std::uintptr_t>(row) % 64 == 0;
            if (n == LANES && line) stream(row, square[lane]);
            else if (n == LANES) store(row, square[lane]);
            else store_first(row, square[lane], n);
        }
    }
}

// The bits but the sign of n floats, those of every LANES-th float joined by "or".
inline IntVec any_bits(const float* from, std::ptrdiff_t n) {
    IntVec any{};
    std::ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES) any |= (IntVec)load(from + i);
    if (i < n) any |= (IntVec)load_first(from + i, static_cast<int>(n - i));
    return any & 0x7fffffff;
}

inline bool all_zero(IntVec bits) {
    std::int32_t any = 0;
    for (int lane = 0; lane < LANES; ++lane) any |= bits[lane];
    return any == 0;
}

// Whether n floats are all zero, of either sign.
inline bool all_zero(const float* from, std::ptrdiff_t n) { return all_zero(any_bits(from, n)); }

}  // namespace ecrnn::ECRNN_ISA
