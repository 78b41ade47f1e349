// AVX2 with FMA (`v3`): 8 lanes, 16 registers, products of bytes by pairs in 16 bits.
#pragma once

#include <immintrin.h>

namespace classicvision::CV_ISA {

constexpr int LANES = 8;
constexpr int REGISTERS = 16;  // vectors
// Bytes up to this one, times factors from -127 to 127, are added exactly by `add_quads`; 0 where floats are faster.
constexpr int LARGEST_BYTE = 127;   // two products are added in 16 bits, which hold 2 * 127 * 127
constexpr int LARGEST_FACTOR = 64;  // of any byte: 16 bits hold 2 * 255 * 64

}  // namespace classicvision::CV_ISA

#include "isa_vectors.h"

#include "isa_loops.h"

namespace classicvision::CV_ISA {

// GCC 12 would take the products of an unrolled loop first and add them later, from memory.
#if CV_GCC_12
CV_INLINE Ints kept_apart(Ints sum) {
    asm("" : "+x"(sum));
    return sum;
}
#else
CV_INLINE Ints kept_apart(Ints sum) { return sum; }
#endif

// Arithmetic, lane by lane.

CV_INLINE Floats larger(Floats a, Floats b) { return (Floats)_mm256_max_ps((__m256)a, (__m256)b); }
CV_INLINE Floats smaller(Floats a, Floats b) { return (Floats)_mm256_min_ps((__m256)a, (__m256)b); }
CV_INLINE Ints larger(Ints a, Ints b) { return (Ints)_mm256_max_epi32((__m256i)a, (__m256i)b); }
CV_INLINE Ints smaller(Ints a, Ints b) { return (Ints)_mm256_min_epi32((__m256i)a, (__m256i)b); }
CV_INLINE Shorts larger(Shorts a, Shorts b) { return (Shorts)_mm256_max_epi16((__m256i)a, (__m256i)b); }
CV_INLINE Shorts smaller(Shorts a, Shorts b) { return (Shorts)_mm256_min_epi16((__m256i)a, (__m256i)b); }
CV_INLINE Floats magnitude(Floats a) { return larger(a, spread(0.0f) - a); }
CV_INLINE Floats root(Floats a) { return (Floats)_mm256_sqrt_ps((__m256)a); }

// a * b + c, rounded once where the instruction set can.
CV_INLINE Floats fused(Floats a, Floats b, Floats c) {
    return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
CV_INLINE Quad fused(Quad a, Quad b, Quad c) { return (Quad)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c); }

CV_INLINE Floats reciprocal_root(Floats a) {  // to 1e-4 at least
    const Floats r = (Floats)_mm256_rsqrt_ps((__m256)a);
    return r * fused(a * r, r * spread(-0.5f), spread(1.5f));
}

// The nearest whole number, the even one of two, of a value from -2^22 to 2^22.
CV_INLINE Ints rounded_level(Floats values) { return (Ints)_mm256_cvtps_epi32((__m256)values); }
CV_INLINE Floats to_floats(HalfShorts values) {
    return (Floats)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32((__m128i)values));
}

// Products of integers, exact. A lane of `Ints` holds two shorts, of an even and of the odd place after it, or four
// bytes.

// The even places of one vector and the odd ones of another.
CV_INLINE Ints joined(Ints even, Ints odd) { return (Ints)_mm256_blend_epi16((__m256i)even, (__m256i)odd, 0xaa); }

// sum + a.even * b.even + a.odd * b.odd.
CV_INLINE Ints pair_product(Ints sum, Ints a, Ints b) {
    return kept_apart(sum + (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b));
}

// As `pair_product`, and sums + the products of four signed factors with four bytes: for many sums held in registers.
CV_INLINE Ints add_pairs(Ints sum, Ints a, Ints b) { return pair_product(sum, a, b); }
CV_INLINE Ints add_quads(Ints sums, Ints factors, Ints bytes) {
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)bytes, (__m256i)factors);
    return kept_apart(sums + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// Masks: one bit per lane.

CV_INLINE unsigned equal_lanes(Floats a, Floats b, Floats c) {  // in which a equals b or c
    return _mm256_movemask_ps(
        _mm256_or_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_EQ_OQ), _mm256_cmp_ps((__m256)a, (__m256)c, _CMP_EQ_OQ)));
}
CV_INLINE unsigned equal_lanes(Shorts a, Shorts b, Shorts c) {
    const __m256i equal =
        _mm256_or_si256(_mm256_cmpeq_epi16((__m256i)a, (__m256i)b), _mm256_cmpeq_epi16((__m256i)a, (__m256i)c));
    if (!_mm256_movemask_epi8(equal)) return 0;
    unsigned bits = 0;
    for (int i = 0; i < 2 * LANES; ++i) bits |= a[i] == b[i] || a[i] == c[i] ? 1u << i : 0u;
    return bits;
}
CV_INLINE unsigned at_most(Floats values, Floats limit) {
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps((__m256)values, (__m256)limit, _CMP_LE_OQ)));
}
CV_INLINE int count_bits(std::uint64_t bits) { return __builtin_popcountll(bits); }

// Loads and stores.

CV_INLINE Ints load_bytes(const std::uint8_t* from) {
    return (Ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}

// Vector number k of blocks of eight numbers that start `pitch` numbers apart.
CV_INLINE Floats load_octets(const float* from, std::size_t pitch, int k) { return load(from + k * pitch); }

// Write four vectors as bytes: rounded to the nearest, and at most 255.
CV_INLINE void store_rounded(std::uint8_t* to, const Floats (&values)[4]) {
    // Packing works within each 128 bits; `order` puts the fours of bytes where they belong.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i whole[4];
    for (int i = 0; i < 4; ++i) whole[i] = _mm256_cvtps_epi32((__m256)values[i]);
    const __m256i low = _mm256_packs_epi32(whole[0], whole[1]), high = _mm256_packs_epi32(whole[2], whole[3]);
    _mm256_storeu_si256((__m256i*)to, _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order));
}

// Lanes that change places.

// The last two lanes in place of the first two; the others may hold anything.
CV_INLINE Quad high_half(Quad a) { return (Quad)_mm_movehl_ps((__m128)a, (__m128)a); }

// Write a[0], b[0], a[1], b[1] and so on: 2 LANES items.
CV_INLINE void store_pairs(float* to, Floats a, Floats b) {
    const __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b), high = _mm256_unpackhi_ps((__m256)a, (__m256)b);
    _mm256_storeu_ps(to, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_storeu_ps(to + LANES, _mm256_permute2f128_ps(low, high, 0x31));
}

// Read a[0], b[0], a[1], b[1] and so on.
CV_INLINE void load_pairs(const float* from, Floats& a, Floats& b) {
    const Floats low = load(from), high = load(from + LANES);
    const __m256 first = _mm256_permute2f128_ps((__m256)low, (__m256)high, 0x20);
    const __m256 second = _mm256_permute2f128_ps((__m256)low, (__m256)high, 0x31);
    a = (Floats)_mm256_shuffle_ps(first, second, 0x88);
    b = (Floats)_mm256_shuffle_ps(first, second, 0xdd);
}

// Exchange rows and columns of LANES vectors.
CV_INLINE void transpose(Floats* tile) {
    __m256 a[8], b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps((__m256)tile[i], (__m256)tile[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps((__m256)tile[i], (__m256)tile[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
        for (int k = 0; k < 2; ++k) {
            const __m256d low = _mm256_castps_pd(a[i + k]), high = _mm256_castps_pd(a[i + k + 2]);
            b[i + 2 * k] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
            b[i + 2 * k + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
        tile[k] = (Floats)_mm256_permute2f128_ps(b[k], b[k + 4], 0x20);
        tile[k + 4] = (Floats)_mm256_permute2f128_ps(b[k], b[k + 4], 0x31);
    }
}

// Write eight vectors lane by lane: to[i * 8 + d] = vectors[d][i].
CV_INLINE void store_columns(const Counts* vectors, std::uint32_t* to) {
    Floats tile[LANES];
    std::memcpy(tile, vectors, sizeof tile);
    transpose(tile);
    for (int i = 0; i < LANES; ++i) store(to + i * 8, tile[i]);
}

}  // namespace classicvision::CV_ISA
