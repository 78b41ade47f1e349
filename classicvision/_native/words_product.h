// The product of a tile of points and a panel of words: in bytes or, where the CPU multiplies no bytes, in float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "isa_whole.h"

namespace classicvision::CV_ISA {
namespace {

#if defined(__AVX2__)

typedef std::int8_t PointItem;
typedef std::uint8_t WordItem;  // w + WORD_ZERO
constexpr std::size_t GROUP = 4;  // dimensions that one instruction multiplies and adds
constexpr int POINT_LEVELS = 127;

#if defined(__AVX512VNNI__)
constexpr int WORD_LEVELS = 127;
constexpr std::size_t TILE_POINTS = 6, TILE_VECTORS = 4;
typedef __m512i Sums;
CV_INLINE Sums sums_from(std::int32_t start) { return _mm512_set1_epi32(start); }
CV_INLINE Sums load_words(const WordItem* from) { return _mm512_loadu_si512(from); }
CV_INLINE Sums add_products(Sums sums, Sums words, Sums point) {
#if defined(__GNUC__)  // GCC 12 copies the sums for the intrinsic and runs out of registers
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(words), "v"(point));
    return sums;
#else
    return _mm512_dpbusd_epi32(sums, words, point);
#endif
}
#else
constexpr int WORD_LEVELS = 63;  // vpmaddubsw saturates: 2 * (63 + 64) * 127 < 2^15
constexpr std::size_t TILE_POINTS = 4, TILE_VECTORS = 2;
typedef __m256i Sums;
CV_INLINE Sums sums_from(std::int32_t start) { return _mm256_set1_epi32(start); }
CV_INLINE Sums load_words(const WordItem* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
CV_INLINE Sums add_products(Sums sums, Sums words, Sums point) {
    const Sums pairs = _mm256_maddubs_epi16(words, point);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#endif

constexpr int WORD_ZERO = WORD_LEVELS + 1;
CV_INLINE Sums spread_point(const PointItem* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return sums_from(four);
}
CV_INLINE Floats finished(Sums sums) { return to_floats(bits_of<Ints>(sums)); }
CV_INLINE void store_items(PointItem* to, Floats levels) {
    const Ints values = to_ints(levels);
#if CV_VECTOR_TYPES
    typedef std::int8_t Bytes __attribute__((vector_size(LANES)));
    const Bytes bytes = __builtin_convertvector(values, Bytes);
    std::memcpy(to, &bytes, sizeof bytes);
#else
    for (int lane = 0; lane < LANES; ++lane) to[lane] = static_cast<PointItem>(values[lane]);
#endif
}
// The nearest whole number of a value from -2^22 to 2^22: adding 1.5 * 2^23 leaves float32 no digits behind the point.
CV_INLINE Floats rounded(Floats values) { return (values + spread(0x1.8p23f)) - spread(0x1.8p23f); }

#else

typedef float PointItem;
typedef float WordItem;
constexpr std::size_t GROUP = 1;
constexpr int POINT_LEVELS = 0, WORD_LEVELS = 0, WORD_ZERO = 0;  // nothing is rounded to levels
constexpr std::size_t TILE_POINTS = 4, TILE_VECTORS = 2;
typedef Floats Sums;
CV_INLINE Sums sums_from(std::int32_t) { return spread(0.0f); }
CV_INLINE Sums load_words(const WordItem* from) { return load(from); }
CV_INLINE Sums add_products(Sums sums, Sums words, Sums point) { return fused(words, point, sums); }
CV_INLINE Sums spread_point(const PointItem* from) { return spread(*from); }
CV_INLINE Floats finished(Sums sums) { return sums; }
CV_INLINE void store_items(PointItem* to, Floats levels) { store(to, levels); }
CV_INLINE Floats rounded(Floats values) { return values; }

#endif

constexpr bool IS_QUANTISED = WORD_LEVELS > 0;
constexpr unsigned EVERY_LANE = (1u << LANES) - 1;
constexpr std::size_t PANEL = TILE_VECTORS * LANES;  // words that are searched side by side

}  // namespace
}  // namespace classicvision::CV_ISA
