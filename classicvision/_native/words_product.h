// The product of a tile of points and a panel of words: in bytes or, on CPUs without byte products, in float32.
#pragma once

#include <type_traits>

#include "isa.h"

namespace classicvision::CV_ISA {
namespace {

// Signed bytes of points times unsigned bytes of words, four dimensions at a time.
struct ByteProduct {
    using PointItem = std::int8_t;
    using WordItem = std::uint8_t;  // w + WORD_ZERO
    using Sums = Ints;
    static constexpr std::size_t GROUP = 4;
    static constexpr int POINT_LEVELS = 127, WORD_LEVELS = LARGEST_BYTE / 2, WORD_ZERO = WORD_LEVELS + 1;

    static CV_INLINE Sums sums_from(std::int32_t start) { return spread_as<Ints>(start); }
    static CV_INLINE Sums spread_point(const PointItem* from) {
        std::int32_t four;
        std::memcpy(&four, from, sizeof four);
        return spread_as<Ints>(four);
    }
    static CV_INLINE Sums add(Sums sums, Sums words, Sums point) { return add_quads(sums, point, words); }
    static CV_INLINE Floats finished(Sums sums) { return to_floats(sums); }
    // The nearest whole number of a value from -2^22 to 2^22: adding 1.5 * 2^23 leaves float32 no digits behind the
    // point.
    static CV_INLINE Floats rounded(Floats values) { return (values + spread(0x1.8p23f)) - spread(0x1.8p23f); }
    static CV_INLINE void store_items(PointItem* to, Floats levels) { store_bytes(to, to_ints(levels), LANES); }
};

// Nothing is rounded to levels.
struct FloatProduct {
    using PointItem = float;
    using WordItem = float;
    using Sums = Floats;
    static constexpr std::size_t GROUP = 1;
    static constexpr int POINT_LEVELS = 0, WORD_LEVELS = 0, WORD_ZERO = 0;

    static CV_INLINE Sums sums_from(std::int32_t) { return spread(0.0f); }
    static CV_INLINE Sums spread_point(const PointItem* from) { return spread(*from); }
    static CV_INLINE Sums add(Sums sums, Sums words, Sums point) { return fused(words, point, sums); }
    static CV_INLINE Floats finished(Sums sums) { return sums; }
    static CV_INLINE Floats rounded(Floats values) { return values; }
    static CV_INLINE void store_items(PointItem* to, Floats levels) { store(to, levels); }
};

using Product = std::conditional_t<(LARGEST_BYTE > 0), ByteProduct, FloatProduct>;
using PointItem = Product::PointItem;
using WordItem = Product::WordItem;
using Sums = Product::Sums;
constexpr std::size_t GROUP = Product::GROUP;  // dimensions that one instruction multiplies and adds
constexpr int POINT_LEVELS = Product::POINT_LEVELS, WORD_LEVELS = Product::WORD_LEVELS, WORD_ZERO = Product::WORD_ZERO;
constexpr bool IS_QUANTISED = WORD_LEVELS > 0;

constexpr std::size_t TILE_POINTS = REGISTERS == 32 ? 6 : 4, TILE_VECTORS = REGISTERS == 32 ? 4 : 2;
constexpr std::size_t PANEL = TILE_VECTORS * LANES;  // words that are searched side by side

}  // namespace
}  // namespace classicvision::CV_ISA
