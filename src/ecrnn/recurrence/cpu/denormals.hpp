// Denormal numbers as zero, while the kernels compute.
//
// Gradients that die out become denormal, and each operation on one takes an assist on many processors: back through every step up
// to four times the time, for numbers below 1.2e-38. A kernel's thread flushes them to zero, read or made, and leaves with the mode
// that it came with. To be set inside a parallel region, never around one: threads that are started there inherit the mode, and
// would keep it for whatever computes on them next.
#pragma once

#include "simd.hpp"

#if !defined(__AVX2__) && defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace ecrnn::ECRNN_ISA {

class FlushToZero {
#if defined(__SSE__)
    using Mode = unsigned;
    static constexpr Mode FLUSH = 0x8040;  // of the register MXCSR: results to zero, operands as zero
    static Mode mode() { return _mm_getcsr(); }
    static void set(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
    using Mode = std::uint64_t;
    static constexpr Mode FLUSH = 1 << 24;  // of the register FPCR: FZ, both
    static Mode mode() {
        Mode mode;
        asm volatile("mrs %0, fpcr" : "=r"(mode)::"memory");
        return mode;
    }
    static void set(Mode mode) { asm volatile("msr fpcr, %0" ::"r"(mode) : "memory"); }
#else
    using Mode = int;  // a processor whose mode is not known here: denormal numbers stay
    static constexpr Mode FLUSH = 0;
    static Mode mode() { return 0; }
    static void set(Mode) {}
#endif
    const Mode before = mode();

  public:
    FlushToZero() { set(before | FLUSH); }
    ~FlushToZero() { set(before); }
    FlushToZero(const FlushToZero&) = delete;
    FlushToZero& operator=(const FlushToZero&) = delete;
};

}  // namespace ecrnn::ECRNN_ISA
