// What the kernels of a stage take, over the map (B, H, W, C) that a convolution gave; a dense layer's rows are a map with
// H = W = 1. A stage is ReLU, batch normalisation by the batch's own statistics and, or not, 2x2 max-pooling. A GELU stage is,
// or not, 2x2 max-pooling, the normalisation, and GELU by its formula with tanh.
#pragma once

#include <cstddef>

namespace ecrnn::layers {

enum class Element { float32, bfloat16 };

struct Stage {
    Element element;                          // of map, out and their gradients; all else is float32
    std::ptrdiff_t batch, height, width, channels;  // channels a multiple of 16
    bool pool;
    const void* map;                          // (B, H, W, C), as the layer gave it
    const float *weight, *bias;               // (C): of the normalisation
    int threads;
};

struct StageForward {
    Stage stage;
    float eps;
    void* out;                     // (B, H, W, C), or (B, H / 2, W / 2, C) with pooling
    float *mean, *variance;        // (C): of what is normalised, the variance with its number as divisor
    float* inverse;                // (C): 1 / sqrt(variance + eps)
};

struct StageBackward {
    Stage stage;
    const float *mean, *inverse;   // as forward gave them
    const void* d_out;             // as out
    void* d_map;                   // as map
    float *d_weight, *d_bias;      // (C)
};

struct Kernels {
    const char* name;
    void (*forward)(const StageForward&);
    void (*backward)(const StageBackward&);
    void (*gelu_forward)(const StageForward&);
    void (*gelu_backward)(const StageBackward&);
};

extern const Kernels portable_kernels;
#ifdef ECRNN_X86
extern const Kernels avx2_kernels, avx512_kernels;
#endif

}  // namespace ecrnn::layers
