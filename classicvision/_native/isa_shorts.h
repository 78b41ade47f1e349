// Vectors of 16-bit integers: `Shorts` holds twice the lanes of `Floats`. Integer sums are exact, so what is built from
// them is the same bits on every instruction set.
//
// Products are summed by pairs: a lane of `Ints` holds the shorts of an even and of the following odd place.
#pragma once

#include "isa_shuffles.h"

#if CV_VECTOR_TYPES && defined(__SSE2__) && !defined(__AVX2__)
#include <emmintrin.h>
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "a pair of shorts has its even place in the low half: a machine that stores the high half first needs a swap"
#endif

namespace classicvision::CV_ISA {

constexpr int SHORT_LANES = 2 * LANES;

#if CV_VECTOR_TYPES

typedef std::int16_t Shorts __attribute__((vector_size(4 * LANES)));
typedef std::int16_t HalfShorts __attribute__((vector_size(2 * LANES)));  // as many as `Floats`

CV_INLINE Ints shifted_up(Ints values, int n_bits) { return values << n_bits; }
CV_INLINE Ints shifted_down(Ints values, int n_bits) { return values >> n_bits; }  // the sign is kept

#else

typedef Lanes<std::int16_t, SHORT_LANES> Shorts;
typedef Lanes<std::int16_t, LANES> HalfShorts;

CV_INLINE Ints shifted_up(Ints values, int n_bits) {
    for (std::int32_t& lane : values.lane) {
        lane = static_cast<std::int32_t>(static_cast<std::uint32_t>(lane) << n_bits);
    }
    return values;
}
CV_INLINE Ints shifted_down(Ints values, int n_bits) {
    for (std::int32_t& lane : values.lane) lane >>= n_bits;
    return values;
}

#endif

// (The compiler would widen lane by lane.)
CV_INLINE Floats to_floats(HalfShorts values) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Floats)_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32((__m256i)values));
#elif defined(CV_INTRINSICS)
    return (Floats)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32((__m128i)values));
#else
    Floats result;
    for (int i = 0; i < LANES; ++i) result[i] = static_cast<float>(values[i]);
    return result;
#endif
}

// The nearest whole number, the even one of two, of a value from -2^22 to 2^22.
CV_INLINE Ints rounded_level(Floats values) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Ints)_mm512_cvtps_epi32((__m512)values);
#elif defined(CV_INTRINSICS)
    return (Ints)_mm256_cvtps_epi32((__m256)values);
#else
    // Adding 1.5 * 2^23 leaves float32 no digits behind the point.
    return to_ints((values + spread(0x1.8p23f)) - spread(0x1.8p23f));
#endif
}

// LANES bytes as integers.
CV_INLINE Ints load_bytes(const std::uint8_t* from) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Ints)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(CV_INTRINSICS)
    return (Ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
#else
    Ints values;
    for (int i = 0; i < LANES; ++i) values[i] = from[i];
    return values;
#endif
}

// Write the entries of a table of 256 at SHORT_LANES bytes.
CV_INLINE void look_up(const std::int16_t* table, const std::uint8_t* bytes, std::int16_t* to) {
#if defined(CV_INTRINSICS) && defined(__AVX512BW__)
    const __m512i places = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
    __m512i found[4];
    for (int i = 0; i < 4; ++i) {  // the lowest six bits are looked at
        found[i] = _mm512_permutex2var_epi16(_mm512_loadu_si512(table + 64 * i), places,
                                             _mm512_loadu_si512(table + 64 * i + 32));
    }
    const __mmask32 is_odd = _mm512_test_epi16_mask(places, _mm512_set1_epi16(64));
    const __m512i low = _mm512_mask_mov_epi16(found[0], is_odd, found[1]);
    const __m512i high = _mm512_mask_mov_epi16(found[2], is_odd, found[3]);
    const __mmask32 is_high = _mm512_test_epi16_mask(places, _mm512_set1_epi16(128));
    _mm512_storeu_si512(to, _mm512_mask_mov_epi16(low, is_high, high));
#else
    for (int i = 0; i < SHORT_LANES; ++i) to[i] = table[bytes[i]];
#endif
}

// The even places of one vector and the odd ones of another.
CV_INLINE Ints joined(Ints even, Ints odd) {
#if defined(CV_INTRINSICS) && defined(__AVX512BW__)
    return (Ints)_mm512_mask_blend_epi16(0xaaaaaaaa, (__m512i)even, (__m512i)odd);
#elif defined(CV_INTRINSICS) && !defined(__AVX512F__)
    return (Ints)_mm256_blend_epi16((__m256i)even, (__m256i)odd, 0xaa);
#else
    return (even & spread_as<Ints>(0xffff)) | (odd & spread_as<Ints>(-0x10000));
#endif
}

#if CV_VECTOR_TYPES && defined(__SSE2__) && !defined(__AVX512F__)
// GCC would take the products of an unrolled loop first and add them later, from memory.
CV_INLINE Ints kept_apart(Ints sum) {
    __asm__("" : "+x"(sum));
    return sum;
}
#endif

// sum + a.even * b.even + a.odd * b.odd, lane by lane.
CV_INLINE Ints pair_product(Ints sum, Ints a, Ints b) {
#if defined(CV_INTRINSICS) && defined(__AVX512VNNI__)
    return (Ints)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(CV_INTRINSICS) && defined(__AVX512BW__)
    return sum + (Ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(CV_INTRINSICS) && !defined(__AVX512F__)
    return kept_apart(sum + (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b));
#elif CV_VECTOR_TYPES && defined(__SSE2__) && !defined(__AVX2__)
    return kept_apart(sum + (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b));
#else
    const Ints even = shifted_down(shifted_up(a, 16), 16) * shifted_down(shifted_up(b, 16), 16);
    return sum + even + shifted_down(a, 16) * shifted_down(b, 16);
#endif
}

// As `pair_product`, for many sums held in registers: GCC 12 copies them for the intrinsic and runs out of registers.
CV_INLINE Ints add_pairs(Ints sum, Ints a, Ints b) {
#if defined(__AVX512VNNI__) && defined(__GNUC__) && defined(CV_INTRINSICS)
    asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return pair_product(sum, a, b);
#endif
}

CV_INLINE Shorts larger(Shorts a, Shorts b) {
#if defined(CV_INTRINSICS) && defined(__AVX512BW__)
    return (Shorts)_mm512_max_epi16((__m512i)a, (__m512i)b);
#elif defined(CV_INTRINSICS) && !defined(__AVX512F__)
    return (Shorts)_mm256_max_epi16((__m256i)a, (__m256i)b);
#elif CV_VECTOR_TYPES
    return a > b ? a : b;
#else
    for (int i = 0; i < SHORT_LANES; ++i) a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
#endif
}
CV_INLINE Shorts smaller(Shorts a, Shorts b) {
#if defined(CV_INTRINSICS) && defined(__AVX512BW__)
    return (Shorts)_mm512_min_epi16((__m512i)a, (__m512i)b);
#elif defined(CV_INTRINSICS) && !defined(__AVX512F__)
    return (Shorts)_mm256_min_epi16((__m256i)a, (__m256i)b);
#elif CV_VECTOR_TYPES
    return a < b ? a : b;
#else
    for (int i = 0; i < SHORT_LANES; ++i) a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
#endif
}

// One bit for each lane in which a equals b or c.
CV_INLINE unsigned equal_lanes(Shorts a, Shorts b, Shorts c) {
#if defined(CV_INTRINSICS) && defined(__AVX512BW__)
    return _mm512_cmpeq_epi16_mask((__m512i)a, (__m512i)b) | _mm512_cmpeq_epi16_mask((__m512i)a, (__m512i)c);
#else
#if defined(CV_INTRINSICS) && !defined(__AVX512F__)
    const __m256i equal = _mm256_or_si256(_mm256_cmpeq_epi16((__m256i)a, (__m256i)b),
                                          _mm256_cmpeq_epi16((__m256i)a, (__m256i)c));
    if (!_mm256_movemask_epi8(equal)) return 0;
#elif CV_VECTOR_TYPES && defined(__SSE2__) && !defined(__AVX2__)
    if (!_mm_movemask_epi8((__m128i)((a == b) | (a == c)))) return 0;
#endif
    unsigned bits = 0;
    for (int i = 0; i < SHORT_LANES; ++i) bits |= a[i] == b[i] || a[i] == c[i] ? 1u << i : 0u;
    return bits;
#endif
}

// LANES samples of either kind as floats.
CV_INLINE Floats load_difference(const float* a, const float* b) { return load(a) - load(b); }
CV_INLINE Floats load_difference(const std::int16_t* a, const std::int16_t* b) {
    return to_floats(static_cast<HalfShorts>(load<HalfShorts>(a) - load<HalfShorts>(b)));
}

}  // namespace classicvision::CV_ISA
