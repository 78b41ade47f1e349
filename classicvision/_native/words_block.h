// A block of points: its bytes, the scores of the words, and the candidates that they leave.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "words_table.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t BLOCK = 24;  // points that are searched together: their scores stay in the L2 cache
constexpr std::size_t CHUNK_PANELS = PANEL < 32 ? 64 : 2048 / PANEL;  // searched before the limits are drawn
constexpr std::size_t CANDIDATES = 128;  // words kept for one point until float64 decides
static_assert(BLOCK % TILE_POINTS == 0, "a block is cut into whole tiles");

struct Block {
    // The 16 more keep the rows from meeting in the same places of a cache.
    float scores[BLOCK][CHUNK_PANELS * PANEL + 16];  // of the words in a chunk: the squared distance less |p'|^2
    float lowest[BLOCK][CHUNK_PANELS + 1][LANES];    // the lowest score of each lane in each panel
    float scale[BLOCK];         // a product of bytes times it is 2 p^.w^
    float margin[BLOCK];        // twice the bound of the error of a score
    float limit[BLOCK];         // words of a larger score are not among the m nearest
    std::int32_t start[BLOCK];  // what takes WORD_ZERO out of the products
    std::int32_t n_candidates[BLOCK];  // -1: more than there is room for
    float best[BLOCK][MOST_NEAREST];   // the m smallest scores so far, in order
    std::int32_t candidate[BLOCK][CANDIDATES];
    float score[BLOCK][CANDIDATES];
};

// p' of one point, with zeros up to a whole vector; returns its largest number, and infinity if a number of the point
// is not finite or too large.
CV_INLINE float subtract_centre(const float* point, std::size_t n_dims, const float* centre, float* rest) {
    Floats largest = spread(0.0f), limit = spread(LARGEST);
    unsigned n_bad = 0;
    for (std::size_t d = 0; d < n_dims; d += LANES) {
        const Floats value = load_first(point + d, n_dims - d);
        n_bad |= ~at_most(magnitude(value), limit) & EVERY_LANE;  // NaN is not at most anything
        const Floats difference = value - load(centre + d);
        largest = larger(magnitude(difference), largest);
        store(rest + d, difference);
    }
    return n_bad ? std::numeric_limits<float>::infinity() : largest_lane(largest);
}

// Bring one point into a block; returns false for numbers that are not finite or too large.
CV_STEP bool place_point(const float* point, std::size_t n_dims, const float* centre, const Header& header,
                         Block* block, std::size_t row, PointItem* items) {
    float rest[MOST_DIMENSIONS];
    const float largest = subtract_centre(point, n_dims, centre, rest);
    if (!(largest < FLT_MAX)) return false;
    const float step = IS_QUANTISED && largest > FLT_MIN * 128 ? largest / POINT_LEVELS : 1.0f;
    const Floats per_step = spread(1.0f / step), steps = spread(step);
    Floats total = spread(0.0f), norms = total, errors = total;
    for (std::size_t d = 0; d < n_dims; d += LANES) {
        const Floats value = load(rest + d), level = rounded(value * per_step);
        const Floats left = value - level * steps;
        total = total + level;  // whole numbers below 2^24: exact
        norms = fused(value, value, norms);
        errors = fused(left, left, errors);
        store_items(items + d, level);
    }
    // Equation (1) of words.cpp, and Higham (2002), section 3.1, for what float32 rounds on the way: a dot product of D
    // terms errs by less than gamma |p'| |w'|; the 24 covers the steps, the norms and the sums. The last term is for
    // denormal numbers.
    const float gamma = (static_cast<float>(n_dims) + 24) * 0x1p-24f;
    const float length = std::sqrt(sum_of_lanes(norms)), longest = header.longest + header.longest_error;
    const float bound = 2 * (std::sqrt(sum_of_lanes(errors)) * longest + length * header.longest_error) +
                        gamma * longest * (2 * length + longest) + 1e-35f;
    block->scale[row] = 2 * step * header.step;
    block->margin[row] = 2 * bound * (1 + 2 * gamma);
    block->start[row] = IS_QUANTISED ? -WORD_ZERO * static_cast<std::int32_t>(sum_of_lanes(total)) : 0;
    return true;
}

CV_INLINE void lower_limit(Block* block, std::size_t row, float mth_score) {
    const float limit = mth_score + block->margin[row];
    block->limit[row] = limit < block->limit[row] ? limit : block->limit[row];
}

// Forget the candidates of a point that have turned out too far; returns whether there is room for one more.
CV_STEP bool make_room(Block* block, std::size_t row) {
    std::int32_t n = 0;
    for (std::size_t i = 0; i < CANDIDATES; ++i) {
        if (block->score[row][i] > block->limit[row]) continue;
        block->candidate[row][n] = block->candidate[row][i];
        block->score[row][n++] = block->score[row][i];
    }
    block->n_candidates[row] = n;
    return n < static_cast<std::int32_t>(CANDIDATES);
}

// Note the score of a word; the m-th best score so far sets the limit.
CV_INLINE void note(Block* block, std::size_t row, std::int32_t word, float score, std::size_t m) {
    if (score > block->limit[row]) return;
    float* best = block->best[row];
    if (m > 1 && score < best[m - 1]) {  // for the nearest word alone, the chunk's lowest score has set the limit
        std::size_t place = m - 1;
        for (; place > 0 && best[place - 1] > score; --place) best[place] = best[place - 1];
        best[place] = score;
        lower_limit(block, row, best[m - 1]);
    }
    std::int32_t& n = block->n_candidates[row];
    if (n == static_cast<std::int32_t>(CANDIDATES) && !make_room(block, row)) {
        n = -1;
        block->limit[row] = -FLT_MAX;  // no word of this point is near any more
        return;
    }
    block->candidate[row][n] = word;
    block->score[row][n++] = score;
}

// Score a tile of points against a panel of words, which is number `place` of its chunk.
CV_STEP void score_tile(Block* block, std::size_t first_row, const PointItem* points, std::size_t width,
                          std::size_t n_groups, const WordItem* panel, const float* norms, std::size_t place) {
    Sums sums[TILE_POINTS][TILE_VECTORS];
    for (std::size_t p = 0; p < TILE_POINTS; ++p) {
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[p][v] = sums_from(block->start[first_row + p]);
    }
    for (std::size_t g = 0; g < n_groups; ++g) {
        Sums words[TILE_VECTORS];
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) words[v] = load_words(panel + (g * PANEL + v * LANES) * GROUP);
        for (std::size_t p = 0; p < TILE_POINTS; ++p) {
            const Sums point = spread_point(points + p * width + g * GROUP);
            for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[p][v] = add_products(sums[p][v], words[v], point);
        }
    }
    for (std::size_t p = 0; p < TILE_POINTS; ++p) {
        const std::size_t row = first_row + p;
        const Floats scale = spread(-block->scale[row]);
        Floats lowest;
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) {
            const Floats score = fused(finished(sums[p][v]), scale, load(norms + v * LANES));
            store(block->scores[row] + place * PANEL + v * LANES, score);
            lowest = v == 0 ? score : smaller(score, lowest);
        }
        store(block->lowest[row][place], lowest);
    }
}

// The m-th smallest lane; FLT_MAX if there are fewer lanes.
CV_INLINE float mth_lane(Floats values, std::size_t m) {
    if (m == 1) return -largest_lane(spread(0.0f) - values);
    if (m > LANES) return FLT_MAX;
    float lanes[LANES];
    store(lanes, values);
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = i + 1; j < LANES; ++j) {
            const float a = lanes[i], b = lanes[j];
            lanes[i] = a < b ? a : b;
            lanes[j] = a < b ? b : a;
        }
    }
    return lanes[m - 1];
}

// Note the words of a chunk that can be among the m nearest to one point.
CV_STEP void look_through(Block* block, std::size_t row, std::size_t n_panels, std::int32_t first_word, std::size_t m) {
    Floats lowest = load(block->lowest[row][0]);
    for (std::size_t i = 1; i < n_panels; ++i) lowest = smaller(load(block->lowest[row][i]), lowest);
    // The lowest scores of the lanes belong to different words, so the m-th of them is no less than the m-th of all.
    lower_limit(block, row, mth_lane(lowest, m));
    // Sets of panels and of words as bits: a loop over the few that are near is one branch to predict, not many.
    std::uint64_t panels = 0;
    const Floats limit = spread(block->limit[row]);
    for (std::size_t i = 0; i < n_panels; ++i) {
        panels |= static_cast<std::uint64_t>(at_most(load(block->lowest[row][i]), limit) != 0) << i;
    }
    for (; panels; panels &= panels - 1) {
        const std::size_t first = lowest_bit(panels) * PANEL;
        std::uint64_t near = 0;
        for (std::size_t v = 0; v < PANEL; v += LANES) {
            near |= static_cast<std::uint64_t>(at_most(load(block->scores[row] + first + v), limit)) << v;
        }
        for (; near; near &= near - 1) {
            const std::size_t word = first + lowest_bit(near);
            note(block, row, first_word + static_cast<std::int32_t>(word), block->scores[row][word], m);
        }
    }
}

}  // namespace
}  // namespace classicvision::CV_ISA
