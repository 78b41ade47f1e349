// The two least distances of each row and of each column of a table.
//
// A key is a squared distance and, in the 7 bits below it, the number of a row or of a vector. One comparison of keys
// orders by both: of equal distances the earlier comes first, and its index is known without a second comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "isa.h"
#include "match.h"

namespace classicvision::CV_ISA {
namespace {

constexpr int NUMBER_BITS = 7;
constexpr std::int32_t MOST_NUMBERED = 1 << NUMBER_BITS;
constexpr std::int32_t NO_KEY = std::numeric_limits<std::int32_t>::max();  // more than any, with any number
static_assert(MOST_MATCH_DIMENSIONS * 255 * 255 < NO_KEY >> NUMBER_BITS, "each distance is less than that of no key");

CV_INLINE std::int32_t distance_of(std::int32_t key) { return key >> NUMBER_BITS; }
CV_INLINE std::int32_t number_of(std::int32_t key) { return key & (MOST_NUMBERED - 1); }

// The two least keys that each lane has seen.
struct TwoKeys {
    Ints first, second;

    CV_INLINE void see(Ints key) {
        second = smaller(second, larger(first, key));
        first = smaller(first, key);
    }
};

CV_INLINE TwoKeys no_keys() { return {spread_as<Ints>(NO_KEY), spread_as<Ints>(NO_KEY)}; }

// The two least distances that each lane has seen, and their rows, -1 if missing.
struct TwoLeast {
    Floats first, first_at, second, second_at;

    // Equal distances keep their order.
    CV_INLINE void see(Floats value, Floats at) {
        const Ints is_first = value < first, is_second = value < second;
        second_at = choose(is_second, choose(is_first, first_at, at), second_at);
        first_at = choose(is_first, at, first_at);
        second = smaller(second, larger(first, value));
        first = smaller(first, value);
    }
    // Keys whose numbers are relative to row `from`.
    CV_INLINE void see(Ints key, std::size_t from) {
        const Ints number = key & spread_as<Ints>(MOST_NUMBERED - 1);
        see(to_floats(shifted_down(key, NUMBER_BITS)), to_floats(number) + spread(static_cast<float>(from)));
    }
};

CV_INLINE TwoLeast nothing_seen() {
    const Floats farther = spread(static_cast<float>(distance_of(NO_KEY)));
    return {farther, spread(-1.0f), farther, spread(-1.0f)};
}

// Insert a candidate into the two of a row; of equal distances the smaller index wins.
CV_INLINE void place(float squared, std::int32_t at, std::int32_t* rows, float* distances) {
    const auto before = [&](int i) {
        return squared < distances[i] || (squared == distances[i] && (rows[i] < 0 || at < rows[i]));
    };
    if (before(0)) {
        rows[1] = rows[0];
        distances[1] = distances[0];
        rows[0] = at;
        distances[0] = squared;
    } else if (before(1)) {
        rows[1] = at;
        distances[1] = squared;
    }
}

// The same for the two least of all lanes. Numbers are those of vectors, which begin at column `from`.
CV_INLINE void place_lanes(TwoKeys keys, std::size_t from, std::int32_t* rows, float* distances) {
    for (int i = 0; i < 2; ++i) {
        int lane;
        const std::int32_t key = smallest_lane(keys.first, &lane);
        if (key == NO_KEY) return;
        const std::int32_t at = static_cast<std::int32_t>(from) + number_of(key) * LANES + lane;
        place(static_cast<float>(distance_of(key)), at, rows, distances);
        keys.first[lane] = keys.second[lane];
    }
}

}  // namespace
}  // namespace classicvision::CV_ISA
