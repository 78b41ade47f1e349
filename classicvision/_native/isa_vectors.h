// Vectors as types of the language, as GCC and Clang have them, of LANES lanes: included by the file of each target.
#pragma once

namespace classicvision::CV_ISA {

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef std::int32_t Ints __attribute__((vector_size(4 * LANES)));     // also the masks of comparisons: 0 or -1
typedef std::uint32_t Counts __attribute__((vector_size(4 * LANES)));  // modulo 2^32
typedef std::int16_t Shorts __attribute__((vector_size(4 * LANES)));
typedef std::int16_t HalfShorts __attribute__((vector_size(2 * LANES)));  // as many as `Floats`
typedef std::uint8_t QuarterBytes __attribute__((vector_size(LANES)));    // as many as `Floats`
typedef float Quad __attribute__((vector_size(16)));
typedef float Octet __attribute__((vector_size(32)));
typedef std::uint32_t OctetCounts __attribute__((vector_size(32)));

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
    return value - V{};
}
CV_INLINE Floats spread(float value) { return spread_as<Floats>(value); }

CV_INLINE Floats to_floats(Ints values) { return __builtin_convertvector(values, Floats); }
CV_INLINE Octet to_floats(OctetCounts values) {  // values below 2^31
    typedef std::int32_t OctetInts __attribute__((vector_size(32)));
    return __builtin_convertvector((OctetInts)values, Octet);
}
CV_INLINE Ints to_ints(Floats values) { return __builtin_convertvector(values, Ints); }  // towards zero
CV_INLINE Counts as_counts(Ints values) { return (Counts)values; }
CV_INLINE Floats as_floats(Ints bits) { return (Floats)bits; }
CV_INLINE Ints sign_mask(Floats a) { return (Ints)a >> 31; }  // -1 where the sign is set, else 0
CV_INLINE Floats choose(Ints mask, Floats yes, Floats no) { return mask ? yes : no; }

CV_INLINE Ints shifted_up(Ints values, int n_bits) { return values << n_bits; }
CV_INLINE Ints shifted_down(Ints values, int n_bits) { return values >> n_bits; }  // the sign is kept
CV_INLINE Counts shifted_down(Counts values, int n_bits) { return values >> n_bits; }

// The low halves of LANES integers, and the low bytes of the first n.
CV_INLINE void store_shorts(std::uint16_t* to, Ints values) { store(to, __builtin_convertvector(values, HalfShorts)); }
CV_INLINE void store_bytes(void* to, Ints values, std::size_t n) {
    const QuarterBytes bytes = __builtin_convertvector(values, QuarterBytes);
    std::memcpy(to, &bytes, n);
}

CV_INLINE std::size_t lowest_bit(std::uint64_t mask) { return static_cast<std::size_t>(__builtin_ctzll(mask)); }

}  // namespace classicvision::CV_ISA
