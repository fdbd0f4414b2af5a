// Stages in evaluation, for one picture at a time on one thread. The batch of one is too small for the libraries' convolutions:
// calling them, and bringing weights and maps into their layouts, costs as much as the arithmetic.
#pragma once

#include <cstddef>
#include <vector>

namespace ecrnn::layers {

constexpr std::ptrdiff_t BLOCK = 32;  // output channels that are computed together; packed weights have no other layout

// Convolution (3x3, same padding) or dense layer, ReLU, y = factor * x + shift a channel and, or not, 2x2 max-pooling.
struct PictureStage {
    bool convolution, pool;
    std::ptrdiff_t in, out;            // channels; out a multiple of BLOCK
    std::vector<float> weight;         // [out / BLOCK][3][3][in][BLOCK], or [out / BLOCK][in][BLOCK]
    std::vector<float> bias, factor, shift;
};

struct PictureKernels {
    const char* name;
    // values (H, W, C) to out (H, W, C) of the last stage. Dense stages take and give H = W = 1.
    void (*run)(const std::vector<PictureStage>& stages, const float* values, std::ptrdiff_t height, std::ptrdiff_t width, float* out);
};

extern const PictureKernels portable_picture_kernels;
#ifdef ECRNN_X86
extern const PictureKernels avx2_picture_kernels, avx512_picture_kernels;
#endif

}  // namespace ecrnn::layers
