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
#define CV_PREFETCH(address) __builtin_prefetch(address)
#elif defined(_MSC_VER)
#define CV_INLINE __forceinline
#define CV_RESTRICT __restrict
#define CV_STEP
#else
#define CV_INLINE inline
#define CV_RESTRICT
#define CV_STEP
#endif
#ifndef CV_PREFETCH
#define CV_PREFETCH(address) static_cast<void>(address)
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
CV_INLINE Ints larger(Ints a, Ints b) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Ints)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif defined(CV_INTRINSICS)
    return (Ints)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    for (int i = 0; i < LANES; ++i) a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
#endif
}
CV_INLINE Ints smaller(Ints a, Ints b) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Ints)_mm512_min_epi32((__m512i)a, (__m512i)b);
#elif defined(CV_INTRINSICS)
    return (Ints)_mm256_min_epi32((__m256i)a, (__m256i)b);
#else
    for (int i = 0; i < LANES; ++i) a[i] = a[i] < b[i] ? a[i] : b[i];
    return a;
#endif
}
CV_INLINE Floats magnitude(Floats a) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Floats)_mm512_abs_ps((__m512)a);
#else
    return larger(a, spread(0.0f) - a);
#endif
}

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

// The same for the narrower vectors; where `Floats` is one of them it is there already.
#if defined(__AVX2__)
CV_INLINE Quad fused(Quad a, Quad b, Quad c) {
#if defined(CV_INTRINSICS)
    return (Quad)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#else
    return a * b + c;
#endif
}
#endif
#if defined(__AVX512F__) || !defined(__AVX2__)
CV_INLINE Octet fused(Octet a, Octet b, Octet c) {
#if defined(CV_INTRINSICS)
    return (Octet)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}
#endif

}  // namespace classicvision::CV_ISA
