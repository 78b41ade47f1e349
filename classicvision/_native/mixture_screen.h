// The scores of all components for a point, rounded: one product of 16-bit integers, with a bound on its error.
//
// The logarithm of weight times density is offset + sum_d (z f + z^2 g), with z the difference from a centre. Both parts
// of a dimension stand in one pair of shorts, so an instruction adds them in one step. Integer sums are exact: the
// screen is the same bits on every instruction set, but for the last steps in float32.
#pragma once

#include <algorithm>

#include "isa_shorts.h"
#include "isa_whole.h"
#include "mixture.h"

namespace classicvision::CV_ISA {
namespace {

constexpr float MOST_LEVEL = 32767;
constexpr float MOST_SUM = 2.1e9f;  // of the sizes of products, where all have the largest factor: below 2^31
constexpr std::size_t PANEL_VECTORS = 2;
constexpr std::size_t PANEL = PANEL_VECTORS * LANES;
#if defined(__AVX512F__)
constexpr std::size_t SCREEN_ROWS = 12;
#else
constexpr std::size_t SCREEN_ROWS = 4;
#endif

// What a level of a point is worth, and the sum of the sizes of its numbers and their squares.
struct ScreenPoint {
    float step;
    float size;
};

// The errors that rounding can leave in the scores of LANES components, from one on.
CV_INLINE Floats screen_error(const Mixture& mixture, const ScreenPoint& point, std::size_t component) {
    return fused(spread(point.step), load(mixture.point_errors + component),
                 spread(point.size + point.step) * load(mixture.factor_errors + component));
}

// Write a point as pairs of levels: n_padded of them.
CV_INLINE ScreenPoint screen_point(const Mixture& mixture, const float* point, std::int32_t* levels) {
    alignas(64) float numbers[MOST_MIXTURE_DIMENSIONS];
    Floats most = spread(0.0f), sum = spread(0.0f), reach = spread(0.0f);
    for (std::size_t d = 0; d < mixture.n_padded; d += LANES) {
        const Floats z = (load(point + d) - load(mixture.centre + d)) * load(mixture.scales + d);
        store(numbers + d, z);
        const Floats size = magnitude(z);
        most = larger(most, size);
        const Floats square = z * z;
        sum = sum + (size + square);
        reach = fused(size, load(mixture.largest + d), reach);
        reach = fused(square, load(mixture.largest + mixture.n_padded + d), reach);
    }
    const float total = sum_of_lanes(sum), longest = largest_lane(most);
    if (!(total < 1e30f)) {  // beyond what can be rounded: all components may be near
        for (std::size_t d = 0; d < mixture.n_padded; d += LANES) store(levels + d, spread_as<Ints>(0));
        return {0.0f, 1e38f};
    }
    const float largest = longest > 1.0f ? longest * longest : longest;
    const float needed = std::max(largest * (1 / MOST_LEVEL), sum_of_lanes(reach) * (1 / MOST_SUM));
    const float step = needed > 1e-30f ? needed : 1.0f;
    const Floats inverse = spread(1.0f / step);
    for (std::size_t d = 0; d < mixture.n_padded; d += LANES) {
        const Floats z = load(numbers + d);
        const Floats level = z * inverse;
        const Ints square = rounded_level(z * level);
        store(levels + d, joined(rounded_level(level), shifted_up(square, 16)));
    }
    return {step, total};
}

// Write the scores of SCREEN_ROWS points for one panel of components.
CV_STEP void screen_panel(const Mixture& mixture, std::size_t panel, const std::int32_t* levels,
                          const ScreenPoint* points, float* scores, std::size_t n_columns) {
    Ints sums[SCREEN_ROWS][PANEL_VECTORS] = {};
    const std::int16_t* factors = mixture.factors + panel * mixture.n_dims * PANEL * 2;
    for (std::size_t d = 0; d < mixture.n_dims; ++d) {
        Ints pairs[PANEL_VECTORS];
        for (std::size_t v = 0; v < PANEL_VECTORS; ++v) pairs[v] = load<Ints>(factors + (d * PANEL + v * LANES) * 2);
        for (std::size_t i = 0; i < SCREEN_ROWS; ++i) {
            const Ints level = spread_as<Ints>(levels[i * mixture.n_padded + d]);
            for (std::size_t v = 0; v < PANEL_VECTORS; ++v) sums[i][v] = add_pairs(sums[i][v], pairs[v], level);
        }
    }
    for (std::size_t v = 0; v < PANEL_VECTORS; ++v) {
        const std::size_t column = panel * PANEL + v * LANES;
        const Floats steps = load(mixture.steps + column), offsets = load(mixture.offsets + column);
        for (std::size_t i = 0; i < SCREEN_ROWS; ++i) {
            store(scores + i * n_columns + column, to_floats(sums[i][v]) * (steps * spread(points[i].step)) + offsets);
        }
    }
}

}  // namespace
}  // namespace classicvision::CV_ISA
