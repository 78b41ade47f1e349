// What the lanes of a vector say together: their sum, the largest one, which of them keep to a limit.
#pragma once

#include <cstddef>

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

// The first n lanes to memory that has room for no more; all of them if there are fewer.
CV_INLINE void store_first(float* to, Floats values, std::size_t n) {
    if (n >= LANES) return store(to, values);
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), (__m512)values);
#else
    float lanes[LANES];
    store(lanes, values);
    std::memcpy(to, lanes, n * sizeof *lanes);
#endif
}

// One bit for each of the first n lanes, of all lanes if there are fewer.
CV_INLINE unsigned first_lanes(std::size_t n) {
    return n >= LANES ? (1u << LANES) - 1 : (1u << n) - 1;
}

// Write the lanes whose bits are set, one after another, and return how many; all LANES places may be written.
CV_INLINE std::size_t store_chosen(float* to, Floats values, unsigned mask) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    _mm512_storeu_ps(to, _mm512_maskz_compress_ps(static_cast<__mmask16>(mask), (__m512)values));
    return static_cast<std::size_t>(__builtin_popcount(mask));
#else
    std::size_t n = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        to[n] = values[lane];
        n += mask >> lane & 1;
    }
    return n;
#endif
}
CV_INLINE std::size_t store_chosen(std::int32_t* to, Ints values, unsigned mask) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), (__m512i)values));
    return static_cast<std::size_t>(__builtin_popcount(mask));
#else
    std::size_t n = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        to[n] = values[lane];
        n += mask >> lane & 1;
    }
    return n;
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

// The smallest lane, and the first that is as small.
CV_INLINE std::int32_t smallest_lane(Ints values, int* first) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    const std::int32_t smallest = _mm512_reduce_min_epi32((__m512i)values);
    *first = static_cast<int>(lowest_bit(_mm512_cmpeq_epi32_mask((__m512i)values, _mm512_set1_epi32(smallest))));
    return smallest;
#else
    *first = 0;
    for (int lane = 1; lane < LANES; ++lane) *first = values[lane] < values[*first] ? lane : *first;
    return values[*first];
#endif
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

CV_INLINE std::int32_t sum_of_lanes(Ints values) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return _mm512_reduce_add_epi32((__m512i)values);
#else
    std::int32_t sum = 0;
    for (int lane = 0; lane < LANES; ++lane) sum += values[lane];
    return sum;
#endif
}

// The sums of the lanes of four vectors, to memory.
CV_INLINE void store_sums_of_lanes(float* to, const Floats (&vectors)[4]) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    __m512 pairs[2];
    for (int i = 0; i < 2; ++i) {
        const __m512 a = (__m512)vectors[2 * i], b = (__m512)vectors[2 * i + 1];
        pairs[i] = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    }
    const __m512d a = _mm512_castps_pd(pairs[0]), b = _mm512_castps_pd(pairs[1]);
    const __m512 fours = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                                       _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    const __m256 halves = _mm256_add_ps(_mm512_castps512_ps256(fours),
                                        _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(fours), 1)));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps(halves, 1)));
#else
    for (int i = 0; i < 4; ++i) to[i] = sum_of_lanes(vectors[i]);
#endif
}

// Lanes from memory that holds only n of them; the others are zero.
CV_INLINE Floats load_first(const float* from, std::size_t n) {
    if (n >= LANES) return load(from);
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    return (Floats)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), from);
#else
    float lanes[LANES] = {};
    std::memcpy(lanes, from, n * sizeof *lanes);
    return load(lanes);
#endif
}

}  // namespace
}  // namespace classicvision::CV_ISA
