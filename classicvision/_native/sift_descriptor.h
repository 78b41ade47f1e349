// The descriptor of a keypoint (Lowe 2004, section 6.1), by resampling.
//
// In the reference every sample of the rotated square votes. Here the gradient is interpolated at a fixed grid of
// places in the square, four along the side of a cell. Every spatial weight is then a constant, and the work does not
// grow with the scale. Cells, Gaussian, directions and normalisation are those of the reference.
#pragma once

#include "sift_orientation.h"
#include "sift_patch.h"

namespace classicvision::CV_ISA {

constexpr int N_CELLS = 4;  // along each side
constexpr int N_DIRECTIONS = 8;
constexpr int PER_CELL = 4;                     // places in a cell, along each side
constexpr int SIDE = (N_CELLS + 1) * PER_CELL;  // votes reach half a cell beyond the 4 x 4
constexpr int N_PLACES = SIDE * SIDE;
constexpr double CELL = 3.0;    // side of a cell, in scales of the keypoint
constexpr float CLIP = 0.2f;    // largest element, as a fraction of the norm
constexpr float NORM = 512.0f;  // of the stored bytes

// Half the side of the upright square that contains the rotated one, in samples.
inline int descriptor_reach(double sigma) {
    return static_cast<int>(std::ceil(CELL * sigma * std::sqrt(2.0) * (N_CELLS + 1) / 2)) + 2;
}

// Constants that do not depend on the image.
struct DescriptorTables {
    alignas(64) float u[N_PLACES], v[N_PLACES];              // in cells from the centre
    alignas(64) float share[SIDE][2];                        // of a place for the cell before it and the one after
    alignas(64) float pick[N_DIRECTIONS + 1][N_DIRECTIONS];  // row d: 1 at direction d; row 8 is row 0

    DescriptorTables() {
        for (int i = 0; i < SIDE; ++i) {
            const double u_i = (i + 0.5) / PER_CELL - (N_CELLS + 1) / 2.0;
            // Lowe (2004), 6.1: a Gaussian with sigma of half the width of the square, that is two cells.
            const double gauss = std::exp(-u_i * u_i * 2 / (N_CELLS * N_CELLS));
            const double after = (i % PER_CELL + 0.5) / PER_CELL;
            share[i][0] = static_cast<float>(gauss * (1 - after));
            share[i][1] = static_cast<float>(gauss * after);
            for (int j = 0; j < SIDE; ++j) u[j * SIDE + i] = v[i * SIDE + j] = static_cast<float>(u_i);
        }
        for (int d = 0; d <= N_DIRECTIONS; ++d) {
            for (int i = 0; i < N_DIRECTIONS; ++i) pick[d][i] = i == d % N_DIRECTIONS ? 1.0f : 0.0f;
        }
    }
};

struct DescriptorScratch {
    alignas(64) std::int32_t sample[N_PLACES];                      // of the patch, at or before the place
    alignas(64) float row_share[N_PLACES], column_share[N_PLACES];  // distance of the place from that sample
    alignas(64) float inside[N_PLACES];                             // 1, or 0 for a place on the border or beyond
    alignas(64) float gradient[N_PLACES][2];                        // dx and dy
    alignas(64) float first_vote[N_PLACES], second_vote[N_PLACES];  // for a direction and the next one
    alignas(64) std::int32_t direction[N_PLACES];
};

// Rotate the grid by the keypoint's angle, scale it and place it on the patch.
CV_STEP inline void place_grid(const DescriptorTables& tables, const Patch& patch, const Place& at, double cell,
                               float cosine, float sine, DescriptorScratch& s) {
    const Floats across = spread(static_cast<float>(cell) * cosine), down = spread(static_cast<float>(cell) * sine);
    const Floats column0 = spread(static_cast<float>(at.column - patch.left));
    const Floats row0 = spread(static_cast<float>(at.row - patch.top));
    const Floats half = spread(0.5f), one = spread(1.0f), zero = spread(0.0f);
    // A place just beyond the last gradients takes theirs; the last share is a little below 1.
    const Floats right = spread(patch.n_columns - 1.001f), bottom = spread(patch.n_rows - 1.001f);
    for (int i = 0; i < N_PLACES; i += LANES) {
        const Floats u = load(tables.u + i), v = load(tables.v + i);
        Floats x = fused(u, across, column0) - v * down, y = fused(u, down, fused(v, across, row0));
        const Ints is_inside = (x >= zero - half) & (x <= right + half) & (y >= zero - half) & (y <= bottom + half);
        store(s.inside + i, choose(is_inside, one, zero));
        x = smaller(larger(x, zero), right);
        y = smaller(larger(y, zero), bottom);
        const Ints column = to_ints(x), row = to_ints(y);
        store(s.column_share + i, x - to_floats(column));
        store(s.row_share + i, y - to_floats(row));
        store(s.sample + i, row * spread_as<Ints>(static_cast<std::int32_t>(patch.stride)) + column);
    }
}

// Sample the gradient at the places, linear between samples.
CV_STEP inline void sample_gradients(const Patch& patch, DescriptorScratch& s) {
    for (int i = 0; i < N_PLACES; ++i) {
        const float* at = patch.gradients + 2 * s.sample[i];  // dx, dy of a sample, and those of the next one
        const Quad above = load<Quad>(at), below = load<Quad>(at + 2 * patch.stride);
        const Quad here = fused(spread_as<Quad>(s.row_share[i]), below - above, above);
        store_low(s.gradient[i], fused(spread_as<Quad>(s.column_share[i]), high_half(here) - here, here));
    }
}

// Split each gradient between its two nearest directions, counted anticlockwise from the keypoint's angle.
CV_STEP inline void split_directions(float cosine, float sine, DescriptorScratch& s) {
    for (int i = 0; i < N_PLACES; i += LANES) {
        Floats dx, dy;
        load_pairs(s.gradient[i], dx, dy);
        const Floats strength = root(fused(dx, dx, dy * dy)) * load(s.inside + i);
        const Floats along = fused(dx, spread(cosine), dy * spread(sine));
        const Floats across = dx * spread(sine) - dy * spread(cosine);
        const Floats turn = arc_tangent(across, along) * spread(static_cast<float>(N_DIRECTIONS / (2 * PI)));
        const Floats wrapped = choose(turn < spread(0.0f), turn + spread(static_cast<float>(N_DIRECTIONS)), turn);
        const Floats bounded = smaller(wrapped, spread(N_DIRECTIONS - 1e-6f * N_DIRECTIONS));
        const Ints direction = to_ints(bounded);
        const Floats second = strength * (bounded - to_floats(direction));
        store(s.direction + i, direction);
        store(s.first_vote + i, strength - second);
        store(s.second_vote + i, second);
    }
}

// Collect the votes in cells: along the rows of the grid first, then down.
CV_STEP inline void collect_votes(const DescriptorTables& tables, const DescriptorScratch& s, float* histogram) {
    Octet cells[N_CELLS + 2][N_CELLS + 2];
    for (auto& row : cells) {
        for (Octet& cell : row) cell = spread_as<Octet>(0.0f);
    }
    for (int j = 0; j < SIDE; ++j) {
        Octet row[N_CELLS + 2];
        row[0] = spread_as<Octet>(0.0f);
        for (int k = 0; k <= N_CELLS; ++k) {
            row[k + 1] = spread_as<Octet>(0.0f);
            for (int m = 0; m < PER_CELL; ++m) {
                const int i = j * SIDE + k * PER_CELL + m, d = s.direction[i];
                const Octet first = load<Octet>(tables.pick[d]) * spread_as<Octet>(s.first_vote[i]);
                const Octet vote = fused(load<Octet>(tables.pick[d + 1]), spread_as<Octet>(s.second_vote[i]), first);
                row[k] = fused(vote, spread_as<Octet>(tables.share[k * PER_CELL + m][0]), row[k]);
                row[k + 1] = fused(vote, spread_as<Octet>(tables.share[k * PER_CELL + m][1]), row[k + 1]);
            }
        }
        for (int side = 0; side < 2; ++side) {
            const Octet share = spread_as<Octet>(tables.share[j][side]);
            Octet* into = cells[j / PER_CELL + side];
            for (int k = 1; k <= N_CELLS; ++k) into[k] = fused(row[k], share, into[k]);
        }
    }
    for (int j = 0; j < N_CELLS; ++j) {
        for (int k = 0; k < N_CELLS; ++k) store(histogram + (j * N_CELLS + k) * N_DIRECTIONS, cells[j + 1][k + 1]);
    }
}

inline float norm_of(const float* histogram, int n) {
    Floats sum = spread(0.0f);
    for (int i = 0; i < n; i += LANES) sum = fused(load(histogram + i), load(histogram + i), sum);
    float total = 0;
    for (int i = 0; i < LANES; ++i) total += sum[i];
    return std::sqrt(total);
}

// Normalise, clip, normalise again and store as bytes (Lowe 2004, 6.1); an empty histogram stays zero.
CV_STEP inline void store_bytes(float* histogram, std::uint8_t* bytes) {
    constexpr int n = N_CELLS * N_CELLS * N_DIRECTIONS;
    const Floats limit = spread(CLIP * norm_of(histogram, n));
    for (int i = 0; i < n; i += LANES) store(histogram + i, smaller(load(histogram + i), limit));
    const float norm = norm_of(histogram, n);
    const float scale = norm > 0 ? NORM / norm : 0.0f;
    for (int i = 0; i < n; ++i) {
        const float value = histogram[i] * scale + 0.5f;
        bytes[i] = static_cast<std::uint8_t>(value < 255.0f ? static_cast<int>(value) : 255);
    }
}

template <typename Sample>
void describe(const DescriptorTables& tables, const Level<Sample>& level, int width, int height, const Place& at,
              double sigma, float angle, Patch& patch, DescriptorScratch& scratch, std::uint8_t* bytes) {
    const float cosine = std::cos(angle), sine = std::sin(angle);
    const double cell = CELL * sigma, half_side = (N_CELLS + 1) / 2.0 * cell * (std::fabs(cosine) + std::fabs(sine));
    take_patch(level, width, height, at, half_side, patch);
    place_grid(tables, patch, at, cell, cosine, sine, scratch);
    sample_gradients(patch, scratch);
    split_directions(cosine, sine, scratch);
    alignas(64) float histogram[N_CELLS * N_CELLS * N_DIRECTIONS];
    collect_votes(tables, scratch, histogram);
    store_bytes(histogram, bytes);
}

}  // namespace classicvision::CV_ISA
