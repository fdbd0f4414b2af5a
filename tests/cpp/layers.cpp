// Runs the kernels of the convolution and dense stages, in training (stages.cpp, gelu_stages.cpp) and for one image (image.cpp), over odd
// sizes in buffers of exactly the right size, so that the sanitizers see every read and write beside them. Compiled and run by
// test_cpp.py, for the instruction set ECRNN_ONLY.
//
// What comes out is compared value by value with plain loops in double precision, and with one thread's bits.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "image.hpp"
#include "stages.hpp"

#define JOINED_OF(isa, rest) isa##rest
#define JOINED(isa, rest) JOINED_OF(isa, rest)

namespace {

using namespace ecrnn::layers;
using std::ptrdiff_t;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

const Kernels& stage_kernels = JOINED(ECRNN_ONLY, _kernels);
const ImageKernels& image_kernels = JOINED(ECRNN_ONLY, _image_kernels);

std::mt19937 randomness(0);

Doubles random_doubles(ptrdiff_t count) {
    std::uniform_real_distribution<float> uniform(-1, 1);  // floats, so that both sides begin with the same numbers
    Doubles made(count);
    for (double& value : made) value = uniform(randomness);
    return made;
}

Floats floats(const Doubles& from) { return Floats(from.begin(), from.end()); }

bool near(const char* name, const Doubles& actual, const Doubles& expected, double relative, double absolute) {
    for (std::size_t i = 0; i < expected.size(); ++i)
        if (!(std::fabs(actual[i] - expected[i]) <= absolute + relative * std::fabs(expected[i]))) {
            std::printf("%s[%zu] is %g instead of %g\n", name, i, actual[i], expected[i]);
            return false;
        }
    return true;
}

// --- stages in training

// float32 or bfloat16 values in memory, one exact buffer; made of numbers, or of NaN, and read again as numbers.
struct Values {
    Element element;
    std::vector<std::uint16_t> memory;  // two for each float32

    Values(Element element, ptrdiff_t count) : element(element), memory(count * (element == Element::float32 ? 2 : 1), 0x7fff) {}
    Values(Element element, Doubles& numbers) : Values(element, static_cast<ptrdiff_t>(numbers.size())) {
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            auto value = static_cast<float>(numbers[i]);
            std::uint16_t halves[2];
            std::memcpy(halves, &value, sizeof value);
            if (element == Element::float32) std::memcpy(&memory[2 * i], halves, sizeof value);
            else memory[i] = halves[1];
        }
        numbers = read();  // bfloat16 has cut them
    }
    Doubles read() const {
        Doubles numbers(memory.size() / (element == Element::float32 ? 2 : 1));
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            std::uint16_t halves[2] = {0, memory[i]};
            if (element == Element::float32) std::memcpy(halves, &memory[2 * i], sizeof halves);
            float value;
            std::memcpy(&value, halves, sizeof value);
            numbers[i] = value;
        }
        return numbers;
    }
};

struct Size {
    ptrdiff_t B, H, W, C;
    bool pool;
    Element element;
    bool gelu;

    ptrdiff_t side() const { return pool ? 2 : 1; }
    ptrdiff_t in() const { return B * H * W * C; }
    ptrdiff_t out() const { return B * (H / side()) * (W / side()) * C; }
};

// Everything that the kernels compute, forwards and backwards.
struct Made {
    Doubles out, mean, variance, inverse, d_map, d_weight, d_bias;
};

constexpr float EPS = 1e-3f;

Made plainly(const Size& z, const Doubles& map, const Doubles& weight, const Doubles& bias, const Doubles& d_out) {
    const ptrdiff_t side = z.side(), h = z.H / side, w = z.W / side;
    const double n = static_cast<double>(z.B * z.H * z.W);
    Made m{Doubles(z.out()), Doubles(z.C), Doubles(z.C), Doubles(z.C), Doubles(z.in()), Doubles(z.C), Doubles(z.C)};
    for (ptrdiff_t c = 0; c < z.C; ++c) {
        auto value = [&](ptrdiff_t p) { return std::max(0.0, map[p * z.C + c]); };
        for (ptrdiff_t p = 0; p < z.B * z.H * z.W; ++p) m.mean[c] += value(p) / n;
        for (ptrdiff_t p = 0; p < z.B * z.H * z.W; ++p) m.variance[c] += (value(p) - m.mean[c]) * (value(p) - m.mean[c]) / n;
        m.inverse[c] = 1 / std::sqrt(m.variance[c] + EPS);
        auto normal = [&](ptrdiff_t p) { return (value(p) - m.mean[c]) * m.inverse[c]; };
        Doubles d(z.B * z.H * z.W);  // of the normalised values times weight: d_out at the maxima
        for (ptrdiff_t o = 0; o < z.B * h * w; ++o) {
            ptrdiff_t first = (o / (h * w) * z.H + o / w % h * side) * z.W + o % w * side, best = first;
            for (ptrdiff_t k = 1; k < side * side; ++k) {
                ptrdiff_t p = first + k / side * z.W + k % side;
                if (weight[c] * normal(p) > weight[c] * normal(best)) best = p;
            }
            m.out[o * z.C + c] = weight[c] * normal(best) + bias[c];
            d[best] = d_out[o * z.C + c];
            m.d_bias[c] += d[best];
            m.d_weight[c] += d[best] * normal(best);
        }
        for (ptrdiff_t p = 0; p < z.B * z.H * z.W; ++p)
            if (value(p) > 0) m.d_map[p * z.C + c] = weight[c] * m.inverse[c] * (d[p] - m.d_bias[c] / n - normal(p) * m.d_weight[c] / n);
    }
    return m;
}

// A GELU stage: the maxima of the windows are normalised, and GELU follows.
Made plain_gelu(const Size& z, const Doubles& map, const Doubles& weight, const Doubles& bias, const Doubles& d_out) {
    const ptrdiff_t side = z.side(), h = z.H / side, w = z.W / side, n = z.B * h * w;
    const double scale = std::sqrt(2 / std::acos(-1.0));
    Made m{Doubles(z.out()), Doubles(z.C), Doubles(z.C), Doubles(z.C), Doubles(z.in()), Doubles(z.C), Doubles(z.C)};
    for (ptrdiff_t c = 0; c < z.C; ++c) {
        std::vector<ptrdiff_t> best(n);
        for (ptrdiff_t o = 0; o < n; ++o) {
            ptrdiff_t first = (o / (h * w) * z.H + o / w % h * side) * z.W + o % w * side;
            best[o] = first;
            for (ptrdiff_t k = 1; k < side * side; ++k)
                if (ptrdiff_t p = first + k / side * z.W + k % side; map[p * z.C + c] > map[best[o] * z.C + c]) best[o] = p;
            m.mean[c] += map[best[o] * z.C + c] / n;
        }
        for (ptrdiff_t p : best) m.variance[c] += (map[p * z.C + c] - m.mean[c]) * (map[p * z.C + c] - m.mean[c]) / n;
        m.inverse[c] = 1 / std::sqrt(m.variance[c] + EPS);
        auto normal = [&](ptrdiff_t p) { return (map[p * z.C + c] - m.mean[c]) * m.inverse[c]; };
        Doubles d(n);
        for (ptrdiff_t o = 0; o < n; ++o) {
            double y = weight[c] * normal(best[o]) + bias[c], t = std::tanh(scale * (y + 0.044715 * y * y * y));
            m.out[o * z.C + c] = y / 2 * (1 + t);
            d[o] = d_out[o * z.C + c] * ((1 + t) / 2 + y / 2 * (1 - t * t) * scale * (1 + 3 * 0.044715 * y * y));
            m.d_bias[c] += d[o];
            m.d_weight[c] += d[o] * normal(best[o]);
        }
        for (ptrdiff_t o = 0; o < n; ++o)
            m.d_map[best[o] * z.C + c] = weight[c] * m.inverse[c] * (d[o] - m.d_bias[c] / n - normal(best[o]) * m.d_weight[c] / n);
    }
    return m;
}

Made by_kernels(const Size& z, const Values& map, const Floats& weight, const Floats& bias, const Values& d_out, int threads) {
    Values out(z.element, z.out()), d_map(z.element, z.in());
    Floats mean(z.C, NAN), variance = mean, inverse = mean, d_weight = mean, d_bias = mean;
    Stage stage{z.element, z.B, z.H, z.W, z.C, z.pool, map.memory.data(), weight.data(), bias.data(), threads};
    (z.gelu ? stage_kernels.gelu_forward : stage_kernels.forward)({stage, EPS, out.memory.data(), mean.data(), variance.data(), inverse.data()});
    (z.gelu ? stage_kernels.gelu_backward : stage_kernels.backward)({stage, mean.data(), inverse.data(), d_out.memory.data(), d_map.memory.data(), d_weight.data(), d_bias.data()});
    auto doubles = [](const Floats& from) { return Doubles(from.begin(), from.end()); };
    return {out.read(), doubles(mean), doubles(variance), doubles(inverse), d_map.read(), doubles(d_weight), doubles(d_bias)};
}

bool stage_is_right(const Size& z) {
    Doubles numbers = random_doubles(z.in()), cotangents = random_doubles(z.out()), weight = random_doubles(z.C), bias = random_doubles(z.C);
    weight[1] = 0;                                                           // all normalised values are equal
    for (ptrdiff_t p = 0; p < z.in() / z.C; ++p) numbers[p * z.C + 2] = -1;  // nothing is above 0
    Values map(z.element, numbers), d_out(z.element, cotangents);
    Made right = (z.gelu ? plain_gelu : plainly)(z, numbers, weight, bias, cotangents);
    Made one = by_kernels(z, map, floats(weight), floats(bias), d_out, 1), two = by_kernels(z, map, floats(weight), floats(bias), d_out, 2);
    const double rounded = z.element == Element::float32 ? 2e-5 : 1.0 / 256;
    bool good = near("out", one.out, right.out, rounded, 2e-5) && near("d_map", one.d_map, right.d_map, rounded, 1e-4);
    good = good && near("mean", one.mean, right.mean, 1e-6, 1e-6) && near("variance", one.variance, right.variance, 1e-5, 1e-6);
    good = good && near("inverse", one.inverse, right.inverse, 1e-4, 0);
    good = good && near("d_weight", one.d_weight, right.d_weight, 1e-4, 1e-4) && near("d_bias", one.d_bias, right.d_bias, 1e-5, 1e-5);
    bool same = one.out == two.out && one.mean == two.mean && one.variance == two.variance && one.inverse == two.inverse &&
                one.d_map == two.d_map && one.d_weight == two.d_weight && one.d_bias == two.d_bias;
    if (!same) std::printf("two threads do not give one thread's bits\n");
    return good && same;
}

const ptrdiff_t MAPS[][4] = {{1, 1, 1, 16}, {1, 2, 2, 16}, {1, 3, 3, 32},  {2, 5, 7, 48},  {3, 1, 6, 16},   {5, 7, 1, 64},
                             {33, 2, 3, 80}, {7, 9, 4, 16}, {70, 1, 1, 128}, {2, 17, 5, 64}, {1, 64, 65, 16}, {65, 3, 3, 112}};

int wrong_stages(int& cases) {
    int wrong = 0;
    for (const auto& [B, H, W, C] : MAPS)
        for (bool pool : {false, true})
            for (Element element : {Element::float32, Element::bfloat16})
                for (bool gelu : {false, true}) {
                    if (gelu && pool && std::min(H, W) < 2) continue;  // there is nothing to normalise
                    ++cases;
                    if (stage_is_right({B, H, W, C, pool, element, gelu})) continue;
                    std::printf("map %td %td %td %td, %s, %s, %s\n", B, H, W, C, pool ? "pooled" : "not pooled",
                                element == Element::float32 ? "float32" : "bfloat16", gelu ? "GELU" : "ReLU");
                    ++wrong;
                }
    return wrong;
}

// --- stages for one image

// Channels of the image and of each stage, its sides, and whether the stages pool; dense stages have sides of 1.
struct Chain {
    bool convolution;
    std::vector<ptrdiff_t> channels;
    ptrdiff_t H, W;
    std::vector<bool> pools;
};

const Chain CHAINS[] = {
    {true, {1, 32}, 1, 1, {false}},          {true, {3, 32}, 2, 2, {true}},
    {true, {3, 64}, 5, 7, {false}},          {true, {5, 32, 64}, 9, 3, {true, false}},
    {true, {3, 32, 64, 96}, 17, 11, {true, true, true}}, {true, {1, 32, 32}, 3, 13, {false, true}},
    {true, {33, 32}, 1, 9, {false}},         {true, {3, 32, 64, 32}, 8, 16, {true, false, true}},
    {true, {64, 32, 64}, 12, 11, {true, true}}, {true, {32, 96}, 3, 2, {true}},
    {false, {1, 32}, 1, 1, {false}},         {false, {5, 64, 32}, 1, 1, {false, false}},
    {false, {1023, 96, 32, 64}, 1, 1, {false, false, false}},
};

double dense_or_convolved(const Doubles& values, ptrdiff_t H, ptrdiff_t W, ptrdiff_t in, ptrdiff_t side, const double* weight, ptrdiff_t y, ptrdiff_t x) {
    double sum = 0;
    for (ptrdiff_t dy = 0; dy < side; ++dy)
        for (ptrdiff_t dx = 0; dx < side; ++dx) {
            ptrdiff_t at_y = y + dy - side / 2, at_x = x + dx - side / 2;
            if (at_y < 0 || at_y >= H || at_x < 0 || at_x >= W) continue;
            for (ptrdiff_t i = 0; i < in; ++i) sum += values[(at_y * W + at_x) * in + i] * weight[(dy * side + dx) * in + i];
        }
    return sum;
}

// Random stages, and what they make of random values: in the kernels' layout, and by plain loops.
struct Network {
    std::vector<ImageStage> stages;
    Doubles values, expected;
    ptrdiff_t H, W;

    explicit Network(const Chain& chain) : values(random_doubles(chain.H * chain.W * chain.channels[0])), expected(values), H(chain.H), W(chain.W) {
        for (std::size_t k = 0; k < chain.pools.size(); ++k) add(chain.convolution, chain.channels[k], chain.channels[k + 1], chain.pools[k]);
    }

  private:
    void add(bool convolution, ptrdiff_t in, ptrdiff_t out, bool pool) {
        const ptrdiff_t side = convolution ? 3 : 1, size = side * side * in, window = pool ? 2 : 1, h = H / window, w = W / window;
        Doubles weight = random_doubles(out * size), bias = random_doubles(out), factor = random_doubles(out), shift = random_doubles(out);
        for (double& value : weight) value = static_cast<float>(value / std::sqrt(static_cast<double>(size)));
        ImageStage s{convolution, pool, in, out, {}, floats(bias), floats(factor), floats(shift)};
        pack(s, floats(weight).data());
        stages.push_back(std::move(s));
        Doubles made(h * w * out, -INFINITY);
        for (ptrdiff_t y = 0; y < h * window; ++y)
            for (ptrdiff_t x = 0; x < w * window; ++x)
                for (ptrdiff_t o = 0; o < out; ++o) {
                    double sum = bias[o] + dense_or_convolved(expected, H, W, in, side, &weight[o * size], y, x);
                    double& to = made[(y / window * w + x / window) * out + o];
                    to = std::max(to, factor[o] * std::max(0.0, sum) + shift[o]);
                }
        expected = std::move(made), H = h, W = w;
    }
};

Floats by_kernels(const Chain& chain, const Network& network) {
    Floats values = floats(network.values), out(network.expected.size(), NAN);
    image_kernels.run(network.stages, values.data(), chain.H, chain.W, out.data());
    return out;
}

// On two threads at once, each with buffers that no image has used, and on this one, whose buffers the last image left.
bool image_is_right(const Chain& chain) {
    Network network(chain);
    Floats results[3];
    std::thread threads[] = {std::thread([&] { results[0] = by_kernels(chain, network); }), std::thread([&] { results[1] = by_kernels(chain, network); })};
    results[2] = by_kernels(chain, network);
    for (std::thread& thread : threads) thread.join();
    bool same = results[0] == results[2] && results[1] == results[2];
    if (!same) std::printf("three runs give different bits\n");
    return near("out", Doubles(results[0].begin(), results[0].end()), network.expected, 2e-5, 2e-5) && same;
}

int wrong_images(int& cases) {
    int wrong = 0;
    for (const Chain& chain : CHAINS) {
        ++cases;
        if (image_is_right(chain)) continue;
        std::printf("%s of %td stages, %td channels, %td x %td\n", chain.convolution ? "convolutions" : "dense", std::ssize(chain.pools), chain.channels[0], chain.H, chain.W);
        ++wrong;
    }
    return wrong;
}

}  // namespace

int main() {
    int cases = 0, wrong = wrong_stages(cases) + wrong_images(cases);
    std::printf("%s: %d cases, %d wrong\n", stage_kernels.name, cases, wrong);
    return wrong == 0 ? 0 : 1;
}
