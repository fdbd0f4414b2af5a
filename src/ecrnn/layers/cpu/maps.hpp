// Maps (B, H, W, C) of float32 or bfloat16 for one instruction set: how they are read and written, and how they are cut into
// chunks of work.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../recurrence/cpu/simd.hpp"
#include "stages.hpp"

namespace ecrnn::layers::ECRNN_ISA {

using namespace ecrnn::ECRNN_ISA;
using std::ptrdiff_t;

typedef std::uint16_t bfloat16;
typedef std::uint16_t HalfVec __attribute__((vector_size(2 * ECRNN_LANES)));
typedef std::uint32_t WordVec __attribute__((vector_size(4 * ECRNN_LANES)));

ECRNN_INLINE Vec read(const float* from) { return load(from); }
ECRNN_INLINE void write(float* to, Vec v) { store(to, v); }

ECRNN_INLINE Vec read(const bfloat16* from) {
    HalfVec half;
    std::memcpy(&half, from, sizeof half);
    return (Vec)(__builtin_convertvector(half, WordVec) << 16);
}

// Rounded to nearest, ties to even.
ECRNN_INLINE void write(bfloat16* to, Vec v) {
    WordVec word = (WordVec)v;
    HalfVec half = __builtin_convertvector((word + 0x7fff + ((word >> 16) & 1)) >> 16, HalfVec);
    std::memcpy(to, &half, sizeof half);
}

// The map cut into chunks of rows of windows. Without pooling a window is one position.
struct Layout {
    ptrdiff_t B, H, W, C, side, rows, chunks;

    explicit Layout(const Stage& s)
        : B(s.batch), H(s.height), W(s.width), C(s.channels), side(s.pool ? 2 : 1), rows((H + side - 1) / side), chunks(std::min<ptrdiff_t>(64, B * rows)) {}
    ptrdiff_t first(ptrdiff_t chunk) const { return chunk * B * rows / chunks; }
    ptrdiff_t position(ptrdiff_t row) const { return (row / rows * H + row % rows * side) * W; }  // where a row of windows begins
    bool whole(ptrdiff_t row) const { return (row % rows + 1) * side <= H; }                      // not a last odd row, which no window covers
    double positions() const { return static_cast<double>(B) * static_cast<double>(H) * static_cast<double>(W); }
    double windows() const { return static_cast<double>(B) * static_cast<double>(H / side) * static_cast<double>(W / side); }
    ptrdiff_t out(ptrdiff_t row) const { return (row / rows * (H / side) + row % rows) * (W / side); }
};

// The statistics of `n` values a channel, from each chunk's sums and squares (chunk, 2, C) of their differences from a reference.
inline void take_moments(const StageForward& f, ptrdiff_t chunks, double n, const std::vector<float>& reference, const std::vector<float>& sums,
                         std::vector<float>& factor, std::vector<float>& shift) {
    const ptrdiff_t C = f.stage.channels;
    for (ptrdiff_t c = 0; c < C; ++c) {
        double sum = 0.0, square = 0.0;
        for (ptrdiff_t chunk = 0; chunk < chunks; ++chunk) {
            sum += sums[chunk * 2 * C + c];
            square += sums[chunk * 2 * C + C + c];
        }
        double variance = std::max(0.0, (square - sum * sum / n) / n);
        f.mean[c] = static_cast<float>(reference[c] + sum / n);
        f.variance[c] = static_cast<float>(variance);
        f.inverse[c] = static_cast<float>(1.0 / std::sqrt(variance + f.eps));
        factor[c] = f.stage.weight[c] * f.inverse[c];
        shift[c] = f.stage.bias[c] - f.mean[c] * factor[c];
    }
}

// The gradients of weight and bias, and what d_map falls with a value (slope) and has in any case (offset), from each chunk's sums
// (chunk, 2, C) of the normalised values' gradient and of its products with value - mean.
inline void take_sums(const StageBackward& b, ptrdiff_t chunks, double n, const std::vector<float>& sums, const std::vector<float>& factor,
                      std::vector<float>& slope, std::vector<float>& offset) {
    const ptrdiff_t C = b.stage.channels;
    for (ptrdiff_t c = 0; c < C; ++c) {
        double sum = 0.0, product = 0.0;
        for (ptrdiff_t chunk = 0; chunk < chunks; ++chunk) {
            sum += sums[chunk * 2 * C + c];
            product += sums[chunk * 2 * C + C + c];
        }
        double inverse = b.inverse[c], falls = factor[c] * inverse * inverse * product / n;
        b.d_bias[c] = static_cast<float>(sum);
        b.d_weight[c] = static_cast<float>(product * inverse);
        slope[c] = static_cast<float>(-falls);
        offset[c] = static_cast<float>(-factor[c] * sum / n);
    }
}

void gelu_forward(const StageForward& f);
void gelu_backward(const StageBackward& b);

}  // namespace ecrnn::layers::ECRNN_ISA
