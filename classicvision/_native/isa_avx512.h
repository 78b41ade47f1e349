// AVX-512 with VNNI (`v4`): 16 lanes, 32 registers, one instruction for four products of bytes.
#pragma once

#include <immintrin.h>

namespace classicvision::CV_ISA {

constexpr int LANES = 16;
constexpr int REGISTERS = 32;  // vectors
// Bytes up to this one, times factors from -127 to 127, are added exactly by `add_quads`; 0 where floats are faster.
constexpr int LARGEST_BYTE = 255;
constexpr int LARGEST_FACTOR = 127;  // of any byte

}  // namespace classicvision::CV_ISA

#include "isa_vectors.h"

namespace classicvision::CV_ISA {

// Arithmetic, lane by lane.

CV_INLINE Floats larger(Floats a, Floats b) { return (Floats)_mm512_max_ps((__m512)a, (__m512)b); }
CV_INLINE Floats smaller(Floats a, Floats b) { return (Floats)_mm512_min_ps((__m512)a, (__m512)b); }
CV_INLINE Ints larger(Ints a, Ints b) { return (Ints)_mm512_max_epi32((__m512i)a, (__m512i)b); }
CV_INLINE Ints smaller(Ints a, Ints b) { return (Ints)_mm512_min_epi32((__m512i)a, (__m512i)b); }
CV_INLINE Shorts larger(Shorts a, Shorts b) { return (Shorts)_mm512_max_epi16((__m512i)a, (__m512i)b); }
CV_INLINE Shorts smaller(Shorts a, Shorts b) { return (Shorts)_mm512_min_epi16((__m512i)a, (__m512i)b); }
CV_INLINE Floats magnitude(Floats a) { return (Floats)_mm512_abs_ps((__m512)a); }
CV_INLINE Floats root(Floats a) { return (Floats)_mm512_sqrt_ps((__m512)a); }
CV_INLINE Floats reciprocal_root(Floats a) { return (Floats)_mm512_rsqrt14_ps((__m512)a); }  // to 1e-4 at least

// a * b + c, rounded once where the instruction set can.
CV_INLINE Floats fused(Floats a, Floats b, Floats c) {
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
CV_INLINE Quad fused(Quad a, Quad b, Quad c) { return (Quad)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c); }
CV_INLINE Octet fused(Octet a, Octet b, Octet c) { return (Octet)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }

// The nearest whole number, the even one of two, of a value from -2^22 to 2^22.
CV_INLINE Ints rounded_level(Floats values) { return (Ints)_mm512_cvtps_epi32((__m512)values); }
CV_INLINE Floats to_floats(HalfShorts values) {
    return (Floats)_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32((__m256i)values));
}

// Products of integers, exact. A lane of `Ints` holds two shorts, of an even and of the odd place after it, or four
// bytes.

// The even places of one vector and the odd ones of another.
CV_INLINE Ints joined(Ints even, Ints odd) {
    return (Ints)_mm512_mask_blend_epi16(0xaaaaaaaa, (__m512i)even, (__m512i)odd);
}

// sum + a.even * b.even + a.odd * b.odd.
CV_INLINE Ints pair_product(Ints sum, Ints a, Ints b) {
    return (Ints)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}

// As `pair_product`, and sums + the products of four signed factors with four bytes: for many sums held in registers.
// GCC 12 copies the sums for the intrinsics and runs out of registers.
#if CV_GCC_12
CV_INLINE Ints add_pairs(Ints sum, Ints a, Ints b) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
CV_INLINE Ints add_quads(Ints sums, Ints factors, Ints bytes) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(factors));
    return sums;
}
#else
CV_INLINE Ints add_pairs(Ints sum, Ints a, Ints b) { return pair_product(sum, a, b); }
CV_INLINE Ints add_quads(Ints sums, Ints factors, Ints bytes) {
    return (Ints)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)bytes, (__m512i)factors);
}
#endif

// Masks: one bit per lane.

CV_INLINE unsigned equal_lanes(Floats a, Floats b, Floats c) {  // in which a equals b or c
    return _mm512_cmpeq_ps_mask((__m512)a, (__m512)b) | _mm512_cmpeq_ps_mask((__m512)a, (__m512)c);
}
CV_INLINE unsigned equal_lanes(Shorts a, Shorts b, Shorts c) {
    return _mm512_cmpeq_epi16_mask((__m512i)a, (__m512i)b) | _mm512_cmpeq_epi16_mask((__m512i)a, (__m512i)c);
}
CV_INLINE unsigned at_most(Floats values, Floats limit) {
    return _mm512_cmp_ps_mask((__m512)values, (__m512)limit, _CMP_LE_OQ);
}
CV_INLINE int count_bits(std::uint64_t bits) { return __builtin_popcountll(bits); }

// One number from all lanes.

CV_INLINE float largest_lane(Floats values) { return _mm512_reduce_max_ps((__m512)values); }
CV_INLINE std::int32_t smallest_lane(Ints values, int* first) {  // and the first lane that is as small
    const std::int32_t smallest = _mm512_reduce_min_epi32((__m512i)values);
    *first = static_cast<int>(lowest_bit(_mm512_cmpeq_epi32_mask((__m512i)values, _mm512_set1_epi32(smallest))));
    return smallest;
}
CV_INLINE float sum_of_lanes(Floats values) { return _mm512_reduce_add_ps((__m512)values); }
CV_INLINE std::int32_t sum_of_lanes(Ints values) { return _mm512_reduce_add_epi32((__m512i)values); }
CV_INLINE void store_sums_of_lanes(float* to, const Floats (&vectors)[4]) {
    __m512 pairs[2];
    for (int i = 0; i < 2; ++i) {
        const __m512 a = (__m512)vectors[2 * i], b = (__m512)vectors[2 * i + 1];
        pairs[i] = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    }
    const __m512d a = _mm512_castps_pd(pairs[0]), b = _mm512_castps_pd(pairs[1]);
    const __m512 fours =
        _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    const __m256 halves = _mm256_add_ps(_mm512_castps512_ps256(fours),
                                        _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(fours), 1)));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
}

// Add the squared differences of n numbers, a multiple of 8, in float64: number i to sum i modulo 8.
CV_INLINE void add_squared_differences(const float* a, const float* b, std::size_t n, double (&sums)[8]) {
    __m512d total = _mm512_loadu_pd(sums);
    for (std::size_t i = 0; i < n; i += 8) {
        const __m512d difference =
            _mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(a + i)), _mm512_cvtps_pd(_mm256_loadu_ps(b + i)));
        total = _mm512_add_pd(total, _mm512_mul_pd(difference, difference));
    }
    _mm512_storeu_pd(sums, total);
}

// Loads and stores.

CV_INLINE Ints load_bytes(const std::uint8_t* from) {
    return (Ints)_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Lanes from memory that holds only n of them; the others are zero.
CV_INLINE Floats load_first(const float* from, std::size_t n) {
    if (n >= LANES) return load(from);
    return (Floats)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), from);
}

// Vector number k of blocks of eight numbers that start `pitch` numbers apart.
CV_INLINE Floats load_octets(const float* from, std::size_t pitch, int k) {
    const __m512 first = _mm512_castps256_ps512(_mm256_loadu_ps(from + 2 * k * pitch));
    return (Floats)_mm512_insertf32x8(first, _mm256_loadu_ps(from + (2 * k + 1) * pitch), 1);
}

// The first n lanes, all of them if there are fewer, to memory that has room for no more.
CV_INLINE void store_first(float* to, Floats values, std::size_t n) {
    if (n >= LANES) return store(to, values);
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), (__m512)values);
}

// Write the lanes whose bits are set, one after another, and return how many; all LANES places may be written.
CV_INLINE std::size_t store_chosen(float* to, Floats values, unsigned mask) {
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(static_cast<__mmask16>(mask), (__m512)values));
    return static_cast<std::size_t>(__builtin_popcount(mask));
}
CV_INLINE std::size_t store_chosen(std::int32_t* to, Ints values, unsigned mask) {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), (__m512i)values));
    return static_cast<std::size_t>(__builtin_popcount(mask));
}

// Write four vectors as bytes: rounded to the nearest, and at most 255.
CV_INLINE void store_rounded(std::uint8_t* to, const Floats (&values)[4]) {
    // Packing works within each 128 bits; `order` puts the fours of bytes where they belong.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i whole[4];
    for (int i = 0; i < 4; ++i) whole[i] = _mm512_cvtps_epi32((__m512)values[i]);
    const __m512i low = _mm512_packs_epi32(whole[0], whole[1]), high = _mm512_packs_epi32(whole[2], whole[3]);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high)));
}

// Write the entries of a table of 256 at SHORT_LANES bytes.
CV_INLINE void look_up(const std::int16_t* table, const std::uint8_t* bytes, std::int16_t* to) {
    const __m512i places = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
    __m512i found[4];
    for (int i = 0; i < 4; ++i) {  // only the lowest six bits count
        found[i] = _mm512_permutex2var_epi16(_mm512_loadu_si512(table + 64 * i), places,
                                             _mm512_loadu_si512(table + 64 * i + 32));
    }
    const __mmask32 is_odd = _mm512_test_epi16_mask(places, _mm512_set1_epi16(64));
    const __m512i low = _mm512_mask_mov_epi16(found[0], is_odd, found[1]);
    const __m512i high = _mm512_mask_mov_epi16(found[2], is_odd, found[3]);
    const __mmask32 is_high = _mm512_test_epi16_mask(places, _mm512_set1_epi16(128));
    _mm512_storeu_si512(to, _mm512_mask_mov_epi16(low, is_high, high));
}

// Lanes that change places.

// The last two lanes in place of the first two; the others may hold anything.
CV_INLINE Quad high_half(Quad a) { return (Quad)_mm_movehl_ps((__m128)a, (__m128)a); }

// Write a[0], b[0], a[1], b[1] and so on: 2 LANES items.
CV_INLINE void store_pairs(float* to, Floats a, Floats b) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    _mm512_storeu_ps(to, _mm512_permutex2var_ps((__m512)a, low, (__m512)b));
    _mm512_storeu_ps(to + LANES, _mm512_permutex2var_ps((__m512)a, high, (__m512)b));
}

// Read a[0], b[0], a[1], b[1] and so on.
CV_INLINE void load_pairs(const float* from, Floats& a, Floats& b) {
    const Floats low = load(from), high = load(from + LANES);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    a = (Floats)_mm512_permutex2var_ps((__m512)low, even, (__m512)high);
    b = (Floats)_mm512_permutex2var_ps((__m512)low, odd, (__m512)high);
}

// Exchange rows and columns of LANES vectors.
CV_INLINE void transpose(Floats* tile) {
    __m512 a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {  // pairs of floats
        a[i] = _mm512_unpacklo_ps((__m512)tile[i], (__m512)tile[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps((__m512)tile[i], (__m512)tile[i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4) {  // fours: b[i + k] has column k of each 128 bits, of rows i to i + 3
#pragma GCC unroll 2
        for (int k = 0; k < 2; ++k) {
            const __m512d low = _mm512_castps_pd(a[i + k]), high = _mm512_castps_pd(a[i + k + 2]);
            b[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            b[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {  // and a 4 x 4 transpose of the 128-bit parts
        const __m512 even_low = _mm512_shuffle_f32x4(b[k], b[k + 4], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(b[k], b[k + 4], 0xdd);
        const __m512 even_high = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0x88);
        const __m512 odd_high = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0xdd);
        tile[k] = (Floats)_mm512_shuffle_f32x4(even_low, even_high, 0x88);
        tile[k + 4] = (Floats)_mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        tile[k + 8] = (Floats)_mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        tile[k + 12] = (Floats)_mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
}

// Write eight vectors lane by lane: to[i * 8 + d] = vectors[d][i].
CV_INLINE void store_columns(const Counts* vectors, std::uint32_t* to) {
    __m512i pairs[8], fours[8];
#pragma GCC unroll 4
    for (int d = 0; d < 8; d += 2) {
        pairs[d] = _mm512_unpacklo_epi32((__m512i)vectors[d], (__m512i)vectors[d + 1]);
        pairs[d + 1] = _mm512_unpackhi_epi32((__m512i)vectors[d], (__m512i)vectors[d + 1]);
    }
#pragma GCC unroll 2
    for (int d = 0; d < 8; d += 4) {  // fours[d + k]: vectors d to d + 3, of the lanes k, k + 4, k + 8, k + 12
#pragma GCC unroll 2
        for (int k = 0; k < 2; ++k) {
            fours[d + 2 * k] = _mm512_unpacklo_epi64(pairs[d + k], pairs[d + k + 2]);
            fours[d + 2 * k + 1] = _mm512_unpackhi_epi64(pairs[d + k], pairs[d + k + 2]);
        }
    }
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i last = _mm512_add_epi64(first, _mm512_set1_epi64(4));
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
        const __m512i low = _mm512_permutex2var_epi64(fours[k], first, fours[k + 4]);
        const __m512i high = _mm512_permutex2var_epi64(fours[k], last, fours[k + 4]);
        _mm256_storeu_si256((__m256i*)(to + k * 8), _mm512_castsi512_si256(low));
        _mm256_storeu_si256((__m256i*)(to + (k + 4) * 8), _mm512_extracti64x4_epi64(low, 1));
        _mm256_storeu_si256((__m256i*)(to + (k + 8) * 8), _mm512_castsi512_si256(high));
        _mm256_storeu_si256((__m256i*)(to + (k + 12) * 8), _mm512_extracti64x4_epi64(high, 1));
    }
}

}  // namespace classicvision::CV_ISA
