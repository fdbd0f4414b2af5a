// The kernels of image.hpp for one instruction set; CMake compiles this file once for each, with its flags.
//
// A convolution goes over blocks of output channels, whose weights stay in the second-level cache, and inside over tiles of
// positions, whose sums stay in registers. Each weight is read from memory once an image. Where a stage pools, Winograd's
// F(2x2, 3x3) (Lavin and Gray 2016, arXiv:1509.09308) makes the four values of a pooling's window from 4x4 places with 16
// multiply-adds a pair of channels instead of 36. An infinite input gives NaN there; finite ones what the direct sum gives, to rounding.
#include "image.hpp"

#include <algorithm>
#include <cstring>

#include "../../recurrence/cpu/simd.hpp"

namespace ecrnn::layers::ECRNN_ISA {

using namespace ecrnn::ECRNN_ISA;
using std::ptrdiff_t;

constexpr int VECTORS = BLOCK / LANES;
constexpr int POSITIONS = LANES == 16 ? 8 : 2;  // of a tile: its sums stay in registers, and the last maps, 4x4, have no rest

ECRNN_INLINE Vec relu(Vec v) { return v < 0.0f ? Vec{} : v; }  // NaN stays

// Adds to the sums of N positions and a block of outputs: values `from` to `to` of each position times their weights, which follow
// one another. Gives where the next weights are.
template <int N>
ECRNN_INLINE const float* add_products(const float* const (&at)[N], ptrdiff_t from, ptrdiff_t to, const float* weight, Vec (&sum)[N][VECTORS]) {
    for (ptrdiff_t i = from; i < to; ++i, weight += BLOCK) {
        Vec w[VECTORS];
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; ++v) w[v] = load(weight + v * LANES);
#pragma GCC unroll 16
        for (int p = 0; p < N; ++p) {
            Vec x = broadcast(at[p][i]);
#pragma GCC unroll 16
            for (int v = 0; v < VECTORS; ++v) sum[p][v] = fma(x, w[v], sum[p][v]);
        }
    }
    return weight;
}

// One tile: POSITIONS windows of three lines, each `run` contiguous values, times the weights of a block.
ECRNN_INLINE void convolve_tile(const float* const (&at)[POSITIONS], ptrdiff_t line, ptrdiff_t run, const float* weight, const float* bias,
                                Vec (&sum)[POSITIONS][VECTORS]) {
#pragma GCC unroll 16
    for (int p = 0; p < POSITIONS; ++p)
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; ++v) sum[p][v] = load(bias + v * LANES);
    for (int y = 0; y < 3; ++y) weight = add_products(at, y * line, y * line + run, weight, sum);
}

// ReLU(convolution) of a map with a border of zeros (H + 2, W + 2, C) to (H, W, out).
void convolve(const ImageStage& s, const float* padded, ptrdiff_t H, ptrdiff_t W, float* to) {
    const ptrdiff_t line = (W + 2) * s.in, run = 3 * s.in, size = 9 * s.in * BLOCK;
    for (ptrdiff_t block = 0; block < s.out / BLOCK; ++block)
        for (ptrdiff_t first = 0; first < H * W; first += POSITIONS) {
            const float* at[POSITIONS];
            for (int p = 0; p < POSITIONS; ++p) {
                ptrdiff_t position = std::min(first + p, H * W - 1);  // beyond the last: computed again and dropped
                at[p] = padded + position / W * line + position % W * s.in;
            }
            Vec sum[POSITIONS][VECTORS];
            convolve_tile(at, line, run, &s.weight[block * size], &s.bias[block * BLOCK], sum);
            for (int p = 0; p < POSITIONS && first + p < H * W; ++p)
                for (int v = 0; v < VECTORS; ++v) store(to + (first + p) * s.out + block * BLOCK + v * LANES, relu(sum[p][v]));
        }
}

ECRNN_INLINE Vec larger(Vec a, Vec b) { return (a >= b) | (a != a) ? a : b; }  // NaN stays

// factor * x + shift, and the maximum of each 2x2 window, into rows that are `line` floats apart.
void normalise(const ImageStage& s, const float* map, ptrdiff_t H, ptrdiff_t W, float* to, ptrdiff_t line) {
    const ptrdiff_t C = s.out, side = s.pool ? 2 : 1;
    for (ptrdiff_t y = 0; y < H / side; ++y)
        for (ptrdiff_t x = 0; x < W / side; ++x)
            for (ptrdiff_t c = 0; c < C; c += LANES) {
                const float* at = map + (y * W + x) * side * C + c;
                Vec factor = load(&s.factor[c]), shift = load(&s.shift[c]);
                Vec top = fma(load(at), factor, shift);
                for (ptrdiff_t k = 1; k < side * side; ++k) top = larger(top, fma(load(at + (k / 2 * W + k % 2) * C), factor, shift));
                store(to + y * line + x * C + c, top);
            }
}

// How many windows are computed together; a rest of them is computed again with the last.
ptrdiff_t together(ptrdiff_t windows) { return LANES == 16 ? (windows % 8 ? 4 : 8) : 2; }

ptrdiff_t rounded_up(ptrdiff_t windows) { return (windows + together(windows) - 1) / together(windows) * together(windows); }

// B^T d B of the 4x4 places d around each window, from a map with a border of zeros (H + 2, W + 2, C) to [group][16][window][C].
void transform(const ImageStage& s, const float* padded, ptrdiff_t H, ptrdiff_t W, float* to) {
    const ptrdiff_t C = s.in, line = (W + 2) * C, across = W / 2, windows = H / 2 * across, group = together(windows);
    for (ptrdiff_t window = 0; window < rounded_up(windows); ++window) {
        ptrdiff_t real = std::min(window, windows - 1);
        const float* from = padded + real / across * 2 * line + real % across * 2 * C;
        float* at = to + (window / group * 16 * group + window % group) * C;
        for (ptrdiff_t c = 0; c < C; c += LANES) {
            Vec rows[4][4];  // B^T d
#pragma GCC unroll 4
            for (int x = 0; x < 4; ++x) {
                Vec d[4];
#pragma GCC unroll 4
                for (int y = 0; y < 4; ++y) d[y] = load(from + y * line + x * C + c);
                rows[0][x] = d[0] - d[2], rows[1][x] = d[1] + d[2], rows[2][x] = d[2] - d[1], rows[3][x] = d[1] - d[3];
            }
#pragma GCC unroll 4
            for (int y = 0; y < 4; ++y) {
                const Vec(&d)[4] = rows[y];
                const Vec made[4] = {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]};
#pragma GCC unroll 4
                for (int x = 0; x < 4; ++x) store(at + (4 * y + x) * group * C + c, made[x]);
            }
        }
    }
}

// One place of GROUP windows (window, in) times the weights of a block (in, BLOCK), to (window, BLOCK).
template <int GROUP> ECRNN_INLINE void multiply_place(const float* values, const float* weight, ptrdiff_t in, float* to) {
    Vec sum[GROUP][VECTORS]{};
    const float* at[GROUP];
#pragma GCC unroll 16
    for (int p = 0; p < GROUP; ++p) at[p] = values + p * in;
    add_products(at, 0, in, weight, sum);
#pragma GCC unroll 16
    for (int p = 0; p < GROUP; ++p)
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; ++v) store(to + p * BLOCK + v * LANES, sum[p][v]);
}

// The stage's value of one window and LANES channels: A^T m A of its 16 places, which are `apart` floats apart, and all that follows.
ECRNN_INLINE Vec window_value(const float* places, ptrdiff_t apart, Vec bias, Vec factor, Vec shift) {
    Vec rows[2][4];  // A^T m
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
        Vec m[4];
#pragma GCC unroll 4
        for (int y = 0; y < 4; ++y) m[y] = load(places + (4 * y + x) * apart);
        rows[0][x] = m[0] + m[1] + m[2], rows[1][x] = m[1] - m[2] - m[3];
    }
    auto value = [&](Vec v) { return fma(relu(v + bias), factor, shift); };
    auto both = [&](const Vec(&r)[4]) { return larger(value(r[0] + r[1] + r[2]), value(r[1] - r[2] - r[3])); };
    return larger(both(rows[0]), both(rows[1]));
}

template <int GROUP> void multiply_windows(const ImageStage& s, const float* values, ptrdiff_t across, ptrdiff_t windows, float* to, ptrdiff_t line) {
    float places[16 * GROUP * BLOCK];
    for (ptrdiff_t block = 0; block < s.out / BLOCK; ++block)
        for (ptrdiff_t first = 0; first < windows; first += GROUP) {
            for (ptrdiff_t place = 0; place < 16; ++place)
                multiply_place<GROUP>(values + (first * 16 + place * GROUP) * s.in, &s.weight[(block * 16 + place) * s.in * BLOCK], s.in,
                                      places + place * GROUP * BLOCK);
            for (int v = 0; v < VECTORS; ++v) {
                ptrdiff_t c = block * BLOCK + v * LANES;
                Vec bias = load(&s.bias[c]), factor = load(&s.factor[c]), shift = load(&s.shift[c]);
                for (ptrdiff_t window = first; window < std::min(first + GROUP, windows); ++window)
                    store(to + window / across * line + window % across * s.out + c,
                          window_value(places + (window - first) * BLOCK + v * LANES, GROUP * BLOCK, bias, factor, shift));
            }
        }
}

// From what `transform` made of a map (H, W, in) to the pooled rows (W / 2, out), which are `line` floats apart.
void multiply(const ImageStage& s, const float* values, ptrdiff_t H, ptrdiff_t W, float* to, ptrdiff_t line) {
    ptrdiff_t across = W / 2, windows = H / 2 * across;
    switch (together(windows)) {
        case 8: return multiply_windows<8>(s, values, across, windows, to, line);
        case 4: return multiply_windows<4>(s, values, across, windows, to, line);
        default: return multiply_windows<2>(s, values, across, windows, to, line);
    }
}

void dense(const ImageStage& s, const float* values, float* to) {
    constexpr int PARTS = 4;  // sums of every fourth product, so that one need not wait for the last
    const float* weight = s.weight.data();
    for (ptrdiff_t c = 0; c < s.out; c += BLOCK) {
        Vec sum[PARTS][VECTORS]{};
        ptrdiff_t i = 0;
        for (; i + PARTS <= s.in; i += PARTS)
#pragma GCC unroll 16
            for (int part = 0; part < PARTS; ++part, weight += BLOCK)
#pragma GCC unroll 16
                for (int v = 0; v < VECTORS; ++v) sum[part][v] = fma(broadcast(values[i + part]), load(weight + v * LANES), sum[part][v]);
        for (; i < s.in; ++i, weight += BLOCK)
            for (int v = 0; v < VECTORS; ++v) sum[0][v] = fma(broadcast(values[i]), load(weight + v * LANES), sum[0][v]);
        for (int v = 0; v < VECTORS; ++v) {
            ptrdiff_t at = c + v * LANES;
            Vec total = (sum[0][v] + sum[1][v]) + (sum[2][v] + sum[3][v]) + load(&s.bias[at]);
            store(to + at, fma(relu(total), load(&s.factor[at]), load(&s.shift[at])));
        }
    }
}

// Zeros around a map (H, W, C) that begins at line 1, place 1 of a buffer.
void clear_border(float* padded, ptrdiff_t H, ptrdiff_t W, ptrdiff_t C) {
    const ptrdiff_t line = (W + 2) * C;
    std::fill_n(padded, line + C, 0.0f);
    for (ptrdiff_t y = 1; y <= H; ++y) std::fill_n(padded + y * line + (W + 1) * C, 2 * C, 0.0f);
    std::fill_n(padded + (H + 1) * line, line, 0.0f);
}

void run(const std::vector<ImageStage>& stages, const float* values, ptrdiff_t H, ptrdiff_t W, float* out) {
    static thread_local std::vector<float> from, to;  // kept for the next image
    auto room = [](std::vector<float>& buffer, ptrdiff_t floats) {
        if (static_cast<ptrdiff_t>(buffer.size()) < floats) buffer.resize(floats);
        return buffer.data();
    };
    if (stages[0].convolution) {
        ptrdiff_t C = stages[0].in, line = (W + 2) * C;
        float* padded = room(from, (H + 2) * line);
        clear_border(padded, H, W, C);
        for (ptrdiff_t y = 0; y < H; ++y) std::copy_n(values + y * W * C, W * C, padded + (y + 1) * line + C);
    } else {
        std::copy_n(values, stages[0].in, room(from, stages[0].in));
    }
    for (std::size_t k = 0; k < stages.size(); ++k) {
        const ImageStage& s = stages[k];
        bool last = k + 1 == stages.size();
        if (!s.convolution) {
            dense(s, from.data(), last ? out : room(to, s.out));
            std::swap(from, to);
            continue;
        }
        float* map = room(to, s.transformed() ? rounded_up(H / 2 * (W / 2)) * 16 * s.in : H * W * s.out);
        (s.transformed() ? transform : convolve)(s, from.data(), H, W, map);
        auto finish = s.transformed() ? multiply : normalise;
        ptrdiff_t h = s.pool ? H / 2 : H, w = s.pool ? W / 2 : W;
        if (last) {
            finish(s, map, H, W, out, w * s.out);
        } else {
            ptrdiff_t line = (w + 2) * s.out;
            float* padded = room(from, (h + 2) * line);
            clear_border(padded, h, w, s.out);
            finish(s, map, H, W, padded + line + s.out, line);
        }
        H = h, W = w;
    }
}

}  // namespace ecrnn::layers::ECRNN_ISA

namespace ecrnn::layers {
#define ECRNN_NAME_OF(isa) #isa
#define ECRNN_NAME(isa) ECRNN_NAME_OF(isa)
#define ECRNN_TABLE_OF(isa) isa##_image_kernels
#define ECRNN_TABLE(isa) ECRNN_TABLE_OF(isa)
extern const ImageKernels ECRNN_TABLE(ECRNN_ISA) = {ECRNN_NAME(ECRNN_ISA), ECRNN_ISA::run};
}  // namespace ecrnn::layers
