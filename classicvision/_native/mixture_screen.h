// Approximate scores of all components at a point: one product of bytes, with a bound on its error.
//
// log(weight * density) is offset + sum_d (z f + q g), with z a multiple of the difference from a centre and q a
// multiple of its square. The typical g is subtracted from all components, so that less is rounded. The z and q of two
// dimensions are four bytes, which one instruction multiplies and adds. Integer sums are exact: only rounding points
// and factors to levels introduces errors.
#pragma once

#include <algorithm>
#include <cmath>

#include "isa.h"
#include "mixture.h"

namespace classicvision::CV_ISA {
namespace {

// Points and vectors of components that one pass over the dimensions keeps in registers.
constexpr std::size_t SCREEN_ROWS = REGISTERS == 32 ? 6 : 4;
constexpr std::size_t PANEL_VECTORS = REGISTERS == 32 ? 4 : 2;
constexpr std::size_t PANEL = PANEL_VECTORS * LANES;
constexpr std::size_t GROUP_ROWS = 4 * SCREEN_ROWS;  // points that are screened together
constexpr float MOST_Z = 127, MOST_SQUARE = 255;     // levels of a point
constexpr float FAR = 1e30f;                         // sums of squares from here on are not rounded to levels

struct ScreenPoint {
    float step;    // the value of one level
    float error;   // the error of a score, in units of the error in `columns`
    float common;  // what was subtracted from the scores of all components
    bool is_far;   // too far to screen: all components may be near
};

// z and q of LANES dimensions of a point, from d on.
CV_INLINE Floats number_of(const Mixture& mixture, const float* point, std::size_t d) {
    return load(point + d) * load(mixture.to_levels + mixture.n_padded + d);
}
CV_INLINE Floats square_of(const Mixture& mixture, Floats z, std::size_t d) {
    return z * z * load(mixture.to_levels + 2 * mixture.n_padded + d);
}

// Write n points as bytes, two for each of n_padded dimensions. (In three passes: the steps for one point wait for each
// other, those for many points overlap.)
CV_STEP void screen_points(const Mixture& mixture, const float* points, std::size_t n, ScreenPoint* screened,
                           std::uint16_t* levels) {
    const std::size_t n_padded = mixture.n_padded;
    alignas(64) float found[GROUP_ROWS][4][LANES];
    for (std::size_t i = 0; i < n; ++i) {
        Floats most_z = spread(0.0f), most_square = most_z, squares = most_z, common = most_z;
        for (std::size_t d = 0; d < n_padded; d += LANES) {
            const Floats z = number_of(mixture, points + i * n_padded, d), square = square_of(mixture, z, d);
            most_z = larger(most_z, magnitude(z));
            most_square = larger(most_square, square);
            squares = fused(z, z, fused(square, square, squares));
            common = fused(square, load(mixture.to_levels + 3 * n_padded + d), common);
        }
        store(found[i][0], most_z);
        store(found[i][1], most_square);
        store(found[i][2], squares);
        store(found[i][3], common);
    }
    float inverses[GROUP_ROWS];
    for (std::size_t i = 0; i < n; ++i) {
        const float total = sum_of_lanes(load(found[i][2]));
        const float needed = std::max(largest_lane(load(found[i][0])) * (1 / MOST_Z),
                                      largest_lane(load(found[i][1])) * (1 / MOST_SQUARE));
        const float step = needed > 1e-30f ? needed : 1.0f, size = LIKELY * std::sqrt(total);
        screened[i] = {step, std::max(step * mixture.inverse_step, size * mixture.inverse_size),
                       sum_of_lanes(load(found[i][3])), !(total < FAR)};
        inverses[i] = 1.0f / step;
    }
    for (std::size_t i = 0; i < n; ++i) {
        if (screened[i].is_far) {
            std::fill(levels + i * n_padded, levels + (i + 1) * n_padded, std::uint16_t{0});
            continue;
        }
        const Floats inverse = spread(inverses[i]);
        for (std::size_t d = 0; d < n_padded; d += LANES) {
            const Floats z = number_of(mixture, points + i * n_padded, d);
            const Ints level = rounded_level(fused(z, inverse, spread(Z_ZERO)));
            store_shorts(levels + i * n_padded + d,
                         level + shifted_up(rounded_level(square_of(mixture, z, d) * inverse), 8));
        }
    }
}

// Write the scores of SCREEN_ROWS points for one panel of components, and raise the lower bounds on their largest ones.
CV_STEP void screen_panel(const Mixture& mixture, std::size_t panel, const std::uint16_t* levels,
                          const ScreenPoint* points, float* scores, float* surest) {
    const std::size_t n_columns = mixture.n_panels * PANEL, n_padded = mixture.n_padded, n_quads = mixture.n_quads;
    const std::int8_t* factors = mixture.factors + panel * n_quads * PANEL * 4;
    Ints sums[SCREEN_ROWS][PANEL_VECTORS];
    for (std::size_t i = 0; i < SCREEN_ROWS; ++i) {
        for (std::size_t v = 0; v < PANEL_VECTORS; ++v) {
            sums[i][v] = load<Ints>(mixture.starts + panel * PANEL + v * LANES);
        }
    }
    for (std::size_t j = 0; j < n_quads; ++j) {
        Ints quads[PANEL_VECTORS];
        for (std::size_t v = 0; v < PANEL_VECTORS; ++v) quads[v] = load<Ints>(factors + (j * PANEL + v * LANES) * 4);
        for (std::size_t i = 0; i < SCREEN_ROWS; ++i) {
            std::int32_t four;
            std::memcpy(&four, levels + i * n_padded + 2 * j, sizeof four);
            const Ints level = spread_as<Ints>(four);
            for (std::size_t v = 0; v < PANEL_VECTORS; ++v) sums[i][v] = add_quads(sums[i][v], quads[v], level);
        }
    }
    const float* columns = mixture.columns + panel * PANEL;
#pragma GCC unroll 6
    for (std::size_t i = 0; i < SCREEN_ROWS; ++i) {
        const Floats step = spread(points[i].step), error = spread(-points[i].error);
        Floats most = load(surest + i * LANES);
        for (std::size_t v = 0; v < PANEL_VECTORS; ++v) {
            const float* column = columns + v * LANES;
            const Floats score = fused(to_floats(sums[i][v]), step * load(column), load(column + n_columns));
            store(scores + i * n_columns + panel * PANEL + v * LANES, score);
            most = larger(most, fused(error, load(column + 2 * n_columns), score));
        }
        store(surest + i * LANES, most);
    }
}

}  // namespace
}  // namespace classicvision::CV_ISA
