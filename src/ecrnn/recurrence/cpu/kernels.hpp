// What the kernels take and how they are called; no instruction set is chosen here.
//
// One recurrent layer with one or two directions. B samples, T steps, I inputs, H nodes, D directions, G gates.
// Gates in torch's order: lstm i, f, g, o; gru r, z, n with the reset gate after the product. Strides in floats.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ecrnn {

enum class CellKind { lstm, gru, rnn_tanh, rnn_relu };

// The weights of one direction, or their gradients: w_ih (G*H, I), w_hh (G*H, H), b_ih and b_hh (G*H), all contiguous.
template <class Float>
struct DirectionWeights {
    Float *w_ih, *w_hh, *b_ih, *b_hh;
};

// (B, T, features): element (b, t, k) is at data[b * batch + t * time + k].
template <class Float>
struct Sequence {
    Float* data = nullptr;
    std::ptrdiff_t batch = 0, time = 0;
};

struct Forward {
    CellKind cell;
    std::ptrdiff_t B, T, I, H, D;
    Sequence<const float> x;
    DirectionWeights<const float> weights[2];
    const float *h_0, *c_0;       // (D, B, H); c_0 is null unless lstm
    const std::int64_t* lengths;  // (B), or null: all T; at t >= length the state is held and the output 0
    Sequence<float> output;       // (B, T, D * H), data null: not wanted
    float *h_n, *c_n;             // (D, B, H)
    float* saved;                 // saved_size() floats, or null: no backward pass will come
    bool gates;                   // saved also holds the gates: more memory, less to compute if no step will be left out
    int threads;
};

struct Backward {
    Forward forward;               // as it was called; output, h_n and c_n are not read
    Sequence<const float> d_output;  // data null: zero
    const float *d_h_n, *d_c_n;    // (D, B, H), or null: zero
    Sequence<float> d_x;           // data null: not wanted
    float *d_h_0, *d_c_0;          // (D, B, H), or null: not wanted
    DirectionWeights<float> d_weights[2];
    float cutoff;                  // 0: all steps; else see Tile::backward in tile.hpp
};

// One instruction set's kernels.
struct Kernels {
    const char* name;
    std::size_t (*saved_size)(const Forward&);
    void (*forward)(const Forward&);
    std::ptrdiff_t (*backward)(const Backward&);  // gives the largest number of steps that a tile went back
};

extern const Kernels portable_kernels;
#ifdef ECRNN_X86
extern const Kernels avx2_kernels, avx512_kernels;
extern const Kernels avx512_bfloat16_kernels;  // see halves.hpp; where the compiler knows the instructions
#endif

}  // namespace ecrnn
