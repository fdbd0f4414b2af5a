// Runs the kernels over odd shapes, lengths, memory orders and cut-offs, in buffers of exactly the right size, so that the
// sanitizers see every read and write beside them. Compiled and run by test_cpp.py, for the instruction set ECRNN_ONLY.
//
// What comes out is compared with plain loops in double precision: outputs and last states one by one, all gradients
// together, by the change of a random loss in a random direction.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "kernels.hpp"

namespace {

using namespace ecrnn;
using std::ptrdiff_t;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Case {
    CellKind cell;
    ptrdiff_t B, T, I, H, D;
    bool lengths, time_first, gates;
};

int gates_of(CellKind cell) { return cell == CellKind::lstm ? 4 : cell == CellKind::gru ? 3 : 1; }

// Everything that a loss depends on, one array behind the other; in float for the kernels, in double for the plain loops.
template <class Float>
struct Problem {
    Case c;
    std::vector<std::int64_t> lengths;
    std::vector<Float> x, h_0, c_0, w_ih[2], w_hh[2], b_ih[2], b_hh[2];

    std::vector<std::vector<Float>*> parts() { return {&x, &h_0, &c_0, &w_ih[0], &w_hh[0], &b_ih[0], &b_hh[0], &w_ih[1], &w_hh[1], &b_ih[1], &b_hh[1]}; }
    void resize() {
        ptrdiff_t rows = gates_of(c.cell) * c.H;
        x.resize(c.B * c.T * c.I);
        h_0.resize(c.D * c.B * c.H);
        c_0.resize(c.cell == CellKind::lstm ? h_0.size() : 0);
        for (ptrdiff_t d = 0; d < c.D; ++d) w_ih[d].resize(rows * c.I), w_hh[d].resize(rows * c.H), b_ih[d].resize(rows), b_hh[d].resize(rows);
    }
    ptrdiff_t length(ptrdiff_t b) const { return lengths.empty() ? c.T : lengths[b]; }
    // Of element (b, t) of a sequence of that many features.
    ptrdiff_t at(ptrdiff_t b, ptrdiff_t t, ptrdiff_t features) const { return (c.time_first ? t * c.B + b : b * c.T + t) * features; }
};

template <class Float>
struct Made {
    std::vector<Float> output, h_n, c_n;
};

double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }

void step(const Problem<double>& p, ptrdiff_t d, const double* x, const Doubles& h, Doubles& c, Doubles& h_new) {
    ptrdiff_t H = p.c.H, I = p.c.I;
    auto input = [&](int gate, ptrdiff_t j) {
        double a = p.b_ih[d][gate * H + j];
        for (ptrdiff_t k = 0; k < I; ++k) a += p.w_ih[d][(gate * H + j) * I + k] * x[k];
        return a;
    };
    auto hidden = [&](int gate, ptrdiff_t j) {
        double a = p.b_hh[d][gate * H + j];
        for (ptrdiff_t k = 0; k < H; ++k) a += p.w_hh[d][(gate * H + j) * H + k] * h[k];
        return a;
    };
    auto sum = [&](int gate, ptrdiff_t j) { return input(gate, j) + hidden(gate, j); };
    for (ptrdiff_t j = 0; j < H; ++j) switch (p.c.cell) {
            case CellKind::lstm:
                c[j] = sigmoid(sum(1, j)) * c[j] + sigmoid(sum(0, j)) * std::tanh(sum(2, j));
                h_new[j] = sigmoid(sum(3, j)) * std::tanh(c[j]);
                break;
            case CellKind::gru: {
                double n = std::tanh(input(2, j) + sigmoid(sum(0, j)) * hidden(2, j)), z = sigmoid(sum(1, j));
                h_new[j] = (1 - z) * n + z * h[j];
                break;
            }
            case CellKind::rnn_tanh: h_new[j] = std::tanh(sum(0, j)); break;
            case CellKind::rnn_relu: h_new[j] = std::max(0.0, sum(0, j)); break;
        }
}

Made<double> plainly(const Problem<double>& p) {
    const Case& k = p.c;
    Made<double> made{Doubles(k.B * k.T * k.D * k.H), p.h_0, p.c_0};
    for (ptrdiff_t d = 0; d < k.D; ++d)
        for (ptrdiff_t b = 0; b < k.B; ++b) {
            ptrdiff_t row = (d * k.B + b) * k.H;
            Doubles h(p.h_0.begin() + row, p.h_0.begin() + row + k.H), c(k.H), next(k.H);
            if (!p.c_0.empty()) c.assign(p.c_0.begin() + row, p.c_0.begin() + row + k.H);
            for (ptrdiff_t s = 0; s < p.length(b); ++s) {
                ptrdiff_t t = d ? p.length(b) - 1 - s : s;
                step(p, d, &p.x[p.at(b, t, k.I)], h, c, next);
                h = next;
                for (ptrdiff_t j = 0; j < k.H; ++j) made.output[p.at(b, t, k.D * k.H) + d * k.H + j] = h[j];
            }
            for (ptrdiff_t j = 0; j < k.H; ++j) {
                made.h_n[row + j] = h[j];
                if (!p.c_0.empty()) made.c_n[row + j] = c[j];
            }
        }
    return made;
}

double dot(const auto& a, const auto& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * b[i];
    return sum;
}

struct Aligned {
    void operator()(float* p) const { ::operator delete[](p, std::align_val_t{64}); }
};

// One case: forwards with all that can be asked for and with none of it, backwards with and without a cut-off.
class Test {
  public:
    Test(const Kernels& kernels, const Case& c, unsigned seed) : kernels(kernels), c(c), random(seed) {
        numbers.c = c;
        numbers.resize();
        for (Floats* part : numbers.parts()) fill(*part, part == &numbers.x ? 1.0f : 0.5f);
        if (c.lengths)
            for (ptrdiff_t b = 0; b < c.B; ++b) numbers.lengths.push_back(static_cast<std::int64_t>(random() % (c.T + 1)));
        made = {Floats(c.B * c.T * c.D * c.H), numbers.h_0, numbers.c_0};
        d_made = made;
        for (Floats* d : {&d_made.output, &d_made.h_n, &d_made.c_n}) fill(*d, 1.0f);
    }

    bool passes() {
        bool good = outputs_are_right(problem(true));
        good &= outputs_are_right(problem(false));
        Forward f = problem(true);
        std::size_t size = kernels.saved_size(f);
        std::unique_ptr<float[], Aligned> saved(static_cast<float*>(::operator new[](size * sizeof(float), std::align_val_t{64})));
        f.saved = saved.get();
        good &= outputs_are_right(f);
        Forward silent = f;
        silent.output.data = nullptr;
        kernels.forward(silent);
        good &= gradients_are_right(f);
        backward(f, 1e-3f, false);
        return good;
    }

  private:
    const Kernels& kernels;
    Case c;
    std::mt19937 random;
    Problem<float> numbers, gradients;
    Made<float> made, d_made;

    void fill(Floats& to, float size) {
        std::uniform_real_distribution<float> uniform(-size, size);
        for (float& value : to) value = uniform(random);
    }
    template <class Float>
    Sequence<Float> sequence(Float* data, ptrdiff_t features) const {
        return c.time_first ? Sequence<Float>{data, features, c.B * features} : Sequence<Float>{data, c.T * features, features};
    }
    Forward problem(bool gates) {
        Forward f{};
        f.cell = c.cell, f.B = c.B, f.T = c.T, f.I = c.I, f.H = c.H, f.D = c.D, f.gates = c.gates && gates, f.threads = 2;
        f.x = sequence<const float>(numbers.x.data(), c.I);
        for (ptrdiff_t d = 0; d < c.D; ++d)
            f.weights[d] = {numbers.w_ih[d].data(), numbers.w_hh[d].data(), numbers.b_ih[d].data(), numbers.b_hh[d].data()};
        f.h_0 = numbers.h_0.data(), f.c_0 = numbers.c_0.empty() ? nullptr : numbers.c_0.data();
        f.lengths = c.lengths ? numbers.lengths.data() : nullptr;
        f.output = sequence<float>(made.output.data(), c.D * c.H);
        f.h_n = made.h_n.data(), f.c_n = f.c_0 ? made.c_n.data() : nullptr;
        return f;
    }

    // The problem in double, moved along `direction` by e.
    Problem<double> moved(Problem<float>& direction, double e) {
        Problem<double> to{c, numbers.lengths, {}, {}, {}, {}, {}, {}, {}};
        to.resize();
        for (std::size_t part = 0; part < to.parts().size(); ++part)
            for (std::size_t i = 0; i < to.parts()[part]->size(); ++i)
                (*to.parts()[part])[i] = (*numbers.parts()[part])[i] + e * (*direction.parts()[part])[i];
        return to;
    }
    bool outputs_are_right(Forward f) {
        if (!f.saved) f.gates = false;
        for (Floats* to : {&made.output, &made.h_n, &made.c_n}) std::fill(to->begin(), to->end(), NAN);
        kernels.forward(f);
        Made<double> right = plainly(moved(numbers, 0));
        return near("output", made.output, right.output) && near("h_n", made.h_n, right.h_n) && near("c_n", made.c_n, right.c_n);
    }
    bool near(const char* name, const Floats& actual, const Doubles& expected) const {
        for (std::size_t i = 0; i < actual.size(); ++i)
            if (!(std::fabs(actual[i] - expected[i]) <= 2e-5 * (1 + std::fabs(expected[i])))) {
                std::printf("%s[%zu] is %g instead of %g\n", name, i, actual[i], expected[i]);
                return false;
            }
        return true;
    }

    void backward(const Forward& f, float cutoff, bool all) {
        gradients = numbers;
        for (Floats* part : gradients.parts()) std::fill(part->begin(), part->end(), NAN);
        Backward b{};
        b.forward = f, b.cutoff = cutoff;
        if (all) b.d_output = sequence<const float>(d_made.output.data(), c.D * c.H), b.d_x = sequence<float>(gradients.x.data(), c.I);
        b.d_h_n = d_made.h_n.data(), b.d_c_n = f.c_0 ? d_made.c_n.data() : nullptr;
        if (all) b.d_h_0 = gradients.h_0.data(), b.d_c_0 = f.c_0 ? gradients.c_0.data() : nullptr;
        for (ptrdiff_t d = 0; d < c.D; ++d)
            b.d_weights[d] = {gradients.w_ih[d].data(), gradients.w_hh[d].data(), gradients.b_ih[d].data(), gradients.b_hh[d].data()};
        kernels.backward(b);
    }
    bool gradients_are_right(const Forward& f) {
        backward(f, 0, true);
        Problem<float> direction = numbers;
        double predicted = 0, size = 0;
        for (std::size_t part = 0; part < direction.parts().size(); ++part) {
            Floats& along = *direction.parts()[part];
            fill(along, 1.0f);
            predicted += dot(*gradients.parts()[part], along);
            size += std::sqrt(dot(*gradients.parts()[part], *gradients.parts()[part]));
        }
        auto loss = [&](double e) {
            Made<double> m = plainly(moved(direction, e));
            return dot(m.output, d_made.output) + dot(m.h_n, d_made.h_n) + dot(m.c_n, d_made.c_n);
        };
        const double e = 1e-7, change = (loss(e) - loss(-e)) / (2 * e);
        bool good = std::fabs(change - predicted) <= 1e-4 * (1 + size);
        if (!good) std::printf("the loss changes by %g, the gradients say %g\n", change, predicted);
        return good;
    }
};

const char* CELLS[] = {"lstm", "gru", "rnn_tanh", "rnn_relu"};
const ptrdiff_t SIZES[][4] = {{1, 1, 1, 1},  {2, 9, 2, 3},   {5, 37, 1, 16}, {15, 3, 17, 5}, {16, 34, 16, 8},
                              {17, 2, 3, 17}, {33, 35, 1, 7}, {70, 5, 5, 33}, {4, 40, 33, 2}, {9, 1, 1, 40}};

// A state that halves at every step becomes 0 where it would be denormal, and the arithmetic here is the same after it.
bool flushes_to_zero(const Kernels& kernels, ptrdiff_t B) {
    constexpr ptrdiff_t T = 150;
    Floats x(B * T), ones(B, 1), output(B * T), h_n(B);
    const float w_ih = 0, w_hh = 0.5f, b = 0;
    Forward f{};
    f.cell = CellKind::rnn_relu, f.B = B, f.T = T, f.I = f.H = f.D = 1, f.threads = 1;
    f.x = {x.data(), T, 1}, f.output = {output.data(), T, 1};
    f.weights[0] = {&w_ih, &w_hh, &b, &b};
    f.h_0 = ones.data(), f.h_n = h_n.data();
    kernels.forward(f);
    volatile float tiny = 1e-40f;
    bool good = tiny * 1.0f != 0 && output[125] == std::ldexp(1.0f, -126) && output[126] == 0;
    if (!good) std::printf("after %g comes %g, and 1e-40 is %g\n", output[125], output[126], tiny * 1.0f);
    return good;
}

bool all_cases(const Kernels& kernels) {
    int cases = 0, bad = !flushes_to_zero(kernels, 3) + !flushes_to_zero(kernels, 40);
    for (int cell = 0; cell < 4; ++cell)
        for (const auto& [B, T, I, H] : SIZES)
            for (int options = 0; options < 8; ++options) {
                Case c{static_cast<CellKind>(cell), B, T, I, H, 1 + cases % 2, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0};
                bool good = Test(kernels, c, static_cast<unsigned>(++cases)).passes();
                if (!good) std::printf("%s %s %td %td %td %td %td, options %d\n", kernels.name, CELLS[cell], B, T, I, H, c.D, options);
                bad += !good;
            }
    std::printf("%s: %d cases, %d wrong\n", kernels.name, cases, bad);
    return bad == 0;
}

}  // namespace

int main() { return all_cases(ecrnn::ECRNN_ONLY) ? 0 : 1; }
