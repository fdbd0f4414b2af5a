// The entry points of one instruction set; CMake compiles this file once for each, with its flags.
#include "denormals.hpp"
#include "groups.hpp"
#include "tile.hpp"

namespace ecrnn::ECRNN_ISA {

// Multiply-adds of a gate for more of which threads are woken: a tenth of a millisecond in training, where they are awake; half
// a millisecond where a forward pass comes alone and finds them asleep, which one image in a while would wait for.
constexpr double WORTH_A_THREAD = 1 << 19, WORTH_WAKING = 1 << 22;

int threads_for(const Forward& f) {
    double products = double(f.B) * f.T * f.D * f.H * (f.I + f.H);
    return products > (f.saved ? WORTH_A_THREAD : WORTH_WAKING) ? f.threads : 1;
}

template <class Cell, int V>
void forward_tiles(const Forward& f) {
    Geometry<Cell, V> g(f);
    std::vector<Packed<Cell, V>> packed;
    for (ptrdiff_t d = 0; d < f.D; ++d) packed.emplace_back(g, f.weights[d], false, false);
#pragma omp parallel num_threads(threads_for(f))
    {
        const FlushToZero flushing;
        Tile<Cell, V> tile(g, false);
#pragma omp for schedule(dynamic, 1)
        for (ptrdiff_t unit = 0; unit < g.tiles * g.D; ++unit) tile.forward(f, packed[unit % g.D], unit);
    }
}

template <class Cell, int V>
ptrdiff_t backward_tiles(const Backward& b) {
    const Forward& f = b.forward;
    Geometry<Cell, V> g(f);
    std::vector<Packed<Cell, V>> packed;
    for (ptrdiff_t d = 0; d < f.D; ++d) packed.emplace_back(g, f.weights[d], true, b.d_x.data != nullptr);
    ptrdiff_t units = g.tiles * g.D, size = Tile<Cell, V>::sums_size(g), most = 0;
    Buffer sums = allocate(units * size);
#pragma omp parallel num_threads(threads_for(f))
    {
        const FlushToZero flushing;
        Tile<Cell, V> tile(g, true);
        // The directions share d_x, so one thread takes both, the second of which finds the tile's sequences in its caches.
        const ptrdiff_t together = b.d_x.data ? g.D : 1;
#pragma omp for schedule(dynamic, 1) reduction(max : most)
        for (ptrdiff_t turn = 0; turn < units / together; ++turn)
            for (ptrdiff_t unit = turn * together; unit < (turn + 1) * together; ++unit) {
                float* own = sums.get() + unit * size;
                std::fill_n(own, size, 0.0f);
                most = std::max(most, tile.backward(b, packed[unit % g.D], unit, own));
            }
    }
    const FlushToZero flushing;
    for (ptrdiff_t d = 0; d < g.D; ++d) Tile<Cell, V>::unpack(g, sums.get() + d * size, g.D * size, b.d_weights[d]);
    return most;
}

// Calls `run` with the cell's type.
template <class Run>
auto with_cell(const Forward& f, Run run) {
    switch (f.cell) {
        case CellKind::lstm: return run(Lstm{});
        case CellKind::gru: return run(Gru{});
        case CellKind::rnn_tanh: return run(Rnn<false>{});
        default: return run(Rnn<true>{});
    }
}

// And with the width of a tile in vectors. Two vectors use each loaded weight twice; four did not help. The choice depends
// on the shape alone, or bits would depend on something else.
template <class Run>
auto with_tiles(const Forward& f, Run run) {
    return with_cell(f, [&](auto cell) {
        if (f.B > 2 * LANES) return run(cell, std::integral_constant<int, 2>{});
        return run(cell, std::integral_constant<int, 1>{});
    });
}

bool few(const Forward& f) { return !HALVES && f.B < LANES; }

std::size_t saved_size(const Forward& f) {
    if (few(f)) return with_cell(f, [&](auto cell) { return NodesGeometry<decltype(cell)>::saved_size(f); });
    return with_tiles(f, [&](auto cell, auto v) { return Geometry<decltype(cell), v.value>(f).saved_size(f.gates); });
}

void forward(const Forward& f) {
    if (few(f)) with_cell(f, [&](auto cell) { forward_samples<decltype(cell)>(f, threads_for(f)); });
    else with_tiles(f, [&](auto cell, auto v) { forward_tiles<decltype(cell), v.value>(f); });
}

ptrdiff_t backward(const Backward& b) {
    const Forward& f = b.forward;
    if (few(f)) return with_cell(f, [&](auto cell) { return backward_samples<decltype(cell)>(b, threads_for(f)); });
    return with_tiles(f, [&](auto cell, auto v) { return backward_tiles<decltype(cell), v.value>(b); });
}

}  // namespace ecrnn::ECRNN_ISA

namespace ecrnn {
#define ECRNN_NAME_OF(isa) #isa
#define ECRNN_NAME(isa) ECRNN_NAME_OF(isa)
#define ECRNN_TABLE_OF(isa) isa##_kernels
#define ECRNN_TABLE(isa) ECRNN_TABLE_OF(isa)
extern const Kernels ECRNN_TABLE(ECRNN_ISA) = {ECRNN_NAME(ECRNN_ISA), ECRNN_ISA::saved_size, ECRNN_ISA::forward, ECRNN_ISA::backward};
}  // namespace ecrnn
