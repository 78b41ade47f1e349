// From the sums down the columns to cells: differences of the sums, then the same sums along the row.
#pragma once

#include "dense_votes.h"

namespace classicvision::CV_ISA {

// Collect the votes down the columns around one row: T(c + b) - 2 T(c) + T(c - b), place by place.
template <bool HAS_SHIFT>
CV_STEP void collect_down(const std::uint32_t* above, const std::uint32_t* here, const std::uint32_t* below, int width,
                          int n_bits, std::uint32_t* places) {
    for (int x = 0; x < width; x += LANES) {
        Counts sums[N_DIRECTIONS];
        for (int d = 0; d < N_DIRECTIONS; ++d) {
            const Counts middle = load<Counts>(here + d * LANES);
            sums[d] = (load<Counts>(above + d * LANES) - middle) + (load<Counts>(below + d * LANES) - middle);
            if (HAS_SHIFT) sums[d] = shifted_down(sums[d], n_bits);
        }
        store_columns(sums, places + x * N_DIRECTIONS);
        above += BLOCK_SUMS, here += BLOCK_SUMS, below += BLOCK_SUMS;
    }
}

// Extend a row of places beyond both ends by `n` copies of its outermost places.
inline void extend(std::uint32_t* places, int width, int n) {
    const std::ptrdiff_t last = static_cast<std::ptrdiff_t>(width - 1) * N_DIRECTIONS;
    const OctetCounts leftmost = load<OctetCounts>(places), rightmost = load<OctetCounts>(places + last);
    for (std::ptrdiff_t i = 1; i <= n; ++i) {
        store(places - i * N_DIRECTIONS, leftmost);
        store(places + last + i * N_DIRECTIONS, rightmost);
    }
}

// T along a row of places, at n_lines positions `gap` apart; T is 0 at the first, which `places` points to.
CV_STEP inline void sum_along(const std::uint32_t* places, int gap, int n_lines, std::uint32_t* lines) {
    OctetCounts sum = spread_as<OctetCounts>(0u), t = sum;
    store(lines, t);
    for (int i = 1; i < n_lines; ++i) {
        lines += N_DIRECTIONS;
        for (int k = 0; k < gap; ++k, places += N_DIRECTIONS) {
            sum = sum + load<OctetCounts>(places);
            t = t + sum;
        }
        store(lines, t);
    }
}

// Collect the votes along a row: cell i is centred on line i + reach, where a cell reaches `reach` lines to both sides.
CV_STEP inline void collect_along(const std::uint32_t* lines, int n_cells, int reach, float* cells) {
    const std::size_t span = static_cast<std::size_t>(reach) * N_DIRECTIONS;
    for (std::size_t i = 0, end = static_cast<std::size_t>(n_cells) * N_DIRECTIONS; i < end; i += N_DIRECTIONS) {
        const OctetCounts middle = load<OctetCounts>(lines + i + span);
        const OctetCounts left = load<OctetCounts>(lines + i), right = load<OctetCounts>(lines + i + 2 * span);
        store(cells + i, to_floats((left - middle) + (right - middle)));
    }
}

}  // namespace classicvision::CV_ISA
