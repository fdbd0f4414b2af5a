// bfloat16 in the product with the states: two nodes to a word, a product of both and their sum in one instruction.
//
// Compiled with ECRNN_BFLOAT16 and the AVX-512 instructions for it. States and weights (multiplied by their scale, see simd.hpp)
// are rounded to nearest, ties to even; products and sums are float32, and so is all else. The gradient is that of the product
// without rounding. Without ECRNN_BFLOAT16 there are no halves, and nothing here is called.
#pragma once

#include "simd.hpp"

namespace ecrnn::ECRNN_ISA {

#ifdef ECRNN_BFLOAT16
constexpr bool HALVES = true;

// Two vectors of floats as one of words: the rounded even one below, the rounded odd one above.
ECRNN_INLINE Vec as_halves(Vec even, Vec odd) {
    static constexpr std::int16_t PLACES[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (Vec)_mm512_permutexvar_epi16(_mm512_loadu_si512(PLACES), (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even));
}

// The word of two weights.
inline float as_halves(float even, float odd) {
    Vec both = as_halves(broadcast(even), broadcast(odd));
    float word;
    std::memcpy(&word, &both, sizeof word);
    return word;
}

// sum + even weight * even value + odd weight * odd value.
ECRNN_INLINE Vec fma_halves(const float* weights, Vec values, Vec sum) {
    std::int32_t word;
    std::memcpy(&word, weights, sizeof word);
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)(__m512i)values, (__m512bh)_mm512_set1_epi32(word));
}
#else
constexpr bool HALVES = false;
ECRNN_INLINE Vec as_halves(Vec even, Vec) { return even; }
inline float as_halves(float even, float) { return even; }
ECRNN_INLINE Vec fma_halves(const float*, Vec, Vec sum) { return sum; }
#endif

}  // namespace ecrnn::ECRNN_ISA
