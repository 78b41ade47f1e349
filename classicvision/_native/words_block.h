// A block of points: their bytes, the scores of the words, and the nearest words so far.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "words_table.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t BLOCK = 24;     // points that are searched together: their scores stay in L2 cache
constexpr std::size_t PROJECTED = 8;  // points that are projected together
constexpr std::size_t CHUNK = 1024;   // words that are scored before the limits are lowered
constexpr std::size_t CHUNK_SETS = CHUNK / SET;
constexpr std::size_t CANDIDATES = 128;             // words kept per point until float64 decides
constexpr std::size_t ROOM = MOST_DIMENSIONS + 16;  // the 16 keep rows out of the same cache sets
constexpr std::size_t PENDING = 32;                 // words that are fetched together
static_assert(BLOCK % TILE_POINTS == 0 && BLOCK % PROJECTED == 0, "a block is cut into whole tiles");

struct Block {
    float scores[BLOCK][CHUNK + 16];             // lower bounds, of the words in a chunk
    float lowest[BLOCK][CHUNK_SETS + 1][LANES];  // the lowest score of each lane in each set of words
    float rest[BLOCK][ROOM];                     // p'
    float kept[BLOCK][ROOM];                     // q = B p'
    float room[BLOCK][ROOM];                     // points that are stored as bytes
    const float* point[BLOCK];
    float scale[BLOCK];     // times a product of bytes: 2 q^.a^
    float per_rest[BLOCK];  // times |r|: how much r can lower a score
    float margin[BLOCK];    // the bound of all other errors of a score
    float norm[BLOCK];      // |p'|^2
    float norm_error[BLOCK];
    float limit[BLOCK];                // words with a larger score are not among the m nearest
    float reach[BLOCK];                // words with a larger squared distance in float32 are not among the m nearest
    std::int32_t start[BLOCK];         // initial sum, which cancels WORD_ZERO
    std::int32_t n_candidates[BLOCK];  // -1: too many
    float best[BLOCK][MOST_NEAREST];   // the m smallest squared distances in float32 so far, in order
    std::int32_t n_pending[BLOCK];     // prefetched words, to be compared
    std::int32_t pending[BLOCK][PENDING];
    std::int32_t candidate[BLOCK][CANDIDATES];
    float distance[BLOCK][CANDIDATES];
};

// p' of one point, with zeros up to a whole vector, and its square; returns false for numbers that are not finite or
// too large.
CV_INLINE bool subtract_centre(const float* point, std::size_t n_dims, const float* centre, float* rest, float* norm) {
    Floats norms = spread(0.0f), limit = spread(LARGEST);
    unsigned n_bad = 0;
    for (std::size_t d = 0; d < n_dims; d += LANES) {
        const Floats value = load_first(point + d, n_dims - d);
        n_bad |= ~at_most(magnitude(value), limit) & EVERY_LANE;  // NaN is not at most anything
        const Floats difference = value - load(centre + d);
        norms = fused(difference, difference, norms);
        store(rest + d, difference);
    }
    *norm = sum_of_lanes(norms);
    return !n_bad;
}

// q = B p' of PROJECTED points from row `first` on.
CV_STEP void project(Block* block, std::size_t first, const float* basis, std::size_t n_dims, std::size_t width) {
    for (std::size_t j = 0; j < width; j += LANES) {
        Floats sums[PROJECTED];
        for (std::size_t p = 0; p < PROJECTED; ++p) sums[p] = spread(0.0f);
        for (std::size_t d = 0; d < n_dims; ++d) {
            const Floats direction = load(basis + d * width + j);
            for (std::size_t p = 0; p < PROJECTED; ++p) {
                sums[p] = fused(spread(block->rest[first + p][d]), direction, sums[p]);
            }
        }
        for (std::size_t p = 0; p < PROJECTED; ++p) store(block->kept[first + p] + j, sums[p]);
    }
}

// Round q of one point to bytes, and bound the error of its scores by equation (2) of words.cpp.
CV_STEP void place_point(Block* block, std::size_t row, const Header& header, PointItem* items) {
    const bool has_basis = header.n_kept < header.n_dims;
    const float* kept = has_basis ? block->kept[row] : block->rest[row];
    Floats largest = spread(0.0f);
    for (std::size_t j = 0; j < header.n_kept; j += LANES) largest = larger(magnitude(load(kept + j)), largest);
    const float most = largest_lane(largest), step = IS_QUANTISED && most > FLT_MIN * 128 ? most / POINT_LEVELS : 1.0f;
    const Floats per_step = spread(1.0f / step), steps = spread(step);
    Floats total = spread(0.0f), norms = total, errors = total;
    for (std::size_t j = 0; j < header.n_kept; j += LANES) {
        const Floats value = load(kept + j), level = Product::rounded(value * per_step);
        const Floats left = value - level * steps;
        total = total + level;  // whole numbers below 2^24: exact
        norms = fused(value, value, norms);
        errors = fused(left, left, errors);
        Product::store_items(items + j, level);
    }
    // Higham (2002), section 3.1: the rounding error of a dot product of D terms in float32 is below gamma |x| |y|; the
    // 24 covers the steps, the norms and the sums. The last term is for denormal numbers.
    const float gamma = (static_cast<float>(header.n_dims) + 24) * 0x1p-24f;
    const float norm = block->norm[row], length = std::sqrt(norm), kept_norm = sum_of_lanes(norms);
    // |B p' - q| <= projected |p'|, a row of B being about as long as 1.
    const float projected = has_basis ? gamma * (1 + header.skew) * std::sqrt(static_cast<float>(header.n_kept)) : 0;
    const float bound = 2 * (std::sqrt(sum_of_lanes(errors)) * header.longest +
                             std::sqrt(kept_norm) * header.longest_error + projected * length * header.longest) +
                        gamma * header.longest * (2 * length + header.longest) + 1e-35f;
    // |p' - B^T q|^2 <= |p'|^2 - |q|^2 + 2 |B p' - q| |q| + skew |q|^2
    const float outside = has_basis ? (norm > kept_norm ? norm - kept_norm : 0) +
                                          norm * (4 * gamma + 4 * projected + 2 * header.skew) + FLT_MIN
                                    : 0;
    block->scale[row] = 2 * step * header.step;
    block->per_rest[row] = 2 * std::sqrt(outside) * (1 + 2 * gamma);
    block->margin[row] = (bound + gamma * block->per_rest[row] * header.longest_rest) * (1 + 2 * gamma);
    block->norm_error[row] = 2 * gamma * norm;
    block->start[row] = IS_QUANTISED ? -WORD_ZERO * static_cast<std::int32_t>(sum_of_lanes(total)) : 0;
    block->limit[row] = block->reach[row] = FLT_MAX;
    block->n_candidates[row] = block->n_pending[row] = 0;
    for (float& best : block->best[row]) best = FLT_MAX;
}

CV_INLINE void lower_limit(Block* block, std::size_t row, float limit) {
    block->limit[row] = limit < block->limit[row] ? limit : block->limit[row];
}

// Bound the scores of a panel of words, which is number `place` of its chunk, for a tile of points. The loops over the
// tile are unrolled, or GCC keeps the sums in memory.
CV_STEP void score_tile(Block* block, std::size_t first_row, const PointItem* points, std::size_t width,
                        std::size_t n_groups, const WordItem* panel, const float* norms, const float* rests,
                        std::size_t place) {
    Sums sums[TILE_POINTS][TILE_VECTORS];
#pragma GCC unroll 8
    for (std::size_t p = 0; p < TILE_POINTS; ++p) {
#pragma GCC unroll 8
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[p][v] = Product::sums_from(block->start[first_row + p]);
    }
    for (std::size_t g = 0; g < n_groups; ++g) {
        Sums words[TILE_VECTORS];
#pragma GCC unroll 8
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) words[v] = load<Sums>(panel + (g * PANEL + v * LANES) * GROUP);
#pragma GCC unroll 8
        for (std::size_t p = 0; p < TILE_POINTS; ++p) {
            const Sums point = Product::spread_point(points + p * width + g * GROUP);
#pragma GCC unroll 8
            for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[p][v] = Product::add(sums[p][v], words[v], point);
        }
    }
#pragma GCC unroll 8
    for (std::size_t p = 0; p < TILE_POINTS; ++p) {
        const std::size_t row = first_row + p;
        const Floats scale = spread(-block->scale[row]), per_rest = spread(-block->per_rest[row]);
        Floats lowest;
#pragma GCC unroll 8
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) {
            const Floats middle = fused(Product::finished(sums[p][v]), scale, load(norms + v * LANES));
            const Floats score = fused(load(rests + v * LANES), per_rest, middle);
            store(block->scores[row] + place * PANEL + v * LANES, score);
            lowest = v == 0 ? score : smaller(score, lowest);
        }
        float* set = block->lowest[row][place / SET_PANELS];
        store(set, place % SET_PANELS == 0 ? lowest : smaller(lowest, load(set)));
    }
}

// The m-th smallest lane, which must exist.
CV_INLINE float mth_lane(Floats values, std::size_t m) {
    if (m == 1) return -largest_lane(spread(0.0f) - values);
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

}  // namespace
}  // namespace classicvision::CV_ISA
