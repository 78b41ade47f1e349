// Vectors of the width that the instruction set at hand has, for kernel files.
//
// `Floats` holds LANES float32 and has + - * / and comparisons, lane by lane. One source then serves 128, 256 and 512
// bits. Sums of products are fused only where `fused` says so (the build sets -ffp-contract=off), so each kernel
// decides itself whether its results may differ in the last bit between instruction sets.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifndef CV_ISA
#error "compile kernel files once for each instruction set, with CV_ISA=portable, v3 or v4"
#endif

// Whether the compiler has vectors as types (GCC, Clang). CV_PLAIN_LANES does without, to test what others compile.
#if (defined(__GNUC__) || defined(__clang__)) && !defined(CV_PLAIN_LANES)
#define CV_VECTOR_TYPES 1
#else
#define CV_VECTOR_TYPES 0
#endif

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define CV_HAS_SHUFFLE 1
#endif
#endif
#ifndef CV_HAS_SHUFFLE
#define CV_HAS_SHUFFLE 0
#endif

#if defined(__AVX2__)
#include <immintrin.h>
#if CV_VECTOR_TYPES
#define CV_INTRINSICS  // vectors of the compiler and of the processor are one type
#endif
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CV_INLINE inline __attribute__((always_inline))
#define CV_RESTRICT __restrict__
#define CV_STEP __attribute__((noinline))  // a step that a profile shall name
#elif defined(_MSC_VER)
#define CV_INLINE __forceinline
#define CV_RESTRICT __restrict
#define CV_STEP
#else
#define CV_INLINE inline
#define CV_RESTRICT
#define CV_STEP
#endif

namespace classicvision::CV_ISA {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

#if CV_VECTOR_TYPES

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef std::int32_t Ints __attribute__((vector_size(4 * LANES)));  // also the masks that comparisons give: 0 or -1
typedef float Quad __attribute__((vector_size(16)));
typedef float Octet __attribute__((vector_size(32)));

CV_INLINE Floats to_floats(Ints values) { return __builtin_convertvector(values, Floats); }
CV_INLINE Ints to_ints(Floats values) { return __builtin_convertvector(values, Ints); }  // towards zero
CV_INLINE Floats choose(Ints mask, Floats yes, Floats no) { return mask ? yes : no; }

#else

template <typename T, int N>
struct Lanes {
    T lane[N];
    T operator[](int i) const { return lane[i]; }
    T& operator[](int i) { return lane[i]; }
};
typedef Lanes<float, LANES> Floats;
typedef Lanes<std::int32_t, LANES> Ints;
typedef Lanes<float, 4> Quad;
typedef Lanes<float, 8> Octet;

#define CV_OPERATOR(sign) \
    template <typename T, int N> \
    CV_INLINE Lanes<T, N> operator sign(Lanes<T, N> a, Lanes<T, N> b) { \
        for (int i = 0; i < N; ++i) a.lane[i] = a.lane[i] sign b.lane[i]; \
        return a; \
    }
CV_OPERATOR(+)
CV_OPERATOR(-)
CV_OPERATOR(*)
CV_OPERATOR(/)
CV_OPERATOR(&)
CV_OPERATOR(|)
#undef CV_OPERATOR
template <typename T, int N>
CV_INLINE Lanes<T, N> operator~(Lanes<T, N> a) {
    for (T& lane : a.lane) lane = ~lane;
    return a;
}
#define CV_COMPARISON(sign) \
    CV_INLINE Ints operator sign(Floats a, Floats b) { \
        Ints mask; \
        for (int i = 0; i < LANES; ++i) mask.lane[i] = a.lane[i] sign b.lane[i] ? -1 : 0; \
        return mask; \
    }
CV_COMPARISON(>)
CV_COMPARISON(<)
CV_COMPARISON(>=)
CV_COMPARISON(<=)
CV_COMPARISON(==)
#undef CV_COMPARISON

CV_INLINE Floats to_floats(Ints values) {
    Floats result;
    for (int i = 0; i < LANES; ++i) result.lane[i] = static_cast<float>(values.lane[i]);
    return result;
}
CV_INLINE Ints to_ints(Floats values) {
    Ints result;
    for (int i = 0; i < LANES; ++i) result.lane[i] = static_cast<std::int32_t>(values.lane[i]);
    return result;
}
CV_INLINE Floats choose(Ints mask, Floats yes, Floats no) {
    for (int i = 0; i < LANES; ++i) no.lane[i] = mask.lane[i] ? yes.lane[i] : no.lane[i];
    return no;
}

#endif

// A vector of one value in all lanes.
template <typename V, typename T>
CV_INLINE V spread_as(T value) {
#if CV_VECTOR_TYPES
    return value - V{};
#else
    V values;
    for (T& lane : values.lane) lane = value;
    return values;
#endif
}
CV_INLINE Floats spread(float value) { return spread_as<Floats>(value); }

template <typename V = Floats, typename T = float>
CV_INLINE V load(const T* from) {
    V values;
    std::memcpy(&values, from, sizeof values);
    return values;
}
template <typename V, typename T>
CV_INLINE void store(T* to, V values) {
    std::memcpy(to, &values, sizeof values);
}

CV_INLINE Floats larger(Floats a, Floats b) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(CV_INTRINSICS)
    return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return choose(a > b, a, b);
#endif
}
CV_INLINE Floats smaller(Floats a, Floats b) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Floats)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(CV_INTRINSICS)
    return (Floats)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return choose(a < b, a, b);
#endif
}
CV_INLINE Floats magnitude(Floats a) { return larger(a, spread(0.0f) - a); }

CV_INLINE Floats root(Floats a) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Floats)_mm512_sqrt_ps((__m512)a);
#elif defined(CV_INTRINSICS) && defined(__AVX2__)
    return (Floats)_mm256_sqrt_ps((__m256)a);
#else
    for (int i = 0; i < LANES; ++i) a[i] = std::sqrt(a[i]);
    return a;
#endif
}

// One bit for each lane in which a equals b or c.
CV_INLINE unsigned equal_lanes(Floats a, Floats b, Floats c) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return _mm512_cmpeq_ps_mask((__m512)a, (__m512)b) | _mm512_cmpeq_ps_mask((__m512)a, (__m512)c);
#elif defined(CV_INTRINSICS)
    return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_EQ_OQ),
                                           _mm256_cmp_ps((__m256)a, (__m256)c, _CMP_EQ_OQ)));
#else
    const Ints mask = (a == b) | (a == c);
    std::int32_t found = 0;
    for (int i = 0; i < LANES; ++i) found |= mask[i];
    if (!found) return 0;
    unsigned bits = 0;
    for (int i = 0; i < LANES; ++i) bits |= mask[i] ? 1u << i : 0u;
    return bits;
#endif
}

// a * b + c, rounded once where the instruction set can.
CV_INLINE Floats fused(Floats a, Floats b, Floats c) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(CV_INTRINSICS) && defined(__AVX2__)
    return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
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
