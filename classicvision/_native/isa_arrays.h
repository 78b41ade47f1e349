// For compilers without vectors as types (MSVC): arrays of lanes, which they may vectorise or not. The width is still
// that of the instruction set, so that tables have the same layout.
#pragma once

#include <type_traits>

namespace classicvision::CV_ISA {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif
constexpr int REGISTERS = 16;       // vectors
constexpr int LARGEST_BYTE = 0;     // no products of bytes: floats are faster
constexpr int LARGEST_FACTOR = 64;  // of any byte: as with AVX2

template <typename T, int N>
struct Lanes {
    T lane[N];
    T operator[](int i) const { return lane[i]; }
    T& operator[](int i) { return lane[i]; }
};
typedef Lanes<float, LANES> Floats;
typedef Lanes<std::int32_t, LANES> Ints;     // also the masks of comparisons: 0 or -1
typedef Lanes<std::uint32_t, LANES> Counts;  // modulo 2^32
typedef Lanes<std::int16_t, 2 * LANES> Shorts;
typedef Lanes<std::int16_t, LANES> HalfShorts;
typedef Lanes<float, 4> Quad;
typedef Lanes<float, 8> Octet;
typedef Lanes<std::uint32_t, 8> OctetCounts;

#define CV_OPERATOR(sign) \
    template <typename T, int N> \
    CV_INLINE Lanes<T, N> operator sign(Lanes<T, N> a, Lanes<T, N> b) { \
        for (int i = 0; i < N; ++i) a.lane[i] = static_cast<T>(a.lane[i] sign b.lane[i]); \
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

// A vector of one value in all lanes.
template <typename V, typename T>
CV_INLINE V spread_as(T value) {
    V values;
    for (auto& lane : values.lane) lane = value;
    return values;
}
CV_INLINE Floats spread(float value) { return spread_as<Floats>(value); }

// The same value in each lane, as another type.
template <typename To, typename T, int N>
CV_INLINE To converted(Lanes<T, N> values) {
    To result;
    for (int i = 0; i < N; ++i) result[i] = static_cast<std::decay_t<decltype(result[i])>>(values.lane[i]);
    return result;
}

CV_INLINE Floats to_floats(Ints values) { return converted<Floats>(values); }
CV_INLINE Floats to_floats(HalfShorts values) { return converted<Floats>(values); }
CV_INLINE Octet to_floats(OctetCounts values) { return converted<Octet>(values); }  // values below 2^31
CV_INLINE Ints to_ints(Floats values) { return converted<Ints>(values); }           // towards zero
CV_INLINE Counts as_counts(Ints values) { return converted<Counts>(values); }
CV_INLINE Floats as_floats(Ints bits) { return load(reinterpret_cast<const float*>(bits.lane)); }
CV_INLINE Ints sign_mask(Floats a) { return a < spread(0.0f); }
CV_INLINE Floats choose(Ints mask, Floats yes, Floats no) {
    for (int i = 0; i < LANES; ++i) no.lane[i] = mask.lane[i] ? yes.lane[i] : no.lane[i];
    return no;
}

CV_INLINE Ints shifted_up(Ints values, int n_bits) {
    for (std::int32_t& lane : values.lane) {
        lane = static_cast<std::int32_t>(static_cast<std::uint32_t>(lane) << n_bits);
    }
    return values;
}
template <typename T, int N>
CV_INLINE Lanes<T, N> shifted_down(Lanes<T, N> values, int n_bits) {  // the sign is kept
    for (T& lane : values.lane) lane >>= n_bits;
    return values;
}

// The low halves of LANES integers, and the low bytes of the first n.
CV_INLINE void store_shorts(std::uint16_t* to, Ints values) {
    for (int lane = 0; lane < LANES; ++lane) to[lane] = static_cast<std::uint16_t>(values[lane]);
}
CV_INLINE void store_bytes(void* to, Ints values, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        static_cast<std::uint8_t*>(to)[i] = static_cast<std::uint8_t>(values[static_cast<int>(i)]);
    }
}

CV_INLINE std::size_t lowest_bit(std::uint64_t mask) {
    std::size_t bit = 0;
    while (!(mask >> bit & 1)) ++bit;
    return bit;
}

}  // namespace classicvision::CV_ISA

#include "isa_loops.h"

namespace classicvision::CV_ISA {

// Arithmetic, lane by lane.

template <typename T, int N>
CV_INLINE Lanes<T, N> larger(Lanes<T, N> a, Lanes<T, N> b) {
    for (int i = 0; i < N; ++i) a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}
template <typename T, int N>
CV_INLINE Lanes<T, N> smaller(Lanes<T, N> a, Lanes<T, N> b) {
    for (int i = 0; i < N; ++i) a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}
CV_INLINE Floats magnitude(Floats a) { return larger(a, spread(0.0f) - a); }
CV_INLINE Floats root(Floats a) {
    for (float& lane : a.lane) lane = std::sqrt(lane);
    return a;
}
CV_INLINE Floats reciprocal_root(Floats a) { return spread(1.0f) / root(a); }
template <int N>
CV_INLINE Lanes<float, N> fused(Lanes<float, N> a, Lanes<float, N> b, Lanes<float, N> c) {
    return a * b + c;
}

// The nearest whole number, the even one of two, of a value from -2^22 to 2^22: adding 1.5 * 2^23 leaves float32 no
// digits behind the point.
CV_INLINE Ints rounded_level(Floats values) { return to_ints((values + spread(0x1.8p23f)) - spread(0x1.8p23f)); }

// Products of integers, exact. A lane of `Ints` holds two shorts, of an even and of the odd place after it, or four
// bytes.

// The even places of one vector and the odd ones of another.
CV_INLINE Ints joined(Ints even, Ints odd) {
    return (even & spread_as<Ints>(0xffff)) | (odd & spread_as<Ints>(-0x10000));
}

// sum + a.even * b.even + a.odd * b.odd.
CV_INLINE Ints pair_product(Ints sum, Ints a, Ints b) {
    const Ints even = shifted_down(shifted_up(a, 16), 16) * shifted_down(shifted_up(b, 16), 16);
    return sum + even + shifted_down(a, 16) * shifted_down(b, 16);
}
CV_INLINE Ints add_pairs(Ints sum, Ints a, Ints b) { return pair_product(sum, a, b); }

// sums + the products of four signed factors with four bytes.
CV_INLINE Ints add_quads(Ints sums, Ints factors, Ints bytes) {
    for (int n_bits = 0; n_bits < 32; n_bits += 8) {
        const Ints factor = shifted_down(shifted_up(factors, 24 - n_bits), 24);
        sums = sums + factor * (shifted_down(bytes, n_bits) & spread_as<Ints>(0xff));
    }
    return sums;
}

// Masks: one bit per lane.

template <typename T, int N>
CV_INLINE unsigned equal_lanes(Lanes<T, N> a, Lanes<T, N> b, Lanes<T, N> c) {  // in which a equals b or c
    unsigned bits = 0;
    for (int i = 0; i < N; ++i) bits |= a[i] == b[i] || a[i] == c[i] ? 1u << i : 0u;
    return bits;
}
CV_INLINE unsigned at_most(Floats values, Floats limit) {
    unsigned mask = 0;
    for (int lane = 0; lane < LANES; ++lane) mask |= static_cast<unsigned>(values[lane] <= limit[lane]) << lane;
    return mask;
}
CV_INLINE int count_bits(std::uint64_t bits) {
    int n = 0;
    for (; bits; bits &= bits - 1) ++n;
    return n;
}

// Loads and stores.

CV_INLINE Ints load_bytes(const std::uint8_t* from) {
    Ints values;
    for (int i = 0; i < LANES; ++i) values[i] = from[i];
    return values;
}

// Vector number k of blocks of eight numbers that start `pitch` numbers apart.
CV_INLINE Floats load_octets(const float* from, std::size_t pitch, int k) {
    Floats values;
    for (int i = 0; i < LANES; ++i) values[i] = from[(k * LANES + i) / 8 * pitch + (k * LANES + i) % 8];
    return values;
}

// Write four vectors as bytes: rounded to the nearest, and at most 255.
CV_INLINE void store_rounded(std::uint8_t* to, const Floats (&values)[4]) {
    for (int k = 0; k < 4; ++k) {
        store_bytes(to + k * LANES, to_ints(smaller(values[k] + spread(0.5f), spread(255.0f))), LANES);
    }
}

// Lanes that change places.

// The last two lanes in place of the first two; the others may hold anything.
CV_INLINE Quad high_half(Quad a) {
    a[0] = a[2], a[1] = a[3];
    return a;
}

// Write a[0], b[0], a[1], b[1] and so on: 2 LANES items.
CV_INLINE void store_pairs(float* to, Floats a, Floats b) {
    for (int i = 0; i < LANES; ++i) to[2 * i] = a[i], to[2 * i + 1] = b[i];
}

// Read a[0], b[0], a[1], b[1] and so on.
CV_INLINE void load_pairs(const float* from, Floats& a, Floats& b) {
    for (int i = 0; i < LANES; ++i) a[i] = from[2 * i], b[i] = from[2 * i + 1];
}

// Exchange rows and columns of LANES vectors.
CV_INLINE void transpose(Floats* tile) {
    for (int i = 0; i < LANES; ++i) {
        for (int k = i + 1; k < LANES; ++k) {
            const float value = tile[i][k];
            tile[i][k] = tile[k][i];
            tile[k][i] = value;
        }
    }
}

// Write eight vectors lane by lane: to[i * 8 + d] = vectors[d][i].
CV_INLINE void store_columns(const Counts* vectors, std::uint32_t* to) {
    for (int d = 0; d < 8; ++d) {
        for (int i = 0; i < LANES; ++i) to[i * 8 + d] = vectors[d][i];
    }
}

}  // namespace classicvision::CV_ISA
