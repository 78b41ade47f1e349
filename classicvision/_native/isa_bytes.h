// Products of bytes, four in each lane of `Ints`: one instruction multiplies and adds them all where there is such a one.
#pragma once

#include "isa_shorts.h"
#include "isa_whole.h"

namespace classicvision::CV_ISA {

// The largest factor. Without VNNI two products are added in 16 bits, which hold 2 * 255 * 64.
#if defined(__AVX512VNNI__)
constexpr int MOST_FACTOR = 127;
#else
constexpr int MOST_FACTOR = 64;
#endif

// The bytes of the even and of the odd places, as shorts.
CV_INLINE Ints even_bytes(Ints levels) { return levels & spread_as<Ints>(0x00ff00ff); }
CV_INLINE Ints odd_bytes(Ints levels) { return shifted_down(levels, 8) & spread_as<Ints>(0x00ff00ff); }
CV_INLINE Ints even_signed_bytes(Ints factors) {
#if CV_VECTOR_TYPES
    return (Ints)((Shorts)((Shorts)factors << 8) >> 8);
#else
    for (std::int32_t& lane : factors.lane) {
        const auto low = static_cast<std::int8_t>(lane & 0xff), high = static_cast<std::int8_t>(lane >> 16 & 0xff);
        lane = static_cast<std::int32_t>(static_cast<std::uint32_t>(high) << 16 | static_cast<std::uint16_t>(low));
    }
    return factors;
#endif
}
CV_INLINE Ints odd_signed_bytes(Ints factors) { return even_signed_bytes(shifted_down(factors, 8)); }

// The low halves of LANES integers.
CV_INLINE void store_shorts(std::uint16_t* to, Ints values) {
#if CV_VECTOR_TYPES
    store(to, __builtin_convertvector(values, HalfShorts));
#else
    for (int lane = 0; lane < LANES; ++lane) to[lane] = static_cast<std::uint16_t>(values[lane]);
#endif
}

// sums + the products of four signed factors, none larger than MOST_FACTOR, with four bytes, lane by lane.
CV_INLINE Ints add_quads(Ints sums, Ints factors, Ints bytes) {
#if defined(__AVX512VNNI__) && defined(CV_INTRINSICS) && defined(__GNUC__)
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(bytes), "v"(factors));  // GCC 12 copies the sums for the intrinsic
    return sums;
#elif defined(CV_INTRINSICS) && defined(__AVX2__) && !defined(__AVX512F__)
    const __m256i pairs = _mm256_maddubs_epi16((__m256i)bytes, (__m256i)factors);
    return kept_apart(sums + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#else
    const Ints even = pair_product(sums, even_signed_bytes(factors), even_bytes(bytes));
    return pair_product(even, odd_signed_bytes(factors), odd_bytes(bytes));
#endif
}

// The sum of n bytes, not more than 2^22.
CV_INLINE std::int32_t sum_of_bytes(const std::uint8_t* bytes, std::size_t n) {
    std::int32_t total = 0;
    Ints sums = spread_as<Ints>(0);
    std::size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) sums = add_quads(sums, spread_as<Ints>(0x01010101), load<Ints>(bytes + i));
    for (; i < n; ++i) total += bytes[i];
    return total + sum_of_lanes(sums);
}

}  // namespace classicvision::CV_ISA
