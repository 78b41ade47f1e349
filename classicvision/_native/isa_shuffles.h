// Lanes that change places: pairs put together and taken apart, rows and columns exchanged.
#pragma once

#include "isa.h"

namespace classicvision::CV_ISA {

// The last two lanes in the place of the first two; what stands in the others does not matter.
CV_INLINE Quad high_half(Quad a) {
#if defined(CV_INTRINSICS)
    return (Quad)_mm_movehl_ps((__m128)a, (__m128)a);
#elif CV_VECTOR_TYPES && CV_HAS_SHUFFLE
    return __builtin_shufflevector(a, a, 2, 3, 2, 3);
#else
    a[0] = a[2], a[1] = a[3];
    return a;
#endif
}
CV_INLINE void store_low(float* to, Quad a) {  // the first two lanes
    std::memcpy(to, &a, 2 * sizeof(float));
}

// Write a[0], b[0], a[1], b[1] and so on: 2 LANES items.
CV_INLINE void store_pairs(float* to, Floats a, Floats b) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    _mm512_storeu_ps(to, _mm512_permutex2var_ps((__m512)a, low, (__m512)b));
    _mm512_storeu_ps(to + LANES, _mm512_permutex2var_ps((__m512)a, high, (__m512)b));
#elif defined(CV_INTRINSICS)
    const __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b), high = _mm256_unpackhi_ps((__m256)a, (__m256)b);
    _mm256_storeu_ps(to, _mm256_permute2f128_ps(low, high, 0x20));
    _mm256_storeu_ps(to + LANES, _mm256_permute2f128_ps(low, high, 0x31));
#elif CV_VECTOR_TYPES && CV_HAS_SHUFFLE
    store(to, __builtin_shufflevector(a, b, 0, 4, 1, 5));
    store(to + LANES, __builtin_shufflevector(a, b, 2, 6, 3, 7));
#else
    for (int i = 0; i < LANES; ++i) to[2 * i] = a[i], to[2 * i + 1] = b[i];
#endif
}

// Read a[0], b[0], a[1], b[1] and so on.
CV_INLINE void load_pairs(const float* from, Floats& a, Floats& b) {
    const Floats low = load(from), high = load(from + LANES);
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    a = (Floats)_mm512_permutex2var_ps((__m512)low, even, (__m512)high);
    b = (Floats)_mm512_permutex2var_ps((__m512)low, odd, (__m512)high);
#elif defined(CV_INTRINSICS)
    const __m256 first = _mm256_permute2f128_ps((__m256)low, (__m256)high, 0x20);
    const __m256 second = _mm256_permute2f128_ps((__m256)low, (__m256)high, 0x31);
    a = (Floats)_mm256_shuffle_ps(first, second, 0x88);
    b = (Floats)_mm256_shuffle_ps(first, second, 0xdd);
#elif CV_VECTOR_TYPES && CV_HAS_SHUFFLE
    a = __builtin_shufflevector(low, high, 0, 2, 4, 6);
    b = __builtin_shufflevector(low, high, 1, 3, 5, 7);
#else
    for (int i = 0; i < LANES; ++i) {
        a[i] = i < LANES / 2 ? low[2 * i] : high[2 * i - LANES];
        b[i] = i < LANES / 2 ? low[2 * i + 1] : high[2 * i + 1 - LANES];
    }
#endif
}

// Exchange rows and columns of LANES vectors.
CV_INLINE void transpose(Floats* tile) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
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
#elif defined(CV_INTRINSICS)
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
#elif CV_VECTOR_TYPES && CV_HAS_SHUFFLE
    const Floats a = __builtin_shufflevector(tile[0], tile[1], 0, 4, 1, 5);
    const Floats b = __builtin_shufflevector(tile[2], tile[3], 0, 4, 1, 5);
    const Floats c = __builtin_shufflevector(tile[0], tile[1], 2, 6, 3, 7);
    const Floats d = __builtin_shufflevector(tile[2], tile[3], 2, 6, 3, 7);
    tile[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    tile[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    tile[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    tile[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
#else
    for (int i = 0; i < LANES; ++i) {
        for (int k = i + 1; k < LANES; ++k) {
            const float value = tile[i][k];
            tile[i][k] = tile[k][i];
            tile[k][i] = value;
        }
    }
#endif
}

}  // namespace classicvision::CV_ISA
