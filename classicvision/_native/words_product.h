// The product of a tile of points and a panel of words: in bytes or, where the CPU multiplies no bytes, in float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "isa.h"

namespace classicvision::CV_ISA {
namespace {

template <typename To, typename From>
CV_INLINE To bits_of(From value) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

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

CV_INLINE unsigned at_most(Floats values, Floats limit) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(bits_of<__m512>(values), bits_of<__m512>(limit), _CMP_LE_OQ);
#elif defined(__AVX2__)
    return static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(bits_of<__m256>(values), bits_of<__m256>(limit), _CMP_LE_OQ)));
#else
    unsigned mask = 0;
    for (int lane = 0; lane < LANES; ++lane) mask |= static_cast<unsigned>(values[lane] <= limit[lane]) << lane;
    return mask;
#endif
}

CV_INLINE std::size_t lowest_bit(std::uint64_t mask) {
#if defined(__GNUC__)
    return static_cast<std::size_t>(__builtin_ctzll(mask));
#else
    std::size_t bit = 0;
    while (!(mask >> bit & 1)) ++bit;
    return bit;
#endif
}

CV_INLINE float largest_lane(Floats values) {
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps(bits_of<__m512>(values));
#endif
    float lanes[LANES];
    store(lanes, values);
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) lanes[i] = lanes[i + n] > lanes[i] ? lanes[i + n] : lanes[i];
    }
    return lanes[0];
}

CV_INLINE float sum_of_lanes(Floats values) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps(bits_of<__m512>(values));
#endif
    float lanes[LANES];
    store(lanes, values);
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) lanes[i] += lanes[i + n];
    }
    return lanes[0];
}

// Lanes from memory that holds only n of them; the others are zero.
CV_INLINE Floats load_first(const float* from, std::size_t n) {
    if (n >= LANES) return load(from);
    float lanes[LANES] = {};
    std::memcpy(lanes, from, n * sizeof *lanes);
    return load(lanes);
}

}  // namespace
}  // namespace classicvision::CV_ISA
