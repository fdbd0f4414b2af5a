// The Python module ecrnn.recurrence._cpu: checks shapes, strides and types, chooses the instruction set, calls the kernels
// without the interpreter's lock. Arrays are never converted or copied: what does not fit raises.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "kernels.hpp"

namespace nb = nanobind;
using namespace ecrnn;

namespace {

template <class T, int dims>
using Strided = Array<T, dims, false>;
template <class T, int dims>
using Contiguous = Array<T, dims, true>;
template <class T, int dims>
using Optional = std::optional<Contiguous<T, dims>>;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("ecrnn.recurrence._cpu: " + what); }

template <class Array>
std::string shape_of(const Array& array) {
    std::string text = "(";
    for (std::size_t i = 0; i < array.ndim(); ++i) text += (i ? ", " : "") + std::to_string(array.shape(i));
    return text + ")";
}

template <class Array>
void expect(const Array& array, std::initializer_list<std::ptrdiff_t> shape, const char* name) {
    std::size_t i = 0;
    bool same = array.ndim() == shape.size();
    for (std::ptrdiff_t n : shape) same = same && array.shape(i++) == n;
    if (same) return;
    std::string right = "(";
    for (std::ptrdiff_t n : shape) right += (right.size() > 1 ? ", " : "") + std::to_string(n);
    refuse(std::string(name) + " is " + shape_of(array) + ", not " + right + ")");
}

std::vector<const Kernels*> available() {
    std::vector<const Kernels*> found;
#ifdef ECRNN_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        found.push_back(&avx512_kernels);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) found.push_back(&avx2_kernels);
#endif
    found.push_back(&portable_kernels);
    return found;
}

// Those with a product in bfloat16, which are only taken by name, because they round; null where the processor has no such
// instructions, or the compiler had none.
const Kernels* with_bfloat16() {
#ifdef ECRNN_HAS_BFLOAT16
    if (available().front() == &avx512_kernels && __builtin_cpu_supports("avx512bf16")) return &avx512_bfloat16_kernels;
#endif
    return nullptr;
}

const Kernels& kernels_named(const std::string& name) {
    static const std::vector<const Kernels*> found = available();
    static const Kernels* const bfloat16 = with_bfloat16();
    if (name.empty()) return *found.front();
    if (bfloat16 && name == bfloat16->name) return *bfloat16;
    for (const Kernels* kernels : found)
        if (name == kernels->name) return *kernels;
    refuse("this machine has no instruction set '" + name + "'");
}

CellKind cell_named(const std::string& name) {
    const char* names[] = {"lstm", "gru", "rnn_tanh", "rnn_relu"};
    for (int i = 0; i < 4; ++i)
        if (name == names[i]) return static_cast<CellKind>(i);
    refuse("no cell '" + name + "'");
}

template <class T>
Sequence<T> sequence(const Strided<T, 3>& array, const char* name) {
    if (array.shape(2) > 1 && array.stride(2) != 1) refuse(std::string(name) + "'s last dimension is not contiguous");
    return {array.data(), array.stride(0), array.stride(1)};
}

template <class T>
void fill_weights(const Forward& f, const std::vector<Contiguous<T, 0>>& from, DirectionWeights<T>* to,
                  std::ptrdiff_t gates) {
    if (static_cast<std::ptrdiff_t>(from.size()) != 4 * f.D) refuse("4 weights a direction are wanted, not " + std::to_string(from.size()));
    for (std::ptrdiff_t d = 0; d < f.D; ++d) {
        const auto* w = &from[4 * d];
        expect(w[0], {gates * f.H, f.I}, "w_ih");
        expect(w[1], {gates * f.H, f.H}, "w_hh");
        expect(w[2], {gates * f.H}, "b_ih");
        expect(w[3], {gates * f.H}, "b_hh");
        to[d] = {w[0].data(), w[1].data(), w[2].data(), w[3].data()};
    }
}

template <class T>
T* state(const Forward& f, const Optional<T, 3>& array, const char* name) {
    if (!array) return nullptr;
    expect(*array, {f.D, f.B, f.H}, name);
    return array->data();
}

using Weights = std::vector<Contiguous<const float, 0>>;
using WeightGradients = std::vector<Contiguous<float, 0>>;
using State = Optional<const float, 3>;

// What forward and backward have in common.
Forward problem(const std::string& cell, const Strided<const float, 3>& x, const Weights& weights, const Contiguous<const float, 3>& h_0,
                const State& c_0, const Optional<const std::int64_t, 1>& lengths, int threads) {
    Forward f{};
    f.cell = cell_named(cell);
    f.B = x.shape(0), f.T = x.shape(1), f.I = x.shape(2);
    f.D = h_0.shape(0), f.H = h_0.shape(2);
    if (f.D != 1 && f.D != 2) refuse("h_0 has " + std::to_string(f.D) + " directions, not 1 or 2");
    if (f.B < 1 || f.T < 1 || f.I < 1 || f.H < 1) refuse("x is " + shape_of(x) + " and h_0 " + shape_of(h_0) + ": nothing to do");
    if (f.T > std::numeric_limits<std::int32_t>::max()) refuse("more than 2^31 steps");
    if (threads < 1) refuse("threads must be at least 1");
    f.threads = threads;
    f.x = sequence<const float>(x, "x");
    fill_weights<const float>(f, weights, f.weights, f.cell == CellKind::lstm ? 4 : f.cell == CellKind::gru ? 3 : 1);
    expect(h_0, {f.D, f.B, f.H}, "h_0");
    f.h_0 = h_0.data();
    f.c_0 = state<const float>(f, c_0, "c_0");
    if ((f.cell == CellKind::lstm) != (f.c_0 != nullptr)) refuse("c_0 belongs to lstm, and to it alone");
    if (lengths) {
        expect(*lengths, {f.B}, "lengths");
        f.lengths = lengths->data();
    }
    return f;
}

// Whether `saved` holds gates can be seen from its size.
void take_saved(const Kernels& kernels, Forward& f, float* data, std::size_t size) {
    f.saved = data;
    for (bool gates : {false, true}) {
        f.gates = gates;
        if (size == kernels.saved_size(f)) return;
    }
    refuse("saved has " + std::to_string(size) + " floats, not as many as saved_size() says");
}

}  // namespace

NB_MODULE(_cpu, module) {
    module.doc() = "C++ kernels of LSTM, GRU and RNN layers; ecrnn.recurrence.cpu wraps them";

    module.def("instructions", [] {
        std::vector<std::string> names;
        for (const Kernels* kernels : available()) names.push_back(kernels->name);
        return names;
    });

    module.def("bfloat16_instructions", [] {
        const Kernels* kernels = with_bfloat16();
        return std::string(kernels ? kernels->name : "");
    });

    // Asks for pages of 2 MiB, in the part of an array where they fit; where there are none, nothing changes.
    module.def("prefer_large_pages", [](const Contiguous<float, 1>& memory) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
        constexpr std::uintptr_t PAGE = 1 << 21;
        const auto start = reinterpret_cast<std::uintptr_t>(memory.data());
        const std::uintptr_t from = (start + PAGE - 1) / PAGE * PAGE, to = (start + sizeof(float) * memory.size()) / PAGE * PAGE;
        if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#else
        (void)memory;
#endif
    }, nb::arg("memory").noconvert());

    module.def(
        "saved_size",
        [](const std::string& cell, std::ptrdiff_t B, std::ptrdiff_t T, std::ptrdiff_t I, std::ptrdiff_t H, std::ptrdiff_t D,
           bool gates, const std::string& instructions) {
            Forward f{};
            f.cell = cell_named(cell);
            f.B = B, f.T = T, f.I = I, f.H = H, f.D = D, f.gates = gates;
            if (B < 1 || T < 1 || I < 1 || H < 1 || D < 1 || D > 2) refuse("sizes must be at least 1, directions 1 or 2");
            return kernels_named(instructions).saved_size(f);
        },
        nb::arg("cell"), nb::arg("batch"), nb::arg("steps"), nb::arg("inputs"), nb::arg("nodes"), nb::arg("directions"), nb::arg("gates"), nb::arg("instructions") = "");

    module.def(
        "forward",
        [](const std::string& cell, Strided<const float, 3> x, Weights weights, Contiguous<const float, 3> h_0, State c_0,
           Optional<const std::int64_t, 1> lengths, std::optional<Strided<float, 3>> output, Contiguous<float, 3> h_n,
           Optional<float, 3> c_n, Optional<float, 1> saved, int threads, const std::string& instructions) {
            const Kernels& kernels = kernels_named(instructions);
            Forward f = problem(cell, x, weights, h_0, c_0, lengths, threads);
            if (output) {
                expect(*output, {f.B, f.T, f.D * f.H}, "output");
                f.output = sequence<float>(*output, "output");
            }
            expect(h_n, {f.D, f.B, f.H}, "h_n");
            f.h_n = h_n.data();
            f.c_n = state<float>(f, c_n, "c_n");
            if ((f.c_n != nullptr) != (f.c_0 != nullptr)) refuse("c_n belongs to lstm, and to it alone");
            if (saved) {
                take_saved(kernels, f, saved->data(), saved->size());
                if (f.gates && reinterpret_cast<std::uintptr_t>(f.saved) % 64) refuse("saved is not aligned to 64 bytes");
            }
            nb::gil_scoped_release unlocked;
            kernels.forward(f);
        },
        nb::arg("cell"), nb::arg("x").noconvert(), nb::arg("weights").noconvert(), nb::arg("h_0").noconvert(), nb::arg("c_0").noconvert().none(),
        nb::arg("lengths").noconvert().none(), nb::arg("output").noconvert().none(), nb::arg("h_n").noconvert(), nb::arg("c_n").noconvert().none(),
        nb::arg("saved").noconvert().none(), nb::arg("threads"), nb::arg("instructions") = "");

    module.def(
        "backward",
        [](const std::string& cell, Strided<const float, 3> x, Weights weights, Contiguous<const float, 3> h_0, State c_0,
           Optional<const std::int64_t, 1> lengths, Contiguous<float, 1> saved, std::optional<Strided<const float, 3>> d_output, State d_h_n,
           State d_c_n, std::optional<Strided<float, 3>> d_x, Optional<float, 3> d_h_0, Optional<float, 3> d_c_0, WeightGradients d_weights,
           float cutoff, int threads, const std::string& instructions) {
            const Kernels& kernels = kernels_named(instructions);
            Backward b{};
            b.forward = problem(cell, x, weights, h_0, c_0, lengths, threads);
            const Forward& f = b.forward;
            take_saved(kernels, b.forward, saved.data(), saved.size());
            if (d_output) {
                expect(*d_output, {f.B, f.T, f.D * f.H}, "d_output");
                b.d_output = sequence<const float>(*d_output, "d_output");
            }
            b.d_h_n = state<const float>(f, d_h_n, "d_h_n");
            b.d_c_n = state<const float>(f, d_c_n, "d_c_n");
            if (d_x) {
                expect(*d_x, {f.B, f.T, f.I}, "d_x");
                b.d_x = sequence<float>(*d_x, "d_x");
            }
            b.d_h_0 = state<float>(f, d_h_0, "d_h_0");
            b.d_c_0 = state<float>(f, d_c_0, "d_c_0");
            if (!f.c_0 && (b.d_c_n || b.d_c_0)) refuse("d_c_n and d_c_0 belong to lstm");
            fill_weights<float>(f, d_weights, b.d_weights, f.cell == CellKind::lstm ? 4 : f.cell == CellKind::gru ? 3 : 1);
            if (!(cutoff >= 0.0f && cutoff < 1.0f)) refuse("cutoff must be at least 0 and below 1");
            b.cutoff = cutoff;
            nb::gil_scoped_release unlocked;
            return kernels.backward(b);
        },
        nb::arg("cell"), nb::arg("x").noconvert(), nb::arg("weights").noconvert(), nb::arg("h_0").noconvert(), nb::arg("c_0").noconvert().none(),
        nb::arg("lengths").noconvert().none(), nb::arg("saved").noconvert(), nb::arg("d_output").noconvert().none(),
        nb::arg("d_h_n").noconvert().none(), nb::arg("d_c_n").noconvert().none(), nb::arg("d_x").noconvert().none(),
        nb::arg("d_h_0").noconvert().none(), nb::arg("d_c_0").noconvert().none(), nb::arg("d_weights").noconvert(), nb::arg("cutoff"),
        nb::arg("threads"), nb::arg("instructions") = "");
}
