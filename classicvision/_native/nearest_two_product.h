// Products of a tile of descriptors of one image with a panel of the other's, in exact integers.
//
// A panel holds PANEL descriptors side by side: GROUP numbers of the first, of the second and so on, then the next
// GROUP numbers. One instruction multiplies GROUP numbers of a descriptor with those of LANES others and adds them up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "isa.h"
#include "nearest_two_keys.h"

namespace classicvision::CV_ISA {
namespace {

// Four signed bytes of a times unsigned bytes of b: a is stored less 128; 128 times the sum of b is added later.
struct ByteProduct {
    using ItemA = std::int8_t;
    using ItemB = std::uint8_t;
    using Sums = Ints;
    static constexpr std::size_t GROUP = 4;
    static constexpr std::int32_t ZERO_OF_A = 128;

    static CV_INLINE Sums spread_group(const ItemA* from) {
        std::int32_t four;
        std::memcpy(&four, from, sizeof four);
        return spread_as<Ints>(four);
    }
    static CV_INLINE Sums add(Sums sums, Sums b, Sums a) { return add_quads(sums, a, b); }
    static CV_INLINE Ints whole(Sums sums) { return sums; }
};

struct ShortProduct {
    using ItemA = std::int16_t;
    using ItemB = std::int16_t;
    using Sums = Ints;
    static constexpr std::size_t GROUP = 2;
    static constexpr std::int32_t ZERO_OF_A = 0;

    static CV_INLINE Sums spread_group(const ItemA* from) {
        std::int32_t two;
        std::memcpy(&two, from, sizeof two);
        return spread_as<Ints>(two);
    }
    static CV_INLINE Sums add(Sums sums, Sums b, Sums a) { return add_pairs(sums, b, a); }
    static CV_INLINE Ints whole(Sums sums) { return sums; }
};

// Every partial sum is an integer below 2^24, which float32 holds exactly.
struct FloatProduct {
    using ItemA = float;
    using ItemB = float;
    using Sums = Floats;
    static constexpr std::size_t GROUP = 1;
    static constexpr std::int32_t ZERO_OF_A = 0;

    static CV_INLINE Sums spread_group(const ItemA* from) { return spread(*from); }
    static CV_INLINE Sums add(Sums sums, Sums b, Sums a) { return fused(b, a, sums); }
    static CV_INLINE Ints whole(Sums sums) { return to_ints(sums); }
};

// Descriptors have bytes up to 255.
using Product = std::conditional_t<(LARGEST_BYTE == 255), ByteProduct,
                                   std::conditional_t<(LARGEST_BYTE > 0), ShortProduct, FloatProduct>>;
using ItemA = Product::ItemA;
using ItemB = Product::ItemB;
using Sums = Product::Sums;
constexpr std::size_t GROUP = Product::GROUP;
constexpr std::int32_t ZERO_OF_A = Product::ZERO_OF_A;
constexpr std::size_t TILE_ROWS = REGISTERS == 32 ? 6 : 4, TILE_VECTORS = REGISTERS == 32 ? 4 : 2;
constexpr std::size_t PANEL = TILE_VECTORS * LANES;

// Keys (TILE_ROWS, PANEL) of some descriptors and one panel, without numbers. `width` is that of a row of a, a multiple
// of GROUP.
CV_INLINE void compare_tile(const ItemA* a, const std::int32_t* norms_a, const ItemB* panel, const std::int32_t* rests,
                            std::size_t width, std::int32_t* keys) {
    Sums sums[TILE_ROWS][TILE_VECTORS];
    for (auto& row : sums) {
        for (Sums& one : row) one = Sums{};
    }
    for (std::size_t d = 0; d < width; d += GROUP) {
        Sums b[TILE_VECTORS];
#pragma GCC unroll 8
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) b[v] = load<Sums>(panel + (d * PANEL + v * LANES * GROUP));
#pragma GCC unroll 8
        for (std::size_t r = 0; r < TILE_ROWS; ++r) {
            const Sums group = Product::spread_group(a + r * width + d);
#pragma GCC unroll 8
            for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[r][v] = Product::add(sums[r][v], b[v], group);
        }
    }
    for (std::size_t r = 0; r < TILE_ROWS; ++r) {
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) {
            const Ints rest = load<Ints>(rests + v * LANES) + spread_as<Ints>(norms_a[r]);
            const Ints squared = rest - shifted_up(Product::whole(sums[r][v]), 1);
            store(keys + r * PANEL + v * LANES, shifted_up(squared, NUMBER_BITS));
        }
    }
}

}  // namespace
}  // namespace classicvision::CV_ISA
