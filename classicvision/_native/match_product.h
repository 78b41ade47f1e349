// Products of a tile of descriptors of one picture with a panel of another's, in whole numbers, exactly.
//
// A panel holds PANEL descriptors side by side: GROUP numbers of the first, of the second and so on, then the next GROUP
// numbers. One instruction multiplies GROUP numbers of a descriptor with those of LANES others and adds them up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "isa.h"
#include "match_least.h"

namespace classicvision::CV_ISA {
namespace {

#if defined(__AVX512VNNI__)

// vpdpbusd multiplies unsigned with signed bytes: a is stored less 128, and 128 times the sum of b is added later.
typedef std::int8_t ItemA;
typedef std::uint8_t ItemB;
constexpr std::size_t GROUP = 4;
constexpr std::int32_t ZERO_OF_A = 128;
constexpr std::size_t TILE_ROWS = 6, TILE_VECTORS = 4;
typedef __m512i Sums;
CV_INLINE Sums no_sums() { return _mm512_setzero_si512(); }
CV_INLINE Sums load_panel(const ItemB* from) { return _mm512_loadu_si512(from); }
CV_INLINE Sums spread_group(const ItemA* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
}
CV_INLINE Sums add_products(Sums sums, Sums b, Sums a) {
#if defined(__GNUC__)  // GCC 12 copies the sums for the intrinsic and runs out of registers
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(b), "v"(a));
    return sums;
#else
    return _mm512_dpbusd_epi32(sums, b, a);
#endif
}
CV_INLINE void store_keys(std::int32_t* to, Sums sums, std::int32_t norm_a, const std::int32_t* rests) {
    const Sums rest = _mm512_add_epi32(_mm512_loadu_si512(rests), _mm512_set1_epi32(norm_a));
    _mm512_storeu_si512(to, _mm512_slli_epi32(_mm512_sub_epi32(rest, _mm512_slli_epi32(sums, 1)), NUMBER_BITS));
}

#elif defined(__AVX2__)

typedef std::int16_t ItemA;
typedef std::int16_t ItemB;
constexpr std::size_t GROUP = 2;
constexpr std::int32_t ZERO_OF_A = 0;
constexpr std::size_t TILE_ROWS = 4, TILE_VECTORS = 2;
typedef __m256i Sums;
CV_INLINE Sums no_sums() { return _mm256_setzero_si256(); }
CV_INLINE Sums load_panel(const ItemB* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
CV_INLINE Sums spread_group(const ItemA* from) {
    std::int32_t two;
    std::memcpy(&two, from, sizeof two);
    return _mm256_set1_epi32(two);
}
CV_INLINE Sums add_products(Sums sums, Sums b, Sums a) { return _mm256_add_epi32(sums, _mm256_madd_epi16(b, a)); }
CV_INLINE void store_keys(std::int32_t* to, Sums sums, std::int32_t norm_a, const std::int32_t* rests) {
    const Sums rest = _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(rests)),
                                       _mm256_set1_epi32(norm_a));
    const Sums distances = _mm256_sub_epi32(rest, _mm256_slli_epi32(sums, 1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_slli_epi32(distances, NUMBER_BITS));
}

#else

// Every sum on the way is a whole number below 2^24, so float32 has it exactly.
typedef float ItemA;
typedef float ItemB;
constexpr std::size_t GROUP = 1;
constexpr std::int32_t ZERO_OF_A = 0;
constexpr std::size_t TILE_ROWS = 4, TILE_VECTORS = 2;
typedef Floats Sums;
CV_INLINE Sums no_sums() { return spread(0.0f); }
CV_INLINE Sums load_panel(const ItemB* from) { return load(from); }
CV_INLINE Sums spread_group(const ItemA* from) { return spread(*from); }
CV_INLINE Sums add_products(Sums sums, Sums b, Sums a) { return fused(b, a, sums); }
CV_INLINE void store_keys(std::int32_t* to, Sums sums, std::int32_t norm_a, const std::int32_t* rests) {
    // Sums of integers, since that of both norms may pass 2^24 on the way.
    for (int lane = 0; lane < LANES; ++lane) {
        to[lane] = (norm_a + rests[lane] - 2 * static_cast<std::int32_t>(sums[lane])) * MOST_NUMBERED;
    }
}

#endif

constexpr std::size_t PANEL = TILE_VECTORS * LANES;

// Keys (TILE_ROWS, PANEL) of some descriptors and one panel, without numbers. `width` is that of a row of a, a multiple of GROUP.
CV_INLINE void compare_tile(const ItemA* a, const std::int32_t* norms_a, const ItemB* panel, const std::int32_t* rests,
                            std::size_t width, std::int32_t* keys) {
    Sums sums[TILE_ROWS][TILE_VECTORS];
    for (auto& row : sums) {
        for (Sums& one : row) one = no_sums();
    }
    for (std::size_t d = 0; d < width; d += GROUP) {
        Sums b[TILE_VECTORS];
#pragma GCC unroll 8
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) b[v] = load_panel(panel + (d * PANEL + v * LANES * GROUP));
#pragma GCC unroll 8
        for (std::size_t r = 0; r < TILE_ROWS; ++r) {
            const Sums group = spread_group(a + r * width + d);
#pragma GCC unroll 8
            for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[r][v] = add_products(sums[r][v], b[v], group);
        }
    }
    for (std::size_t r = 0; r < TILE_ROWS; ++r) {
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) {
            store_keys(keys + r * PANEL + v * LANES, sums[r][v], norms_a[r], rests + v * LANES);
        }
    }
}

}  // namespace
}  // namespace classicvision::CV_ISA
