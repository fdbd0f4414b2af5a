// Few samples, all of them: how they are shared out to threads.
#pragma once

#include "denormals.hpp"
#include "nodes.hpp"

namespace ecrnn::ECRNN_ISA {

// How samples go together: the first ones in fours, the rest alone.
struct Groups {
    ptrdiff_t fours, count;
    explicit Groups(const Forward& f) : fours(f.lengths ? 0 : f.B / 4), count(f.B - 3 * fours) {}

    // Calls run(number of samples, the first of them) for one group.
    template <class Run>
    void with(ptrdiff_t group, Run run) const {
        if (group < fours) run(std::integral_constant<int, 4>{}, 4 * group);
        else run(std::integral_constant<int, 1>{}, 3 * fours + group);
    }
};

template <class Cell>
std::vector<PackedNodes<Cell>> packed_directions(const Forward& f, bool backward) {
    std::vector<PackedNodes<Cell>> packed;
    for (ptrdiff_t d = 0; d < f.D; ++d) packed.emplace_back(f, f.weights[d], backward);
    return packed;
}

// Where the threads share the groups evenly, and the caches hold the weights of both, the two directions of a group take
// turns step by step: while one waits for its activations the processor is at the other's products.
template <class Cell>
void forward_samples(const Forward& f, int threads) {
    constexpr ptrdiff_t MOST_WEIGHTS = 1 << 16;  // floats: 256 KiB
    const auto packed = packed_directions<Cell>(f, false);
    const Groups groups(f);
    const bool in_turns = f.D == 2 && groups.count % threads == 0 && 2 * Cell::GATES * (f.I + f.H) * packed[0].width <= MOST_WEIGHTS;
    const ptrdiff_t apart = in_turns ? 1 : f.D;
#pragma omp parallel num_threads(threads)
    {
        const FlushToZero flushing;
#pragma omp for schedule(dynamic, 1)
        for (ptrdiff_t unit = 0; unit < groups.count * apart; ++unit)
            groups.with(unit / apart, [&](auto size, ptrdiff_t first) {
                const ptrdiff_t d = unit % apart;
                Samples<Cell, decltype(size)::value> one(f, packed[d], first, d), other(f, packed[f.D - 1], first, f.D - 1);
                one.begin();
                if (in_turns) other.begin();
                for (ptrdiff_t k = 0; k < f.T; ++k) {
                    one.advance(k);
                    if (in_turns) other.advance(k);
                }
                one.finish();
                if (in_turns) other.finish();
            });
    }
}

template <class Cell>
ptrdiff_t backward_samples(const Backward& b, int threads) {
    const Forward& f = b.forward;
    const NodesGeometry<Cell> g(f);
    const auto packed = packed_directions<Cell>(f, true);
    const Groups groups(f);
    const ptrdiff_t size = Samples<Cell, 1>::sums_size(g), units = groups.count * f.D;
    Buffer sums = allocate(units * size);
    std::fill_n(sums.get(), units * size, 0.0f);
    std::vector<ptrdiff_t> made(static_cast<std::size_t>(units), 0);
    const ptrdiff_t turns = b.d_x.data ? f.D : 1;  // the second direction adds its d_x when the first has ended
#pragma omp parallel num_threads(threads)
    {
        const FlushToZero flushing;
        for (ptrdiff_t turn = 0; turn < turns; ++turn) {
#pragma omp for schedule(dynamic, 1)
            for (ptrdiff_t at = 0; at < units / turns; ++at) {
                const ptrdiff_t unit = at * turns + turn, d = unit % f.D;
                groups.with(unit / f.D, [&](auto count, ptrdiff_t first) {
                    Samples<Cell, decltype(count)::value> samples(f, packed[d], first, d);
                    made[static_cast<std::size_t>(unit)] = samples.backward(b, sums.get() + unit * size);
                });
            }
        }
    }
    const FlushToZero flushing;
    for (ptrdiff_t d = 0; d < f.D; ++d) {
        float* own = sums.get() + d * size;
        for (ptrdiff_t unit = d + f.D; unit < units; unit += f.D)
            for (ptrdiff_t at = 0; at < size; ++at) own[at] += sums[unit * size + at];
        Samples<Cell, 1>::unpack(g, own, b.d_weights[d]);
    }
    return *std::max_element(made.begin(), made.end());
}

}  // namespace ecrnn::ECRNN_ISA
