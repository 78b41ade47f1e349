// Any processor, by GCC or Clang (`portable`): 4 lanes. On x86-64 that is SSE2, on AArch64 NEON.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace classicvision::CV_ISA {

constexpr int LANES = 4;
constexpr int REGISTERS = 16;  // vectors
// Bytes up to this one, times factors from -127 to 127, are added exactly by `add_quads`; 0 where floats are faster.
constexpr int LARGEST_BYTE = 0;
constexpr int LARGEST_FACTOR = 64;  // of any byte: as with AVX2

}  // namespace classicvision::CV_ISA

#include "isa_vectors.h"

#include "isa_loops.h"

// The two compilers' names for one operation.
#if defined(__clang__)
#define CV_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define CV_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, Ints{__VA_ARGS__})
#endif

namespace classicvision::CV_ISA {

// Arithmetic, lane by lane.

CV_INLINE Floats larger(Floats a, Floats b) { return choose(a > b, a, b); }
CV_INLINE Floats smaller(Floats a, Floats b) { return choose(a < b, a, b); }
CV_INLINE Ints larger(Ints a, Ints b) { return a > b ? a : b; }
CV_INLINE Ints smaller(Ints a, Ints b) { return a < b ? a : b; }
CV_INLINE Shorts larger(Shorts a, Shorts b) { return a > b ? a : b; }
CV_INLINE Shorts smaller(Shorts a, Shorts b) { return a < b ? a : b; }
CV_INLINE Floats magnitude(Floats a) { return larger(a, spread(0.0f) - a); }
CV_INLINE Floats root(Floats a) {
    for (int i = 0; i < LANES; ++i) a[i] = std::sqrt(a[i]);
    return a;
}
CV_INLINE Floats reciprocal_root(Floats a) { return spread(1.0f) / root(a); }

// a * b + c, rounded once where the instruction set can: here never, so that all processors give the same bits.
CV_INLINE Floats fused(Floats a, Floats b, Floats c) { return a * b + c; }
CV_INLINE Octet fused(Octet a, Octet b, Octet c) { return a * b + c; }

// The nearest whole number, the even one of two, of a value from -2^22 to 2^22: adding 1.5 * 2^23 leaves float32 no
// digits behind the point.
CV_INLINE Ints rounded_level(Floats values) { return to_ints((values + spread(0x1.8p23f)) - spread(0x1.8p23f)); }
CV_INLINE Floats to_floats(HalfShorts values) {  // the compiler would widen lane by lane
    Floats result;
    for (int i = 0; i < LANES; ++i) result[i] = static_cast<float>(values[i]);
    return result;
}

// Products of integers, exact. A lane of `Ints` holds two shorts, of an even and of the odd place after it, or four
// bytes.

// The even places of one vector and the odd ones of another.
CV_INLINE Ints joined(Ints even, Ints odd) {
    return (even & spread_as<Ints>(0xffff)) | (odd & spread_as<Ints>(-0x10000));
}

// sum + a.even * b.even + a.odd * b.odd; and whether any lane of a mask is set.
#if defined(__SSE2__)
CV_INLINE Ints pair_product(Ints sum, Ints a, Ints b) {
    sum = sum + (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#if CV_GCC_12  // would take the products of an unrolled loop first and add them later, from memory
    asm("" : "+x"(sum));
#endif
    return sum;
}
CV_INLINE bool has_any(Shorts mask) { return _mm_movemask_epi8((__m128i)mask) != 0; }
#else
CV_INLINE Ints pair_product(Ints sum, Ints a, Ints b) {
    const Ints even = shifted_down(shifted_up(a, 16), 16) * shifted_down(shifted_up(b, 16), 16);
    return sum + even + shifted_down(a, 16) * shifted_down(b, 16);
}
CV_INLINE bool has_any(Shorts) { return true; }
#endif

// As `pair_product`, and sums + the products of four signed factors with four bytes: for many sums held in registers.
CV_INLINE Ints add_pairs(Ints sum, Ints a, Ints b) { return pair_product(sum, a, b); }
CV_INLINE Ints add_quads(Ints sums, Ints factors, Ints bytes) {
    const Ints bytes_of_pairs = spread_as<Ints>(0x00ff00ff);
    const Ints even = (Ints)((Shorts)((Shorts)factors << 8) >> 8), odd = (Ints)((Shorts)factors >> 8);
    sums = pair_product(sums, even, bytes & bytes_of_pairs);
    return pair_product(sums, odd, shifted_down(bytes, 8) & bytes_of_pairs);
}

// Masks: one bit per lane.

CV_INLINE unsigned equal_lanes(Floats a, Floats b, Floats c) {  // in which a equals b or c
    const Ints mask = (a == b) | (a == c);
    std::int32_t found = 0;
    for (int i = 0; i < LANES; ++i) found |= mask[i];
    if (!found) return 0;
    unsigned bits = 0;
    for (int i = 0; i < LANES; ++i) bits |= mask[i] ? 1u << i : 0u;
    return bits;
}
CV_INLINE unsigned equal_lanes(Shorts a, Shorts b, Shorts c) {
    if (!has_any((a == b) | (a == c))) return 0;
    unsigned bits = 0;
    for (int i = 0; i < 2 * LANES; ++i) bits |= a[i] == b[i] || a[i] == c[i] ? 1u << i : 0u;
    return bits;
}
CV_INLINE unsigned at_most(Floats values, Floats limit) {
    unsigned mask = 0;
    for (int lane = 0; lane < LANES; ++lane) mask |= static_cast<unsigned>(values[lane] <= limit[lane]) << lane;
    return mask;
}
CV_INLINE int count_bits(std::uint64_t bits) {
    // Sums of 2, 4 and 8 bits next to each other, and the bytes added by a product (Warren 2012, section 5-1).
    bits -= (bits >> 1) & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + ((bits >> 2) & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return static_cast<int>((bits * 0x0101010101010101u) >> 56);
}

// Loads and stores.

CV_INLINE Ints load_bytes(const std::uint8_t* from) {
    Ints values;
    for (int i = 0; i < LANES; ++i) values[i] = from[i];
    return values;
}

// Vector number k of blocks of eight numbers that start `pitch` numbers apart.
CV_INLINE Floats load_octets(const float* from, std::size_t pitch, int k) {
    return load(from + k / 2 * pitch + k % 2 * LANES);
}

// Write four vectors as bytes: rounded to the nearest, and at most 255.
CV_INLINE void store_rounded(std::uint8_t* to, const Floats (&values)[4]) {
    for (int k = 0; k < 4; ++k) {
        const Ints whole = to_ints(smaller(values[k] + spread(0.5f), spread(255.0f)));
        for (int i = 0; i < LANES; ++i) to[k * LANES + i] = static_cast<std::uint8_t>(whole[i]);
    }
}

// Lanes that change places.

// The last two lanes in place of the first two; the others may hold anything.
CV_INLINE Quad high_half(Quad a) { return CV_SHUFFLE(a, a, 2, 3, 2, 3); }

// Write a[0], b[0], a[1], b[1] and so on: 2 LANES items.
CV_INLINE void store_pairs(float* to, Floats a, Floats b) {
    store(to, CV_SHUFFLE(a, b, 0, 4, 1, 5));
    store(to + LANES, CV_SHUFFLE(a, b, 2, 6, 3, 7));
}

// Read a[0], b[0], a[1], b[1] and so on.
CV_INLINE void load_pairs(const float* from, Floats& a, Floats& b) {
    const Floats low = load(from), high = load(from + LANES);
    a = CV_SHUFFLE(low, high, 0, 2, 4, 6);
    b = CV_SHUFFLE(low, high, 1, 3, 5, 7);
}

// Exchange rows and columns of LANES vectors.
CV_INLINE void transpose(Floats* tile) {
    const Floats a = CV_SHUFFLE(tile[0], tile[1], 0, 4, 1, 5), b = CV_SHUFFLE(tile[2], tile[3], 0, 4, 1, 5);
    const Floats c = CV_SHUFFLE(tile[0], tile[1], 2, 6, 3, 7), d = CV_SHUFFLE(tile[2], tile[3], 2, 6, 3, 7);
    tile[0] = CV_SHUFFLE(a, b, 0, 1, 4, 5);
    tile[1] = CV_SHUFFLE(a, b, 2, 3, 6, 7);
    tile[2] = CV_SHUFFLE(c, d, 0, 1, 4, 5);
    tile[3] = CV_SHUFFLE(c, d, 2, 3, 6, 7);
}

// Write eight vectors lane by lane: to[i * 8 + d] = vectors[d][i].
CV_INLINE void store_columns(const Counts* vectors, std::uint32_t* to) {
    for (int d = 0; d < 8; d += LANES) {
        Floats tile[LANES];
        std::memcpy(tile, vectors + d, sizeof tile);
        transpose(tile);
        for (int i = 0; i < LANES; ++i) store(to + i * 8 + d, tile[i]);
    }
}

}  // namespace classicvision::CV_ISA

#undef CV_SHUFFLE
