// The Python module ecrnn.layers._cpu: checks shapes, layouts and types, chooses the instruction set, calls the kernels of
// stages.hpp and image.hpp without the interpreter's lock. Arrays are never converted: what does not fit raises.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "image.hpp"
#include "stages.hpp"

namespace nb = nanobind;
using namespace ecrnn::layers;
using std::ptrdiff_t;

namespace {

using Map = nb::ndarray<nb::ndim<4>, nb::c_contig, nb::device::cpu>;  // (B, H, W, C), float32 or bfloat16
using Given = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Made = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument("ecrnn.layers._cpu: " + what); }

struct Instructions {
    const Kernels* stages;
    const ImageKernels* image;
};

std::vector<Instructions> available() {
    std::vector<Instructions> found;
#ifdef ECRNN_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
        found.push_back({&avx512_kernels, &avx512_image_kernels});
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) found.push_back({&avx2_kernels, &avx2_image_kernels});
#endif
    found.push_back({&portable_kernels, &portable_image_kernels});
    return found;
}

const Instructions& instructions_named(const std::string& name) {
    static const std::vector<Instructions> found = available();
    if (name.empty()) return found.front();
    for (const Instructions& instructions : found)
        if (name == instructions.stages->name) return instructions;
    refuse("this machine has no instruction set '" + name + "'");
}

Element element_of(const Map& map) {
    if (map.dtype() == nb::dtype<float>()) return Element::float32;
    if (map.dtype() == nb::dlpack::dtype{static_cast<std::uint8_t>(nb::dlpack::dtype_code::Bfloat), 16, 1}) return Element::bfloat16;
    refuse("maps are float32 or bfloat16");
}

template <class Vector>
auto channels(const Stage& stage, const Vector& vector, const char* name) {
    if (static_cast<ptrdiff_t>(vector.shape(0)) != stage.channels) refuse(std::string(name) + " has another number of channels than the map");
    return vector.data();
}

// A map of the stage's element type, of the size that goes in or the one that comes out.
void* like(const Stage& stage, const Map& map, bool out, const char* name) {
    ptrdiff_t side = out && stage.pool ? 2 : 1;
    const ptrdiff_t shape[] = {stage.batch, stage.height / side, stage.width / side, stage.channels};
    for (int i = 0; i < 4; ++i)
        if (static_cast<ptrdiff_t>(map.shape(i)) != shape[i]) refuse(std::string(name) + " has not the shape that follows from the map's");
    if (element_of(map) != stage.element) refuse(std::string(name) + " has another type than the map");
    return map.data();
}

Stage stage_of(const Map& map, const Given& weight, const Given& bias, bool pool, int threads) {
    Stage stage{};
    stage.element = element_of(map);
    stage.batch = static_cast<ptrdiff_t>(map.shape(0));
    stage.height = static_cast<ptrdiff_t>(map.shape(1));
    stage.width = static_cast<ptrdiff_t>(map.shape(2));
    stage.channels = static_cast<ptrdiff_t>(map.shape(3));
    if (map.size() == 0) refuse("the map is empty");
    if (stage.channels % 16) refuse("channels must be a multiple of 16");
    if (threads < 1) refuse("threads must be at least 1");
    stage.pool = pool;
    stage.map = map.data();
    stage.weight = channels(stage, weight, "weight");
    stage.bias = channels(stage, bias, "bias");
    stage.threads = threads;
    return stage;
}

// Stages in evaluation, with their weights packed.
class Image {
  public:
    explicit Image(const std::string& instructions) : kernels(*instructions_named(instructions).image) {}

    // weight: (out, 3, 3, in) or (out, 1, 1, in)
    void add(const nb::ndarray<const float, nb::ndim<4>, nb::c_contig, nb::device::cpu>& weight, const Given& bias, const Given& factor,
             const Given& shift, bool pool) {
        ImageStage s{};
        ptrdiff_t side = static_cast<ptrdiff_t>(weight.shape(1));
        s.convolution = side == 3, s.pool = pool;
        s.out = static_cast<ptrdiff_t>(weight.shape(0)), s.in = static_cast<ptrdiff_t>(weight.shape(3));
        if ((side != 1 && side != 3) || static_cast<ptrdiff_t>(weight.shape(2)) != side) refuse("weights are of one place or of 3x3");
        if (s.in < 1 || s.out < 1 || s.out % BLOCK) refuse("outputs must be a multiple of 32");
        if (!s.convolution && pool) refuse("a dense stage has nothing to pool");
        if (!stages.empty() && (stages.back().out != s.in || stages.back().convolution != s.convolution)) refuse("the stage does not follow the last");
        auto copy = [&](const Given& from, const char* name) {
            if (static_cast<ptrdiff_t>(from.shape(0)) != s.out) refuse(std::string(name) + " has not one value an output");
            return std::vector<float>(from.data(), from.data() + s.out);
        };
        s.bias = copy(bias, "bias"), s.factor = copy(factor, "factor"), s.shift = copy(shift, "shift");
        pack(s, weight.data());
        stages.push_back(std::move(s));
    }

    // values (H, W, C) to out (H, W, C) of the last stage
    void run(const Values& values, const nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>& out) const {
        if (stages.empty()) refuse("there is no stage");
        ptrdiff_t shape[3], height = static_cast<ptrdiff_t>(values.shape(0)), width = static_cast<ptrdiff_t>(values.shape(1));
        shape[0] = height, shape[1] = width, shape[2] = stages.back().out;
        for (const ImageStage& s : stages)
            if (s.pool) shape[0] /= 2, shape[1] /= 2;
        if (static_cast<ptrdiff_t>(values.shape(2)) != stages[0].in || shape[0] < 1 || shape[1] < 1) refuse("values do not fit the first stage");
        if (!stages[0].convolution && height * width != 1) refuse("dense stages take one place");
        for (int i = 0; i < 3; ++i)
            if (static_cast<ptrdiff_t>(out.shape(i)) != shape[i]) refuse("out has not the shape of the last stage");
        nb::gil_scoped_release unlocked;
        kernels.run(stages, values.data(), height, width, out.data());
    }

  private:
    const ImageKernels& kernels;
    std::vector<ImageStage> stages;
};

}  // namespace

NB_MODULE(_cpu, module) {
    module.doc() = "C++ kernels of convolution and dense stages in training; ecrnn.layers.stages wraps them";

    module.def("instructions", [] {
        std::vector<std::string> names;
        for (const Instructions& instructions : available()) names.push_back(instructions.stages->name);
        return names;
    });

    module.def(
        "forward",
        [](Map map, Given weight, Given bias, bool pool, float eps, Map out, Made mean, Made variance, Made inverse, int threads,
           const std::string& instructions, bool gelu) {
            const Kernels& kernels = *instructions_named(instructions).stages;
            StageForward f{};
            f.stage = stage_of(map, weight, bias, pool, threads);
            f.eps = eps;
            f.out = like(f.stage, out, true, "out");
            f.mean = channels(f.stage, mean, "mean");
            f.variance = channels(f.stage, variance, "variance");
            f.inverse = channels(f.stage, inverse, "inverse");
            nb::gil_scoped_release unlocked;
            (gelu ? kernels.gelu_forward : kernels.forward)(f);
        },
        nb::arg("map").noconvert(), nb::arg("weight").noconvert(), nb::arg("bias").noconvert(), nb::arg("pool"), nb::arg("eps"),
        nb::arg("out").noconvert(), nb::arg("mean").noconvert(), nb::arg("variance").noconvert(), nb::arg("inverse").noconvert(),
        nb::arg("threads"), nb::arg("instructions") = "", nb::arg("gelu") = false);

    module.def(
        "backward",
        [](Map map, Given weight, Given bias, bool pool, Given mean, Given inverse, Map d_out, Map d_map, Made d_weight, Made d_bias, int threads,
           const std::string& instructions, bool gelu) {
            const Kernels& kernels = *instructions_named(instructions).stages;
            StageBackward b{};
            b.stage = stage_of(map, weight, bias, pool, threads);
            b.mean = channels(b.stage, mean, "mean");
            b.inverse = channels(b.stage, inverse, "inverse");
            b.d_out = like(b.stage, d_out, true, "d_out");
            b.d_map = like(b.stage, d_map, false, "d_map");
            b.d_weight = channels(b.stage, d_weight, "d_weight");
            b.d_bias = channels(b.stage, d_bias, "d_bias");
            nb::gil_scoped_release unlocked;
            (gelu ? kernels.gelu_backward : kernels.backward)(b);
        },
        nb::arg("map").noconvert(), nb::arg("weight").noconvert(), nb::arg("bias").noconvert(), nb::arg("pool"), nb::arg("mean").noconvert(),
        nb::arg("inverse").noconvert(), nb::arg("d_out").noconvert(), nb::arg("d_map").noconvert(), nb::arg("d_weight").noconvert(),
        nb::arg("d_bias").noconvert(), nb::arg("threads"), nb::arg("instructions") = "", nb::arg("gelu") = false);

    nb::class_<Image>(module, "Image")
        .def(nb::init<const std::string&>(), nb::arg("instructions") = "")
        .def("add", &Image::add, nb::arg("weight").noconvert(), nb::arg("bias").noconvert(), nb::arg("factor").noconvert(),
             nb::arg("shift").noconvert(), nb::arg("pool"))
        .def("run", &Image::run, nb::arg("values").noconvert(), nb::arg("out").noconvert());
}
