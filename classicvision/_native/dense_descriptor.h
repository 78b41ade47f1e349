// From cells to the bytes of a descriptor.
#pragma once

#include "dense_pool.h"

namespace classicvision::CV_ISA {

constexpr int DESCRIPTOR = N_CELLS * N_CELLS * N_DIRECTIONS;
constexpr int N_VECTORS = DESCRIPTOR / LANES;
constexpr int PER_ROW = N_VECTORS / N_CELLS;  // vectors of a row of cells

// The weight of each element of a descriptor.
struct Window {
    alignas(64) float weights[DESCRIPTOR];

    // The weight of a cell is the mean of the Gaussian over the pixels that vote for it.
    Window(int bin_size, double sigma) {
        double along[N_CELLS];
        for (int k = 0; k < N_CELLS; ++k) {
            const double centre = (k - 0.5 * (N_CELLS - 1)) * bin_size;
            double sum = 0;
            for (int x = 1 - bin_size; x < bin_size; ++x) {
                const double z = (x + centre) / (sigma * bin_size);
                sum += std::exp(-0.5 * z * z);
            }
            along[k] = sum / (2 * bin_size - 1);
        }
        for (int i = 0; i < DESCRIPTOR; ++i) {
            const int cell = i / N_DIRECTIONS;
            weights[i] = static_cast<float>(along[cell / N_CELLS] * along[cell % N_CELLS]);
        }
    }
};

// The sum of each of LANES vectors.
CV_INLINE Floats totals(Floats* tile) {
    transpose(tile);
    for (int n = LANES / 2; n; n /= 2) {
        for (int i = 0; i < n; ++i) tile[i] = tile[i] + tile[i + n];
    }
    return tile[0];
}

// Vector number k of a row of four cells that lie `pitch` numbers apart, or next to each other.
template <bool ARE_ADJACENT>
CV_INLINE Floats load_cells(const float* row, int k, std::size_t pitch) {
    if (ARE_ADJACENT) return load(row + k * LANES);
    return load_octets(row, pitch, k);
}

// Store a descriptor as bytes.
CV_INLINE void store_descriptor(const float* values, Floats scale, std::uint8_t* bytes) {
    for (int k = 0; k < N_VECTORS; k += 4) {
        Floats four[4];
        for (int i = 0; i < 4; ++i) four[i] = load(values + (k + i) * LANES) * scale;
        store_rounded(bytes + k * LANES, four);
    }
}

// LANES patches of a row, processed together.
struct Batch {
    alignas(64) float values[LANES][DESCRIPTOR];
    alignas(64) float norm[LANES], scale[LANES];

    // Take patches whose cells begin `gap` numbers apart, and their norms.
    template <bool ARE_ADJACENT>
    CV_INLINE void take(const float* const* rows, int n, std::size_t gap, std::size_t pitch, const Window& window) {
        Floats squares[LANES];
        for (int i = 0; i < LANES; ++i) {
            const std::size_t at = std::min(i, n - 1) * gap;
            Floats sums[2] = {spread(0.0f), spread(0.0f)};
            for (int k = 0; k < N_VECTORS; ++k) {
                const Floats cells = load_cells<ARE_ADJACENT>(rows[k / PER_ROW] + at, k % PER_ROW, pitch);
                const Floats value = cells * load(window.weights + k * LANES);
                store(values[i] + k * LANES, value);
                sums[k % 2] = fused(value, value, sums[k % 2]);
            }
            squares[i] = sums[0] + sums[1];
        }
        store(norm, root(totals(squares)));
    }

    // Normalise, clip, normalise again (Lowe 2004, 6.1); an empty histogram stays zero.
    CV_INLINE void normalise() {
        Floats squares[LANES];
        for (int i = 0; i < LANES; ++i) {
            const Floats limit = spread(CLIP * norm[i]);
            Floats sums[2] = {spread(0.0f), spread(0.0f)};
            for (int k = 0; k < N_VECTORS; ++k) {
                const Floats value = smaller(load(values[i] + k * LANES), limit);
                store(values[i] + k * LANES, value);
                sums[k % 2] = fused(value, value, sums[k % 2]);
            }
            squares[i] = sums[0] + sums[1];
        }
        store(scale, spread(NORM) / larger(root(totals(squares)), spread(1e-30f)));
    }
};

}  // namespace classicvision::CV_ISA
