// Vectors of the width that the instruction set at hand has, for kernel files.
//
// `Floats` holds LANES float32 and has + - * and comparisons, lane by lane. One source then serves 128, 256 and 512 bits.
// Sums of products are fused only where `fused` says so (the build sets -ffp-contract=off), so each kernel decides
// itself whether its results may differ in the last bit between instruction sets.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifndef CV_ISA
#error "compile kernel files once for each instruction set, with CV_ISA=portable, v3 or v4"
#endif

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CV_INLINE inline __attribute__((always_inline))
#define CV_PREFETCH(address) __builtin_prefetch(address)
#elif defined(_MSC_VER)
#define CV_INLINE __forceinline
#define CV_PREFETCH(address) ((void)0)
#else
#define CV_INLINE inline
#define CV_PREFETCH(address) ((void)0)
#endif

namespace classicvision::CV_ISA {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

#if defined(__GNUC__) || defined(__clang__)

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef std::int32_t Ints __attribute__((vector_size(4 * LANES)));  // also the masks that comparisons give: 0 or -1

CV_INLINE Floats spread(float value) { return Floats{} + value; }
CV_INLINE Floats to_floats(Ints values) { return __builtin_convertvector(values, Floats); }
CV_INLINE Ints to_ints(Floats values) { return __builtin_convertvector(values, Ints); }  // towards zero
CV_INLINE Floats choose(Ints mask, Floats yes, Floats no) { return mask ? yes : no; }
CV_INLINE Floats larger(Floats a, Floats b) { return a > b ? a : b; }
CV_INLINE Floats smaller(Floats a, Floats b) { return a < b ? a : b; }

#else

template <typename T>
struct Lanes {
    T lane[LANES];
    T operator[](int i) const { return lane[i]; }
    T& operator[](int i) { return lane[i]; }
};
typedef Lanes<float> Floats;
typedef Lanes<std::int32_t> Ints;

template <typename T, typename A, typename F>
CV_INLINE Lanes<T> each(A a, A b, F f) {
    Lanes<T> result;
    for (int i = 0; i < LANES; ++i) result.lane[i] = f(a.lane[i], b.lane[i]);
    return result;
}

#define CV_OPERATOR(result, type, scalar, sign) \
    CV_INLINE result operator sign(type a, type b) { \
        return each<decltype(result{}.lane[0] + 0)>(a, b, [](scalar x, scalar y) { return x sign y; }); \
    }
CV_OPERATOR(Floats, Floats, float, +)
CV_OPERATOR(Floats, Floats, float, -)
CV_OPERATOR(Floats, Floats, float, *)
CV_OPERATOR(Floats, Floats, float, /)
CV_OPERATOR(Ints, Ints, std::int32_t, +)
CV_OPERATOR(Ints, Ints, std::int32_t, &)
CV_OPERATOR(Ints, Ints, std::int32_t, |)
#undef CV_OPERATOR
#define CV_COMPARISON(sign) \
    CV_INLINE Ints operator sign(Floats a, Floats b) { \
        return each<std::int32_t>(a, b, [](float x, float y) { return x sign y ? -1 : 0; }); \
    }
CV_COMPARISON(>)
CV_COMPARISON(<)
CV_COMPARISON(>=)
CV_COMPARISON(<=)
CV_COMPARISON(==)
#undef CV_COMPARISON

CV_INLINE Floats spread(float value) {
    Floats result;
    for (float& lane : result.lane) lane = value;
    return result;
}
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
    Floats result;
    for (int i = 0; i < LANES; ++i) result.lane[i] = mask.lane[i] ? yes.lane[i] : no.lane[i];
    return result;
}
CV_INLINE Floats larger(Floats a, Floats b) { return choose(a > b, a, b); }
CV_INLINE Floats smaller(Floats a, Floats b) { return choose(a < b, a, b); }

#endif

CV_INLINE Floats load(const float* from) {
    Floats values;
    std::memcpy(&values, from, sizeof values);
    return values;
}
CV_INLINE void store(float* to, Floats values) { std::memcpy(to, &values, sizeof values); }

// a * b + c, rounded once where the instruction set can.
CV_INLINE Floats fused(Floats a, Floats b, Floats c) {
#if (defined(__GNUC__) || defined(__clang__)) && defined(__AVX512F__)
    return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif (defined(__GNUC__) || defined(__clang__)) && defined(__AVX2__)
    return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

}  // namespace classicvision::CV_ISA
