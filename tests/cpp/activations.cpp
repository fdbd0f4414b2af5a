// Measures exp2, exp2 - 1, sigmoid and tanh of simd.hpp against double precision over the float32 numbers, and fails where
// an error is above what simd.hpp says. Compiled by test_cpp.py with each instruction set's flags.
//
//     activations [step]    looks at every step-th bit pattern; 1 takes all 2^32
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "simd.hpp"

#define NAME_OF(isa) #isa
#define NAME(isa) NAME_OF(isa)

namespace {

using namespace ecrnn::ECRNN_ISA;

const double INFINITE = std::numeric_limits<double>::infinity();

struct Function {
    const char* name;
    Vec (*fast)(Vec);
    double (*exact)(double);
    double low, high;          // the arguments for which the errors are looked at
    double relative, absolute;  // allowed there: one of the two must hold everywhere
};

double sigmoid(double scaled) { return 1 / (1 + std::exp2(scaled)); }
double tanh_of_scaled(double scaled) { return -std::expm1(scaled * M_LN2) / (std::expm1(scaled * M_LN2) + 2); }
double exp2_minus_1_exactly(double y) { return std::expm1(y * M_LN2); }

const Function FUNCTIONS[] = {
    {"exp2", [](Vec y) { return exp2(y); }, std::exp2, -126, 80, 2e-7, 0},
    {"exp2 - 1", [](Vec y) { return exp2_minus_1(y); }, exp2_minus_1_exactly, -INFINITE, 80, 2e-7, 0},
    {"reciprocal", [](Vec d) { return reciprocal(d); }, [](double d) { return 1 / d; }, 1, 0x1p81, 1.2e-7, 0},
    {"sigmoid", [](Vec y) { return sigmoid_scaled(y); }, sigmoid, -INFINITE, 80, 3e-7, 0},
    {"sigmoid, far below 0", [](Vec y) { return sigmoid_scaled(y); }, sigmoid, 80, INFINITE, 0, 0x1p-80},
    {"tanh", [](Vec y) { return tanh_scaled(y); }, tanh_of_scaled, -INFINITE, INFINITE, 3e-7, 0},
    {"tanh, not scaled", [](Vec a) { return tanh(a); }, [](double a) { return std::tanh(a); }, -INFINITE, INFINITE, 4e-7, 0},
};

double fast(const Function& f, double x) { return f.fast(broadcast(static_cast<float>(x)))[LANES - 1]; }

// All lanes are used, each with a number of its own.
bool within(const Function& f, std::uint64_t step) {
    double relative = 0, absolute = 0, at_relative = 0, at_absolute = 0;
    const auto other = static_cast<float>(std::clamp(1.0, f.low, f.high));  // for numbers that are not looked at
    for (std::uint64_t start = 0; start < std::uint64_t{1} << 32; start += LANES * step) {
        Vec x;
        for (int lane = 0; lane < LANES; ++lane) {
            auto bits = static_cast<std::uint32_t>(start + static_cast<std::uint64_t>(lane) * step);
            float value;
            std::memcpy(&value, &bits, sizeof value);
            x[lane] = value >= f.low && value <= f.high && std::isfinite(value) ? value : other;
        }
        Vec y = f.fast(x);
        for (int lane = 0; lane < LANES; ++lane) {
            double exact = f.exact(x[lane]), error = std::fabs(y[lane] - exact);
            if (!(error <= absolute)) absolute = error, at_absolute = x[lane];
            if (std::fabs(exact) < std::numeric_limits<float>::min()) continue;  // has fewer digits
            if (!(error <= relative * std::fabs(exact))) relative = error / std::fabs(exact), at_relative = x[lane];
        }
    }
    bool good = f.absolute > 0 ? absolute <= f.absolute : relative <= f.relative;
    std::printf("%-9s %-21s relative %.2e at %-14.7g absolute %.2e at %-14.7g %s\n", NAME(ECRNN_ISA), f.name, relative, at_relative, absolute,
                at_absolute, good ? "" : "TOO MUCH");
    return good;
}

bool same(const char* what, double actual, double expected) {
    bool good = expected != expected ? actual != actual : actual == expected && std::signbit(actual) == std::signbit(expected);
    if (!good) std::printf("%s %s: %g instead of %g\n", NAME(ECRNN_ISA), what, actual, expected);
    return good;
}

bool special_values() {
    const Function &exponential = FUNCTIONS[0], &minus_1 = FUNCTIONS[1], &logistic = FUNCTIONS[3], &tangent = FUNCTIONS[6];
    bool good = same("exp2(0)", fast(exponential, 0), 1);
    good &= same("exp2(-0)", fast(exponential, -0.0), 1);
    good &= same("exp2(-inf) - 1", fast(minus_1, -INFINITE), -1);
    good &= same("sigmoid(0)", fast(logistic, 0), 0.5);
    good &= same("sigmoid(inf)", fast(logistic, -INFINITE), 1);
    good &= same("sigmoid(-inf) < 1e-24", fast(logistic, INFINITE) < 1e-24, 1);
    good &= same("|tanh(0)|", std::fabs(fast(tangent, 0)), 0);
    good &= same("|tanh(-0)|", std::fabs(fast(tangent, -0.0)), 0);
    good &= same("tanh(inf)", fast(tangent, INFINITE), 1);
    good &= same("tanh(-inf)", fast(tangent, -INFINITE), -1);
    for (std::uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0x7fc00001u, 0xffffffffu, 0x7fffffffu, 0x7fc001ffu}) {
        float nan;
        std::memcpy(&nan, &bits, sizeof nan);
        for (const Function& f : FUNCTIONS) good &= same(f.name, f.fast(broadcast(1.0f) * nan)[0], std::nan(""));
    }
    return good;
}

}  // namespace

int main(int count, char** arguments) {
    std::uint64_t step = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1009;
    bool good = special_values();
    for (const Function& f : FUNCTIONS) good &= within(f, step);
    return good ? 0 : 1;
}
