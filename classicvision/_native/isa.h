// Vectors of the width that the instruction set has, and the functions on them that kernels are written with.
//
// `Floats` holds LANES float32 and has + - * / and comparisons, lane by lane. One source then serves 128, 256 and 512
// bits. Sums of products are fused only where `fused` says so (the build sets -ffp-contract=off), so each kernel
// decides whether its results may differ in the last bit between instruction sets.
//
// Each target has one file, and all files have the same functions. This is the only place where one is chosen.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "compiler.h"

#ifndef CV_ISA
#error "compile kernel files once per instruction set, with CV_ISA=portable, v3 or v4"
#endif

#if !CV_VECTOR_TYPES
#include "isa_arrays.h"
#elif defined(__AVX512VNNI__)
#include "isa_avx512.h"
#elif defined(__AVX2__)
#include "isa_avx2.h"
#else
#include "isa_plain.h"
#endif

namespace classicvision::CV_ISA {

constexpr int SHORT_LANES = 2 * LANES;
constexpr unsigned EVERY_LANE = (1u << LANES) - 1;

// LANES samples of either kind as floats.
CV_INLINE Floats load_difference(const float* a, const float* b) { return load(a) - load(b); }
CV_INLINE Floats load_difference(const std::int16_t* a, const std::int16_t* b) {
    return to_floats(static_cast<HalfShorts>(load<HalfShorts>(a) - load<HalfShorts>(b)));
}

// Write the first two lanes.
CV_INLINE void store_low(float* to, Quad a) { std::memcpy(to, &a, 2 * sizeof(float)); }

// One bit for each of the first n lanes; all lanes if there are fewer.
CV_INLINE unsigned first_lanes(std::size_t n) { return n >= LANES ? EVERY_LANE : (1u << n) - 1; }

// The sum of n bytes, at most 2^22.
CV_INLINE std::int32_t sum_of_bytes(const std::uint8_t* bytes, std::size_t n) {
    std::int32_t total = 0;
    Ints sums = spread_as<Ints>(0);
    std::size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        sums = add_quads(sums, spread_as<Ints>(0x01010101), load<Ints>(bytes + i));
    for (; i < n; ++i) total += bytes[i];
    return total + sum_of_lanes(sums);
}

}  // namespace classicvision::CV_ISA
