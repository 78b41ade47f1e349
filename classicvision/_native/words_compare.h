// From bounds to distances: which words are compared in float32, and which of those are candidates for float64.
#pragma once

#include <cfloat>

#include "words_block.h"

namespace classicvision::CV_ISA {
namespace {

// The squared distance in float64. The order of the sum is part of the result: it is the same on every instruction set.
double squared_distance(const float* a, const float* b, std::size_t n_dims) {
    double sum[8] = {};
    const std::size_t n_whole = n_dims / 8 * 8;
    add_squared_differences(a, b, n_whole, sum);
    double rest = 0;
    for (std::size_t d = n_whole; d < n_dims; ++d) {
        const double difference = static_cast<double>(a[d]) - static_cast<double>(b[d]);
        rest += difference * difference;
    }
    return (((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))) + rest;
}

// The squared distance in float32. A term has three rounding errors, a sum of D positive terms D more: the relative
// error is below (D + 3) 2^-24, except for denormal numbers.
CV_INLINE float rough_distance(const float* a, const float* b, std::size_t n_dims) {
    Floats sums[2] = {spread(0.0f), spread(0.0f)};
    std::size_t d = 0;
    for (; d + 2 * LANES <= n_dims; d += 2 * LANES) {
        const Floats first = load(a + d) - load(b + d), second = load(a + d + LANES) - load(b + d + LANES);
        sums[0] = fused(first, first, sums[0]);
        sums[1] = fused(second, second, sums[1]);
    }
    for (; d < n_dims; d += LANES) {
        const Floats difference = load_first(a + d, n_dims - d) - load_first(b + d, n_dims - d);
        sums[0] = fused(difference, difference, sums[0]);
    }
    return sum_of_lanes(sums[0] + sums[1]);
}

// Drop the candidates of a point that are now out of reach; returns whether there is room for one more.
CV_STEP bool make_room(Block* block, std::size_t row) {
    std::int32_t n = 0;
    for (std::size_t i = 0; i < CANDIDATES; ++i) {
        if (block->distance[row][i] > block->reach[row]) continue;
        block->candidate[row][n] = block->candidate[row][i];
        block->distance[row][n++] = block->distance[row][i];
    }
    block->n_candidates[row] = n;
    return n < static_cast<std::int32_t>(CANDIDATES);
}

// Compare a point with a word in float32, and keep it if it can be among the m nearest.
CV_INLINE void compare(Block* block, std::size_t row, const WordTable& table, std::size_t word, std::size_t m) {
    if (block->n_candidates[row] < 0) return;
    const float distance = rough_distance(block->point[row], table.words + word * table.n_dims, table.n_dims);
    if (distance > block->reach[row]) return;
    float* best = block->best[row];
    if (distance < best[m - 1]) {
        std::size_t place = m - 1;
        for (; place > 0 && best[place - 1] > distance; --place) best[place] = best[place - 1];
        best[place] = distance;
        if (best[m - 1] < FLT_MAX) {
            const float error = (static_cast<float>(table.n_dims) + 24) * 0x1p-24f;
            block->reach[row] = best[m - 1] * (1 + 4 * error) + 1e-37f;
            lower_limit(
                block, row,
                best[m - 1] - block->norm[row] + best[m - 1] * 2 * error + block->norm_error[row] + block->margin[row]);
        }
    }
    std::int32_t& n = block->n_candidates[row];
    if (n == static_cast<std::int32_t>(CANDIDATES) && !make_room(block, row)) {
        n = -1;
        block->limit[row] = -FLT_MAX;  // stops the search for this point
        return;
    }
    block->candidate[row][n] = static_cast<std::int32_t>(word);
    block->distance[row][n++] = distance;
}

CV_STEP void compare_pending(Block* block, std::size_t row, const WordTable& table, std::size_t m) {
    for (std::int32_t i = 0; i < block->n_pending[row]; ++i) {
        compare(block, row, table, static_cast<std::size_t>(block->pending[row][i]), m);
    }
    block->n_pending[row] = 0;
}

// Fetch the words of a chunk whose scores lie above `from`, and not above the limit nor above `to`, to compare them.
CV_STEP void fetch_between(Block* block, std::size_t row, float from, float to, std::size_t n_sets,
                           const WordTable& table, std::size_t first_word, std::size_t m) {
    // Sets of words, and words, as bits: a loop over the few near ones has one branch to predict, not many.
    unsigned sets = 0;
    const Floats above = spread(from), limit = spread(to < block->limit[row] ? to : block->limit[row]);
    for (std::size_t i = 0; i < n_sets; ++i) {
        sets |= static_cast<unsigned>(at_most(load(block->lowest[row][i]), limit) != 0) << i;
    }
    for (; sets; sets &= sets - 1) {
        const std::size_t first = lowest_bit(sets) * SET;
        std::uint64_t near = 0;
        for (std::size_t v = 0; v < SET; v += LANES) {
            const Floats score = load(block->scores[row] + first + v);
            near |= static_cast<std::uint64_t>(at_most(score, limit) & ~at_most(score, above)) << v;
        }
        for (; near; near &= near - 1) {
            const std::size_t word = first + lowest_bit(near);
            if (block->n_pending[row] == PENDING) compare_pending(block, row, table, m);
            if (block->scores[row][word] > block->limit[row]) continue;
            const float* fetched = table.words + (first_word + word) * table.n_dims;
            for (std::size_t d = 0; d < table.n_dims; d += 16) CV_PREFETCH(fetched + d);
            block->pending[row][block->n_pending[row]++] = static_cast<std::int32_t>(first_word + word);
        }
    }
}

// Compare the words of a chunk that can be among the m nearest to each point: the best m of each first, because
// they lower the limit. Words are fetched for all points before they are compared for any.
void look_through(Block* block, std::size_t n_rows, std::size_t n_sets, const WordTable& table, float longest_rest,
                  std::size_t first_word, std::size_t m) {
    float seen[BLOCK];
    for (std::size_t row = 0; row < n_rows; ++row) {
        seen[row] = -FLT_MAX;
        if (m > LANES) continue;
        // The lowest scores of the lanes belong to different words, so the m-th of them is no less than the m-th of
        // all.
        Floats lowest = load(block->lowest[row][0]);
        for (std::size_t i = 1; i < n_sets; ++i) lowest = smaller(load(block->lowest[row][i]), lowest);
        const float mth = mth_lane(smaller(lowest, spread(FLT_MAX)), m);
        lower_limit(block, row, mth + 2 * (block->per_rest[row] * longest_rest + block->margin[row]));
        fetch_between(block, row, -FLT_MAX, mth, n_sets, table, first_word, m);
        seen[row] = mth;
    }
    for (std::size_t row = 0; row < n_rows; ++row) {
        compare_pending(block, row, table, m);
        if (seen[row] < block->limit[row]) {
            fetch_between(block, row, seen[row], FLT_MAX, n_sets, table, first_word, m);
        }
    }
    for (std::size_t row = 0; row < n_rows; ++row) compare_pending(block, row, table, m);
}

}  // namespace
}  // namespace classicvision::CV_ISA
