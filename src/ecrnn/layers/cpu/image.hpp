// Stages in evaluation, for one image at a time on one thread. The batch of one is too small for the libraries' convolutions:
// calling them, and bringing weights and maps into their layouts, costs as much as the arithmetic.
#pragma once

#include <cstddef>
#include <vector>

namespace ecrnn::layers {

constexpr std::ptrdiff_t BLOCK = 32;  // output channels that are computed together; packed weights have no other layout

// Convolution (3x3, same padding) or dense layer, ReLU, y = factor * x + shift a channel and, or not, 2x2 max-pooling.
struct ImageStage {
    bool convolution, pool;
    std::ptrdiff_t in, out;     // channels; out a multiple of BLOCK
    std::vector<float> weight;  // [out / BLOCK][places()][in][BLOCK], see pack
    std::vector<float> bias, factor, shift;

    // Whether it is computed by Winograd's F(2x2, 3x3), which makes the four values of a pooling's window at once.
    bool transformed() const { return convolution && pool && in % BLOCK == 0; }
    std::ptrdiff_t places() const { return transformed() ? 16 : convolution ? 9 : 1; }
};

// Fills `weight` from weights (out, 3, 3, in) or (out, in): as they are, or G g G^T of each 3x3, computed in double.
inline void pack(ImageStage& s, const float* from) {
    constexpr double G[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    const std::ptrdiff_t given = s.convolution ? 9 : 1, places = s.places();
    s.weight.resize(static_cast<std::size_t>(places * s.in * s.out));
    for (std::ptrdiff_t o = 0; o < s.out; ++o)
        for (std::ptrdiff_t place = 0; place < places; ++place)
            for (std::ptrdiff_t i = 0; i < s.in; ++i) {
                double value = 0;
                if (s.transformed())
                    for (int k = 0; k < 9; ++k) value += G[place / 4][k / 3] * G[place % 4][k % 3] * from[(o * given + k) * s.in + i];
                else value = from[(o * given + place) * s.in + i];
                s.weight[((o / BLOCK * places + place) * s.in + i) * BLOCK + o % BLOCK] = static_cast<float>(value);
            }
}

struct ImageKernels {
    const char* name;
    // values (H, W, C) to out (H, W, C) of the last stage. Dense stages take and give H = W = 1.
    void (*run)(const std::vector<ImageStage>& stages, const float* values, std::ptrdiff_t height, std::ptrdiff_t width, float* out);
};

extern const ImageKernels portable_image_kernels;
#ifdef ECRNN_X86
extern const ImageKernels avx2_image_kernels, avx512_image_kernels;
#endif

}  // namespace ecrnn::layers
