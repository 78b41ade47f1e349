// From the sums down the columns to cells: differences of the sums, then the same sums along the row.
#pragma once

#include "dense_votes.h"

namespace classicvision::CV_ISA {

#if CV_VECTOR_TYPES
typedef std::uint32_t OctetSums __attribute__((vector_size(32)));  // of all directions at one place
CV_INLINE Octet to_floats(OctetSums sums) {
    typedef std::int32_t OctetInts __attribute__((vector_size(32)));
    return __builtin_convertvector((OctetInts)sums, Octet);
}
CV_INLINE Sums shifted(Sums sums, int n_bits) { return sums >> n_bits; }
#else
typedef Lanes<std::uint32_t, N_DIRECTIONS> OctetSums;
CV_INLINE Octet to_floats(OctetSums sums) {
    Octet values;
    for (int i = 0; i < N_DIRECTIONS; ++i) values.lane[i] = static_cast<float>(sums.lane[i]);
    return values;
}
CV_INLINE Sums shifted(Sums sums, int n_bits) {
    for (std::uint32_t& lane : sums.lane) lane >>= n_bits;
    return sums;
}
#endif

// Write sums that lie direction by direction place by place: out[i * N_DIRECTIONS + d] = sums[d][i].
CV_INLINE void store_by_place(const Sums* sums, std::uint32_t* out) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
    __m512i pairs[8], fours[8];
#pragma GCC unroll 4
    for (int d = 0; d < 8; d += 2) {
        pairs[d] = _mm512_unpacklo_epi32((__m512i)sums[d], (__m512i)sums[d + 1]);
        pairs[d + 1] = _mm512_unpackhi_epi32((__m512i)sums[d], (__m512i)sums[d + 1]);
    }
#pragma GCC unroll 2
    for (int d = 0; d < 8; d += 4) {  // fours[d + k]: directions d to d + 3 of the places k, k + 4, k + 8, k + 12
#pragma GCC unroll 2
        for (int k = 0; k < 2; ++k) {
            fours[d + 2 * k] = _mm512_unpacklo_epi64(pairs[d + k], pairs[d + k + 2]);
            fours[d + 2 * k + 1] = _mm512_unpackhi_epi64(pairs[d + k], pairs[d + k + 2]);
        }
    }
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), last = _mm512_add_epi64(first, _mm512_set1_epi64(4));
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
        const __m512i low = _mm512_permutex2var_epi64(fours[k], first, fours[k + 4]);
        const __m512i high = _mm512_permutex2var_epi64(fours[k], last, fours[k + 4]);
        _mm256_storeu_si256((__m256i*)(out + k * 8), _mm512_castsi512_si256(low));
        _mm256_storeu_si256((__m256i*)(out + (k + 4) * 8), _mm512_extracti64x4_epi64(low, 1));
        _mm256_storeu_si256((__m256i*)(out + (k + 8) * 8), _mm512_castsi512_si256(high));
        _mm256_storeu_si256((__m256i*)(out + (k + 12) * 8), _mm512_extracti64x4_epi64(high, 1));
    }
#else
    for (int d = 0; d < N_DIRECTIONS; d += LANES) {  // LANES is 4 or 8 here
        Floats tile[LANES];
        std::memcpy(tile, sums + d, sizeof tile);
        transpose(tile);
        for (int k = 0; k < LANES; ++k) store(out + k * N_DIRECTIONS + d, tile[k]);
    }
#endif
}

// Collect the votes down the columns around one row: T(c + b) - 2 T(c) + T(c - b), place by place.
template <bool HAS_SHIFT>
CV_STEP void collect_down(const std::uint32_t* above, const std::uint32_t* here, const std::uint32_t* below, int width,
                          int n_bits, std::uint32_t* places) {
    for (int x = 0; x < width; x += LANES) {
        Sums sums[N_DIRECTIONS];
        for (int d = 0; d < N_DIRECTIONS; ++d) {
            const Sums middle = load<Sums>(here + d * LANES);
            sums[d] = (load<Sums>(above + d * LANES) - middle) + (load<Sums>(below + d * LANES) - middle);
            if (HAS_SHIFT) sums[d] = shifted(sums[d], n_bits);
        }
        store_by_place(sums, places + x * N_DIRECTIONS);
        above += BLOCK_SUMS, here += BLOCK_SUMS, below += BLOCK_SUMS;
    }
}

// Let a row of places go on beyond both ends, by `n` copies of its outermost places.
inline void extend(std::uint32_t* places, int width, int n) {
    const std::ptrdiff_t last = static_cast<std::ptrdiff_t>(width - 1) * N_DIRECTIONS;
    const OctetSums leftmost = load<OctetSums>(places), rightmost = load<OctetSums>(places + last);
    for (std::ptrdiff_t i = 1; i <= n; ++i) {
        store(places - i * N_DIRECTIONS, leftmost);
        store(places + last + i * N_DIRECTIONS, rightmost);
    }
}

// T along a row of places, at n_lines positions `gap` apart; T is 0 at the first, which `places` points to.
CV_STEP inline void sum_along(const std::uint32_t* places, int gap, int n_lines, std::uint32_t* lines) {
    OctetSums sum = spread_as<OctetSums>(0u), t = sum;
    store(lines, t);
    for (int i = 1; i < n_lines; ++i) {
        lines += N_DIRECTIONS;
        for (int k = 0; k < gap; ++k, places += N_DIRECTIONS) {
            sum = sum + load<OctetSums>(places);
            t = t + sum;
        }
        store(lines, t);
    }
}

// Collect the votes along a row: cell i is centred on line i + reach, where a cell reaches `reach` lines to both sides.
CV_STEP inline void collect_along(const std::uint32_t* lines, int n_cells, int reach, float* cells) {
    const std::size_t span = static_cast<std::size_t>(reach) * N_DIRECTIONS;
    for (std::size_t i = 0, end = static_cast<std::size_t>(n_cells) * N_DIRECTIONS; i < end; i += N_DIRECTIONS) {
        const OctetSums middle = load<OctetSums>(lines + i + span);
        const OctetSums left = load<OctetSums>(lines + i), right = load<OctetSums>(lines + i + 2 * span);
        store(cells + i, to_floats((left - middle) + (right - middle)));
    }
}

}  // namespace classicvision::CV_ISA
