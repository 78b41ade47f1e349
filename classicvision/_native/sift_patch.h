// The gradients of a rectangle of samples, contiguous in memory: a descriptor visits them in the order of its frame.
#pragma once

#include "sift_extrema.h"

namespace classicvision::CV_ISA {

struct Patch {
    float* gradients = nullptr;  // dx and dy of each sample, row by row: differences of its neighbours, not halved
    int left = 0, top = 0;       // of the rectangle in the octave
    int n_columns = 0, n_rows = 0;
    int stride = 0;  // samples from row to row
};

// Room for the largest patch around a sample, in floats.
inline std::size_t patch_floats(int reach, int width, int height) {
    const std::size_t side = 2 * static_cast<std::size_t>(reach) + 4;
    const std::size_t n_columns = std::min<std::size_t>(side, width), n_rows = std::min<std::size_t>(side, height);
    return 2 * (n_rows + 1) * (n_columns + 32);
}

// Take the gradients up to `half_side` samples away, except at the border of the octave.
template <typename Sample>
CV_STEP void take_patch(const Level<Sample>& level, int width, int height, const Place& at, double half_side,
                        Patch& patch) {
    const int reach = static_cast<int>(half_side) + 1;
    patch.left = std::max(at.column - reach, 1), patch.top = std::max(at.row - reach, 1);
    patch.n_columns = std::min(at.column + reach, width - 2) - patch.left + 1;
    patch.n_rows = std::min(at.row + reach, height - 2) - patch.top + 1;
    patch.stride = (patch.n_columns + 15) / 16 * 16 + 8;  // an odd number of cache lines
    for (int j = 0; j < patch.n_rows; ++j) {
        const int y = patch.top + j;
        const Sample *above = level.rows[y - 1] + patch.left, *here = level.rows[y] + patch.left;
        const Sample* below = level.rows[y + 1] + patch.left;
        float* out = patch.gradients + 2 * static_cast<std::size_t>(j) * patch.stride;
        for (int x = 0; x < patch.n_columns; x += LANES) {
            const Floats dx = load_difference(here + x + 1, here + x - 1);
            store_pairs(out + 2 * x, dx, load_difference(below + x, above + x));
        }
    }
}

}  // namespace classicvision::CV_ISA
