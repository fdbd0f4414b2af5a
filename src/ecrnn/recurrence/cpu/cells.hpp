// The element-wise part of each cell, forwards and backwards, on one vector; the equations are those of
// recurrence/_cells.py.
//
// SUMS     pre-activations of a node; the GRU keeps its candidate's two sums apart, because r stands between them
// KEPT     values of a node (planes) that forward can keep for backward
// PLANES   values of a node in backward's memory: the gradients of the SUMS, behind them what else it needs
// scale    what the weights of a sum are multiplied by when they are packed, see simd.hpp
// *_sum    into which sum a gate's product with the inputs, or with the state, goes
// carries  whether dh reaches the step before also without passing through the weights
#pragma once

#include "simd.hpp"

namespace ecrnn::ECRNN_ISA {

// Where forward puts what backward needs: nowhere, into its cache, or past the caches to memory.
enum class Keep { nothing, cached, streamed };

template <Keep keep>
ECRNN_INLINE void put(float* to, Vec v) {
    if constexpr (keep == Keep::cached) store(to, v);
    if constexpr (keep == Keep::streamed) stream(to, v);
}

struct Lstm {
    static constexpr int GATES = 4, SUMS = 4, KEPT = 4, PLANES = 5, STATES = 2;
    static constexpr bool carries = false;
    static constexpr float scale[SUMS] = {SIGMOID_SCALE, SIGMOID_SCALE, TANH_SCALE, SIGMOID_SCALE};
    static constexpr int input_sum[GATES] = {0, 1, 2, 3};
    static constexpr int hidden_sum[GATES] = {0, 1, 2, 3};

    template <Keep keep>
    static ECRNN_INLINE void forward(const Vec (&a)[SUMS], Vec, Vec& h_new, Vec& c, float* planes, std::ptrdiff_t plane) {
        // sigmoid is 1 / (1 + u) with u = exp(-a), tanh is -m / (2 + m) with m = exp(-2a) - 1, so c' = f c + i g has one
        // denominator and h' = o tanh(c') another: two divisions instead of five. Below 2^121, as u and m are at most 2^40.
        Vec m_g = exp2_minus_1(at_most(a[2], 40.0f)), two_g = 2.0f + m_g;
        Vec one_i = 1.0f + exp2(at_most(a[0], 40.0f)), one_f = 1.0f + exp2(at_most(a[1], 40.0f)), i_g = one_i * two_g;
        Vec inverse = 1.0f / (i_g * one_f);
        c = fma(-m_g, one_f, c * i_g) * inverse;
        Vec m_c = exp2_minus_1(at_most(c * TANH_SCALE, 40.0f)), two_c = 2.0f + m_c;
        Vec one_o = 1.0f + exp2(at_most(a[3], 40.0f)), inverse_h = 1.0f / (one_o * two_c);
        h_new = -m_c * inverse_h;
        if constexpr (keep != Keep::nothing) {
            Vec without_f = one_f * inverse;
            put<keep>(planes, two_g * without_f);
            put<keep>(planes + plane, i_g * inverse);
            put<keep>(planes + 2 * plane, -m_g * (one_i * without_f));
            put<keep>(planes + 3 * plane, two_c * inverse_h);
            if constexpr (keep == Keep::cached) store(planes + 4 * plane, -m_c * (one_o * inverse_h));
        }
    }

    // The states of a step from what forward kept of it.
    static ECRNN_INLINE void replay(const float* kept, std::ptrdiff_t plane, Vec, Vec& h_new, Vec& c, float* planes) {
        c = fma(load(kept + plane), c, load(kept) * load(kept + 2 * plane));
        Vec tanh_c = tanh(c);
        h_new = load(kept + 3 * plane) * tanh_c;
        store(planes + 4 * plane, tanh_c);
    }

    // dh comes whole, dc from the step after; dc leaves for the step before. Gives what `carries` announces.
    static ECRNN_INLINE Vec backward(const float* kept, float* planes, std::ptrdiff_t plane, Vec, Vec, Vec c_prev, Vec dh, Vec& dc) {
        Vec i = load(kept), f = load(kept + plane), g = load(kept + 2 * plane);
        Vec o = load(kept + 3 * plane), tanh_c = load(planes + 4 * plane);
        Vec dh_o = dh * o;
        dc = dc + fma(-(dh_o * tanh_c), tanh_c, dh_o);       // dh o (1 - tanh(c)^2)
        Vec dc_i = dc * i, dc_f = dc * f;
        store(planes, (dc_i * g) * (1.0f - i));              // sigmoid' = s (1 - s)
        store(planes + plane, (dc_f * c_prev) * (1.0f - f));
        store(planes + 2 * plane, fma(-(dc_i * g), g, dc_i));  // tanh' = 1 - g^2
        store(planes + 3 * plane, (dh_o * tanh_c) * (1.0f - o));
        dc = dc_f;
        return Vec{};
    }
};

struct Gru {
    static constexpr int GATES = 3, SUMS = 4, KEPT = 4, PLANES = 4, STATES = 1;
    static constexpr bool carries = true;
    static constexpr float scale[SUMS] = {SIGMOID_SCALE, SIGMOID_SCALE, TANH_SCALE, TANH_SCALE};
    static constexpr int input_sum[GATES] = {0, 1, 2};
    static constexpr int hidden_sum[GATES] = {0, 1, 3};

    template <Keep keep>
    static ECRNN_INLINE void forward(const Vec (&a)[SUMS], Vec h, Vec& h_new, Vec&, float* planes, std::ptrdiff_t plane) {
        Vec r = sigmoid_scaled(a[0]), z = sigmoid_scaled(a[1]);
        Vec n = tanh_scaled(fma(r, a[3], a[2]));
        h_new = fma(z, h - n, n);
        if constexpr (keep != Keep::nothing) {
            put<keep>(planes, r);
            put<keep>(planes + plane, z);
            put<keep>(planes + 2 * plane, n);
            put<keep>(planes + 3 * plane, a[3] * (1.0f / TANH_SCALE));
        }
    }

    static ECRNN_INLINE void replay(const float* kept, std::ptrdiff_t plane, Vec h, Vec& h_new, Vec&, float*) {
        Vec n = load(kept + 2 * plane);
        h_new = fma(load(kept + plane), h - n, n);
    }

    static ECRNN_INLINE Vec backward(const float* kept, float* planes, std::ptrdiff_t plane, Vec h, Vec, Vec, Vec dh, Vec&) {
        Vec r = load(kept), z = load(kept + plane), n = load(kept + 2 * plane), m = load(kept + 3 * plane);
        Vec dh_z = dh * z;
        Vec dn = dh - dh_z;
        Vec da_n = fma(-(dn * n), n, dn);
        Vec dm = da_n * r;
        store(planes, (dm * m) * (1.0f - r));
        store(planes + plane, (dh_z * (h - n)) * (1.0f - z));
        store(planes + 2 * plane, da_n);
        store(planes + 3 * plane, dm);
        return dh_z;
    }
};

template <bool relu>
struct Rnn {
    static constexpr int GATES = 1, SUMS = 1, KEPT = 1, PLANES = 1, STATES = 1;
    static constexpr bool carries = false;
    static constexpr float scale[SUMS] = {relu ? 1.0f : TANH_SCALE};
    static constexpr int input_sum[GATES] = {0};
    static constexpr int hidden_sum[GATES] = {0};

    template <Keep keep>
    static ECRNN_INLINE void forward(const Vec (&a)[SUMS], Vec, Vec& h_new, Vec&, float* planes, std::ptrdiff_t) {
        if constexpr (relu) h_new = a[0] < 0.0f ? Vec{} : a[0];  // NaN stays
        else h_new = tanh_scaled(a[0]);
        put<keep>(planes, h_new);
    }

    static ECRNN_INLINE void replay(const float* kept, std::ptrdiff_t, Vec, Vec& h_new, Vec&, float*) { h_new = load(kept); }

    static ECRNN_INLINE Vec backward(const float*, float* planes, std::ptrdiff_t, Vec, Vec h_new, Vec, Vec dh, Vec&) {
        if constexpr (relu) store(planes, h_new <= 0.0f ? Vec{} : dh);
        else store(planes, fma(-(dh * h_new), h_new, dh));
        return Vec{};
    }
};

}  // namespace ecrnn::ECRNN_ISA
