// The element-wise part of each cell, forwards and backwards, on one vector; the equations are those of
// recurrence/_cells.py.
//
// SUMS     pre-activations of a node; the GRU keeps its candidate's two sums apart, because r stands between them
// PLANES   values of a node that forward<keep> leaves for backward, which puts the gradients of the SUMS in their place
// scale    what the weights of a sum are multiplied by when they are packed, see simd.hpp
// *_sum    into which sum a gate's product with the inputs, or with the state, goes
// carries  whether dh reaches the step before also without passing through the weights
#pragma once

#include "simd.hpp"

namespace ecrnn::ECRNN_ISA {

struct Lstm {
    static constexpr int GATES = 4, SUMS = 4, PLANES = 5, STATES = 2;
    static constexpr bool carries = false;
    static constexpr float scale[SUMS] = {SIGMOID_SCALE, SIGMOID_SCALE, TANH_SCALE, SIGMOID_SCALE};
    static constexpr int input_sum[GATES] = {0, 1, 2, 3};
    static constexpr int hidden_sum[GATES] = {0, 1, 2, 3};

    template <bool keep>
    static ECRNN_INLINE void forward(const Vec (&a)[SUMS], Vec, Vec& h_new, Vec& c, float* planes, std::ptrdiff_t plane) {
        Vec i = sigmoid_scaled(a[0]), f = sigmoid_scaled(a[1]), g = tanh_scaled(a[2]), o = sigmoid_scaled(a[3]);
        c = fma(f, c, i * g);
        Vec tanh_c = tanh(c);
        h_new = o * tanh_c;
        if constexpr (keep) {
            store(planes, i);
            store(planes + plane, f);
            store(planes + 2 * plane, g);
            store(planes + 3 * plane, o);
            store(planes + 4 * plane, tanh_c);
        }
    }

    // dh comes whole, dc from the step after; dc leaves for the step before. Gives what `carries` announces.
    static ECRNN_INLINE Vec backward(float* planes, std::ptrdiff_t plane, Vec, Vec, Vec c_prev, Vec dh, Vec& dc) {
        Vec i = load(planes), f = load(planes + plane), g = load(planes + 2 * plane);
        Vec o = load(planes + 3 * plane), tanh_c = load(planes + 4 * plane);
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
    static constexpr int GATES = 3, SUMS = 4, PLANES = 4, STATES = 1;
    static constexpr bool carries = true;
    static constexpr float scale[SUMS] = {SIGMOID_SCALE, SIGMOID_SCALE, TANH_SCALE, TANH_SCALE};
    static constexpr int input_sum[GATES] = {0, 1, 2};
    static constexpr int hidden_sum[GATES] = {0, 1, 3};

    template <bool keep>
    static ECRNN_INLINE void forward(const Vec (&a)[SUMS], Vec h, Vec& h_new, Vec&, float* planes, std::ptrdiff_t plane) {
        Vec r = sigmoid_scaled(a[0]), z = sigmoid_scaled(a[1]);
        Vec n = tanh_scaled(fma(r, a[3], a[2]));
        h_new = fma(z, h - n, n);
        if constexpr (keep) {
            store(planes, r);
            store(planes + plane, z);
            store(planes + 2 * plane, n);
            store(planes + 3 * plane, a[3] * (1.0f / TANH_SCALE));
        }
    }

    static ECRNN_INLINE Vec backward(float* planes, std::ptrdiff_t plane, Vec h, Vec, Vec, Vec dh, Vec&) {
        Vec r = load(planes), z = load(planes + plane), n = load(planes + 2 * plane), m = load(planes + 3 * plane);
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
    static constexpr int GATES = 1, SUMS = 1, PLANES = 1, STATES = 1;
    static constexpr bool carries = false;
    static constexpr float scale[SUMS] = {relu ? 1.0f : TANH_SCALE};
    static constexpr int input_sum[GATES] = {0};
    static constexpr int hidden_sum[GATES] = {0};

    template <bool keep>
    static ECRNN_INLINE void forward(const Vec (&a)[SUMS], Vec, Vec& h_new, Vec&, float*, std::ptrdiff_t) {
        if constexpr (relu) h_new = a[0] < 0.0f ? Vec{} : a[0];  // NaN stays
        else h_new = tanh_scaled(a[0]);
    }

    static ECRNN_INLINE Vec backward(float* planes, std::ptrdiff_t, Vec, Vec h_new, Vec, Vec dh, Vec&) {
        if constexpr (relu) store(planes, h_new > 0.0f ? dh : Vec{});
        else store(planes, fma(-(dh * h_new), h_new, dh));
        return Vec{};
    }
};

}  // namespace ecrnn::ECRNN_ISA
