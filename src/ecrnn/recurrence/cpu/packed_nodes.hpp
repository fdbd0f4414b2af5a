// What the path for few samples reads: sizes rounded up to whole vectors, and one direction's weights, a node to a lane.
#pragma once

#include "batch.hpp"

namespace ecrnn::ECRNN_ISA {

template <class Cell>
struct NodesGeometry {
    static constexpr int RECORD = Cell::PLANES + Cell::STATES;  // what is kept of a step: planes, h, c; each `width` floats
    ptrdiff_t I, H, width, x_width;                             // the widths are rounded up to whole vectors

    explicit NodesGeometry(const Forward& f) : I(f.I), H(f.H), width(whole_vectors(f.H)), x_width(whole_vectors(f.I)) {}
    static std::size_t saved_size(const Forward& f) { return static_cast<std::size_t>(f.D * f.B * f.T * RECORD * whole_vectors(f.H)); }
};

template <class Cell>
struct PackedNodes : NodesGeometry<Cell> {
    using NodesGeometry<Cell>::I, NodesGeometry<Cell>::H, NodesGeometry<Cell>::width, NodesGeometry<Cell>::x_width;
    Buffer bias, x, h;      // forwards: [sum][width], [input][gate][width], [node][gate][width]
    Buffer back_x, back_h;  // backwards: [gate][node][x_width], [gate][node][width]

    PackedNodes(const Forward& f, const DirectionWeights<const float>& w, bool backward) : NodesGeometry<Cell>(f) {
        if (backward) {
            back_x = rows(w.w_ih, I, x_width);
            back_h = rows(w.w_hh, H, width);
            return;
        }
        bias = allocate(Cell::SUMS * width);
        std::fill_n(bias.get(), Cell::SUMS * width, 0.0f);
        for (int gate = 0; gate < Cell::GATES; ++gate) {
            int in = Cell::input_sum[gate], hidden = Cell::hidden_sum[gate];
            for (ptrdiff_t j = 0; j < H; ++j) {
                bias[in * width + j] += w.b_ih[gate * H + j] * Cell::scale[in];
                bias[hidden * width + j] += w.b_hh[gate * H + j] * Cell::scale[hidden];
            }
        }
        x = columns(w.w_ih, I, Cell::input_sum);
        h = columns(w.w_hh, H, Cell::hidden_sum);
    }

  private:
    Buffer columns(const float* w, ptrdiff_t n, const int (&sum)[Cell::GATES]) {
        Buffer to = allocate(n * Cell::GATES * width);
        for (int gate = 0; gate < Cell::GATES; ++gate) {
            for (ptrdiff_t j = 0; j < H; j += LANES)
                load_transposed(w + (gate * H + j) * n, n, static_cast<int>(std::min<ptrdiff_t>(LANES, H - j)), static_cast<int>(n),
                                to.get() + gate * width + j, Cell::GATES * width);
            for (ptrdiff_t k = 0; k < n; ++k)
                for (ptrdiff_t j = 0; j < width; ++j) to[(k * Cell::GATES + gate) * width + j] *= Cell::scale[sum[gate]];
        }
        return to;
    }
    Buffer rows(const float* w, ptrdiff_t n, ptrdiff_t to_width) {
        Buffer to = allocate(Cell::GATES * H * to_width);
        for (ptrdiff_t r = 0; r < Cell::GATES * H; ++r)
            for (ptrdiff_t k = 0; k < to_width; ++k) to[r * to_width + k] = k < n ? w[r * n + k] : 0.0f;
        return to;
    }
};

}  // namespace ecrnn::ECRNN_ISA
