// The descriptor of a keypoint (Lowe 2004, section 6.1), by resampling.
//
// The reference lets every sample of the turned square vote. Here the gradient is taken at a fixed grid of places in
// the square, four to the side of a cell, by linear interpolation. Every weight in space is then a constant, and the
// work does not grow with the scale. Cells, Gaussian, directions and normalisation are those of the reference.
#pragma once

#include "sift_orientation.h"

namespace classicvision::CV_ISA {

constexpr int N_CELLS = 4;                  // along each side
constexpr int N_DIRECTIONS = 8;
constexpr int PER_CELL = 4;                 // places in a cell, along each side
constexpr int SIDE = (N_CELLS + 1) * PER_CELL;  // votes reach half a cell beyond the 4 x 4
constexpr int N_PLACES = SIDE * SIDE;
constexpr double CELL = 3.0;                // side of a cell, in scales of the keypoint
constexpr float CLIP = 0.2f;                // largest share of one direction in one cell, against the norm
constexpr float NORM = 512.0f;              // of the stored bytes

// Half the side of the upright square that holds the turned one, in samples.
inline int descriptor_reach(double sigma) {
    return static_cast<int>(std::ceil(CELL * sigma * std::sqrt(2.0) * (N_CELLS + 1) / 2)) + 2;
}

// What does not depend on the picture.
struct DescriptorTables {
    alignas(64) float u[N_PLACES], v[N_PLACES];        // in cells from the centre
    alignas(64) float share[SIDE][2];                  // of a place for the cell before it and the one after
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
    alignas(64) std::int32_t row[N_PLACES], column[N_PLACES];  // samples before the places
    alignas(64) float row_share[N_PLACES], column_share[N_PLACES];  // and how far beyond them the places are
    alignas(64) float inside[N_PLACES];                        // 1, or 0 for a place on the border or beyond
    alignas(64) float dx[N_PLACES], dy[N_PLACES];
    alignas(64) float vote[N_PLACES][2];                       // for a direction and the next one
    alignas(64) std::int32_t direction[N_PLACES];
};

constexpr float FAR = 4096.0f;  // added before rounding towards zero, so that it rounds down

// Turn the grid by the keypoint's angle, stretch it to its scale and put it on the samples.
CV_STEP inline void place_grid(const DescriptorTables& tables, int width, int height, const Place& at, double cell,
                               float cosine, float sine, DescriptorScratch& s) {
    const Floats across = spread(static_cast<float>(cell) * cosine), down = spread(static_cast<float>(cell) * sine);
    const Floats left = spread(1.0f - at.column), right = spread(width - 2.001f - at.column);
    const Floats top = spread(1.0f - at.row), bottom = spread(height - 2.001f - at.row);
    for (int i = 0; i < N_PLACES; i += LANES) {
        const Floats u = load(tables.u + i), v = load(tables.v + i);
        Floats x = u * across - v * down, y = fused(u, down, v * across);
        const Floats half = spread(0.5f), one = spread(1.0f), zero = spread(0.0f);
        const Ints is_inside = (x >= left - half) & (x <= right + half) & (y >= top - half) & (y <= bottom + half);
        store(s.inside + i, choose(is_inside, one, zero));
        x = smaller(larger(x, left), right) + spread(FAR);
        y = smaller(larger(y, top), bottom) + spread(FAR);
        const Ints column = to_ints(x), row = to_ints(y);
        store(s.column_share + i, x - to_floats(column));
        store(s.row_share + i, y - to_floats(row));
        store(s.column + i, column);
        store(s.row + i, row);
    }
}

// Sample the gradient at the places: differences of the two neighbours, not halved, linear between samples.
CV_STEP inline void sample_gradients(const Level& level, const Place& at, DescriptorScratch& s) {
    const int row0 = at.row - static_cast<int>(FAR), column0 = at.column - static_cast<int>(FAR);
    for (int i = 0; i < N_PLACES; ++i) {
        const float* const* rows = level.rows + row0 + s.row[i];
        const int x = column0 + s.column[i] - 1;
        const Quad above = load<Quad>(rows[-1] + x), here = load<Quad>(rows[0] + x);
        const Quad next = load<Quad>(rows[1] + x), beyond = load<Quad>(rows[2] + x);
        const Quad down = spread_as<Quad>(s.row_share[i]);
        const Quad level_here = here + down * (next - here);
        const Quad before = next - above, slope = before + down * ((beyond - here) - before);
        const float f = s.column_share[i];
        s.dx[i] = (1 - f) * (level_here[2] - level_here[0]) + f * (level_here[3] - level_here[1]);
        s.dy[i] = (1 - f) * slope[1] + f * slope[2];
    }
}

// Split each gradient between its two nearest directions, which go anticlockwise from the keypoint's angle.
CV_STEP inline void split_directions(float cosine, float sine, DescriptorScratch& s) {
    for (int i = 0; i < N_PLACES; i += LANES) {
        const Floats dx = load(s.dx + i), dy = load(s.dy + i);
        const Floats strength = root(fused(dx, dx, dy * dy)) * load(s.inside + i);
        const Floats along = fused(dx, spread(cosine), dy * spread(sine));
        const Floats across = dx * spread(sine) - dy * spread(cosine);
        const Floats turn = arc_tangent(across, along) * spread(static_cast<float>(N_DIRECTIONS / (2 * PI)));
        const Floats wrapped = choose(turn < spread(0.0f), turn + spread(static_cast<float>(N_DIRECTIONS)), turn);
        const Floats bounded = smaller(wrapped, spread(N_DIRECTIONS - 1e-6f * N_DIRECTIONS));
        const Ints direction = to_ints(bounded);
        const Floats second = strength * (bounded - to_floats(direction)), first = strength - second;
        store(s.direction + i, direction);
        for (int k = 0; k < LANES; ++k) s.vote[i + k][0] = first[k], s.vote[i + k][1] = second[k];
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
                const Octet vote = load<Octet>(tables.pick[d]) * spread_as<Octet>(s.vote[i][0]) +
                                   load<Octet>(tables.pick[d + 1]) * spread_as<Octet>(s.vote[i][1]);
                row[k] = row[k] + vote * spread_as<Octet>(tables.share[k * PER_CELL + m][0]);
                row[k + 1] = row[k + 1] + vote * spread_as<Octet>(tables.share[k * PER_CELL + m][1]);
            }
        }
        for (int side = 0; side < 2; ++side) {
            const Octet share = spread_as<Octet>(tables.share[j][side]);
            Octet* into = cells[j / PER_CELL + side];
            for (int k = 1; k <= N_CELLS; ++k) into[k] = into[k] + row[k] * share;
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

inline void describe(const DescriptorTables& tables, const Level& level, int width, int height, const Place& at,
                     double sigma, float angle, DescriptorScratch& scratch, std::uint8_t* bytes) {
    const float cosine = std::cos(angle), sine = std::sin(angle);
    place_grid(tables, width, height, at, CELL * sigma, cosine, sine, scratch);
    sample_gradients(level, at, scratch);
    split_directions(cosine, sine, scratch);
    alignas(64) float histogram[N_CELLS * N_CELLS * N_DIRECTIONS];
    collect_votes(tables, scratch, histogram);
    store_bytes(histogram, bytes);
}

}  // namespace classicvision::CV_ISA
