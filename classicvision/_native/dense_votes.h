// Gradients, their votes for directions, and the sums of the votes down the columns.
//
// Votes are whole numbers, so that sums are exact in any order, and the weights of a cell, which fall linearly to both
// sides, are computed from sums of sums: with T(y) = sum over j < y of (y - j) v(j), a cell centred on c collects
//     sum over y of (b - |y - c|) v(y) = T(c + b) - 2 T(c) + T(c - b).
// T is modulo 2^32; the difference is smaller and therefore exact.
#pragma once

#include <algorithm>
#include <cmath>

#include "isa.h"
#include "sift_descriptor.h"

namespace classicvision::CV_ISA {

constexpr int BLOCK_SUMS = N_DIRECTIONS * LANES;  // sums of LANES columns, direction by direction

// The rows that a pixel's gradient needs.
struct RowTriple {
    const float *above, *here, *below;
};

// What turns a gradient into votes. Of its two nearest directions one lies on an axis and one on a diagonal. With m the
// length of the gradient and b the smaller of its two slopes, the angle to the axis is asin(b / m), and the diagonal's
// vote m asin(b / m) / (pi / 4) = b q(b^2 / m^2), where q(w) = asin(sqrt(w)) / sqrt(w) / (pi / 4).
struct VoteScale {
    Floats length, share[4];

    // A vote is a whole number of 2^-n_bits grey levels.
    explicit VoteScale(int n_bits) {
        // Weighted least squares, minimising the largest error of sqrt(w) q(w) on [0, 1/2]: 2.4e-5.
        constexpr double Q[4] = {1.27294698, 0.219237037, 0.0512226739, 0.150465006};
        const double unit = std::ldexp(0.5, n_bits);  // slopes come as differences of both neighbours, not halved
        length = spread(static_cast<float>(unit));
        for (int i = 0; i < 4; ++i) share[i] = spread(static_cast<float>(unit * Q[i]));
    }
};

// What LANES gradients vote for: the direction along an axis and the diagonal one next to it, selected by three masks.
struct Votes {
    Ints axis, diagonal, left, up, steep;
};

CV_INLINE Votes vote(Floats dx, Floats dy, const VoteScale& scale) {
    const Floats width = magnitude(dx), height = magnitude(dy), least = smaller(width, height);
    const Floats square = fused(dx, dx, dy * dy), inverse = reciprocal_root(larger(square, spread(1e-12f)));
    const Floats sine = least * inverse, w = sine * sine;
    Floats share = fused(scale.share[3], w, scale.share[2]);
    share = fused(share, w, scale.share[1]);
    share = fused(share, w, scale.share[0]) * least;
    const Floats half = spread(0.5f);  // so that rounding towards zero rounds to the nearest
    const Ints axis = to_ints(fused(square * inverse, scale.length, half) - share);
    return {axis, to_ints(share + half), sign_mask(dx), sign_mask(dy), sign_mask(width - height)};
}

// Add n_rows times LANES votes to four directions, FIRST and every second one after it; `once` holds their sums,
// `before` and `after` hold T. Directions follow anticlockwise on the screen, where y points down.
template <int FIRST>
CV_INLINE void add_votes(const Votes* votes, int n_rows, std::uint32_t* once, const std::uint32_t* before,
                         std::uint32_t* after) {
    Counts sum[4], t[4];
    for (int k = 0; k < 4; ++k) {
        sum[k] = load<Counts>(once + (FIRST + 2 * k) * LANES);
        t[k] = load<Counts>(before + (FIRST + 2 * k) * LANES);
    }
    for (int i = 0; i < n_rows; ++i) {
        const Votes& v = votes[i];
        const Ints four[2][4] = {{v.axis & ~v.steep & ~v.left, v.axis & v.steep & v.up, v.axis & ~v.steep & v.left,
                                  v.axis & v.steep & ~v.up},
                                 {v.diagonal & ~v.left & v.up, v.diagonal & v.left & v.up, v.diagonal & v.left & ~v.up,
                                  v.diagonal & ~v.left & ~v.up}};
        for (int k = 0; k < 4; ++k) {
            sum[k] = sum[k] + as_counts(four[FIRST][k]);
            t[k] = t[k] + sum[k];
        }
    }
    for (int k = 0; k < 4; ++k) {
        store(once + (FIRST + 2 * k) * LANES, sum[k]);
        store(after + (FIRST + 2 * k) * LANES, t[k]);
    }
}

constexpr int MAX_VOTES = 32;  // vectors of votes that are taken together

// Add n_rows <= MAX_VOTES rows: `once` is the sum of all votes so far, and T advances from `before` to `after`.
CV_STEP inline void add_rows(const RowTriple* rows, int n_rows, int width, const VoteScale& given, std::uint32_t* once,
                             const std::uint32_t* before, std::uint32_t* after) {
    const VoteScale scale = given;  // in registers
    const int stretch = MAX_VOTES / n_rows * LANES;
    Votes votes[MAX_VOTES];
    for (int start = 0; start < width; start += stretch) {
        const int end = std::min(start + stretch, width);
        for (int i = 0; i < n_rows; ++i) {
            const RowTriple& row = rows[i];
            for (int x = start, k = i; x < end; x += LANES, k += n_rows) {
                const Floats dx = load(row.here + x + 1) - load(row.here + x - 1);
                votes[k] = vote(dx, load(row.below + x) - load(row.above + x), scale);
            }
        }
        for (int x = start, k = 0; x < end; x += LANES, k += n_rows) {
            add_votes<0>(votes + k, n_rows, once, before, after);
            add_votes<1>(votes + k, n_rows, once, before, after);
            once += BLOCK_SUMS, before += BLOCK_SUMS, after += BLOCK_SUMS;
        }
    }
}

}  // namespace classicvision::CV_ISA
