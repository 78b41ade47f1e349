// The m words nearest to each point, exactly: bytes choose the candidates, float64 decides among them.
//
// Squared distances are compared as |w|^2 - 2 p.w, the distance less |p|^2, which is the same for all words. Distances
// do not change if the mean c of the words is subtracted from both sides; what is left is short, and quantises well.
// With p' = p - c = p^ + e_p and w' = w - c = w^ + e_w, where p^ and w^ are bytes times a step, Cauchy and Schwarz give
//
//     |p'.w' - p^.w^| = |e_p.w^ + p'.e_w| <= |e_p| |w^| + |p'| |e_w|                                               (1)
//
// and the lengths of the errors e_p and e_w are measured, not assumed. So a word whose score lies above the m-th best
// by more than twice that error cannot be among the m nearest. Of 1000 words of RootSIFT, 2.5 survive.
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "isa.h"
#include "kernels.h"
#include "words.h"
#include "words_block.h"
#include "words_table.h"

namespace classicvision::CV_ISA {
namespace {

// The squared distance in float64. The order of the sum is part of the result: it is the same on every instruction set.
double squared_distance(const float* a, const float* b, std::size_t n_dims) {
    double sum[8] = {};
    std::size_t d = 0;
#if defined(__AVX512F__)
    __m512d sums = _mm512_setzero_pd();
    for (; d + 8 <= n_dims; d += 8) {
        const __m512d difference =
            _mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(a + d)), _mm512_cvtps_pd(_mm256_loadu_ps(b + d)));
        sums = _mm512_add_pd(sums, _mm512_mul_pd(difference, difference));
    }
    _mm512_storeu_pd(sum, sums);
#else
    for (; d + 8 <= n_dims; d += 8) {
        for (std::size_t i = 0; i < 8; ++i) {
            const double difference = static_cast<double>(a[d + i]) - static_cast<double>(b[d + i]);
            sum[i] += difference * difference;
        }
    }
#endif
    double rest = 0;
    for (; d < n_dims; ++d) {
        const double difference = static_cast<double>(a[d]) - static_cast<double>(b[d]);
        rest += difference * difference;
    }
    return (((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))) + rest;
}

// Order the candidates of one point by distance and then by index, and write the first m.
CV_STEP void decide(const NearestWords& search, const Block& block, std::size_t row, std::size_t point) {
    std::int32_t* indices = search.indices + point * search.m;
    if (block.n_candidates[row] < 0) {
        indices[0] = -1;
        return;
    }
    if (block.n_candidates[row] == 1 && !search.squared_distances) {
        indices[0] = block.candidate[row][0];
        return;
    }
    double distances[MOST_NEAREST];
    std::size_t n = 0;
    const std::size_t n_dims = search.table.n_dims;
    for (std::int32_t i = 0; i < block.n_candidates[row]; ++i) {
        if (block.score[row][i] > block.limit[row]) continue;
        const std::int32_t word = block.candidate[row][i];
        const double distance =
            squared_distance(search.points + point * n_dims, search.table.words + word * n_dims, n_dims);
        // Candidates come in the order of their indices, so an equal distance goes behind.
        std::size_t place = n < search.m ? n++ : search.m;
        if (place == search.m) {
            if (!(distance < distances[place - 1])) continue;
            --place;
        }
        for (; place > 0 && distances[place - 1] > distance; --place) {
            distances[place] = distances[place - 1];
            indices[place] = indices[place - 1];
        }
        distances[place] = distance;
        indices[place] = word;
    }
    if (!search.squared_distances) return;
    for (std::size_t i = 0; i < search.m; ++i) {
        search.squared_distances[point * search.m + i] = static_cast<float>(distances[i]);
    }
}

// Rows of a block that are no points find nothing.
void clear(Block* block, std::size_t n_rows, std::size_t m) {
    for (std::size_t row = 0; row < BLOCK; ++row) {
        block->limit[row] = row < n_rows ? FLT_MAX : -FLT_MAX;
        block->n_candidates[row] = 0;
        for (std::size_t i = 0; i < m; ++i) block->best[row][i] = FLT_MAX;
    }
}

// Score the words of one chunk, from panel `first` on, and note those that can be near.
void score_chunk(Block* block, std::size_t n_rows, const PointItem* items, std::size_t width,
                 const NearestWords& search, const Parts& parts, std::size_t first) {
    const float* norms = reinterpret_cast<const float*>(search.table.bytes + parts.norms);
    const WordItem* panels = reinterpret_cast<const WordItem*>(search.table.bytes + parts.panels);
    const std::size_t left = parts.n_panels - first, n_panels = left < CHUNK_PANELS ? left : CHUNK_PANELS;
    for (std::size_t i = 0; i < n_panels; ++i) {
        const WordItem* panel = panels + (first + i) * PANEL * parts.n_groups * GROUP;
        for (std::size_t row = 0; row < n_rows; row += TILE_POINTS) {
            score_tile(block, row, items + row * width, width, parts.n_groups, panel, norms + (first + i) * PANEL, i);
        }
    }
    for (std::size_t row = 0; row < n_rows; ++row) {
        look_through(block, row, n_panels, static_cast<std::int32_t>(first * PANEL), search.m);
    }
}

}  // namespace

std::size_t words_table_size(std::size_t n_words, std::size_t n_dims) { return parts_of(n_words, n_dims).size; }

void prepare_words(const WordTable& table) {
    const Parts parts = parts_of(table.n_words, table.n_dims);
    std::memset(table.bytes, 0, parts.size);
    float* centre = reinterpret_cast<float*>(table.bytes + parts.centre);
    float* norms = reinterpret_cast<float*>(table.bytes + parts.norms);
    find_centre(table, centre);
    Header header{LAYOUT, static_cast<std::uint32_t>(table.n_dims), table.n_words, find_step(table, centre), 0, 0};
    double longest = 0, longest_error = 0;
    for (std::size_t k = 0; k < table.n_words; ++k) {
        double norm, error;
        place_word(table, k, centre, header.step, parts, &norm, &error);
        norms[k] = static_cast<float>(norm);
        longest = norm > longest ? norm : longest;
        longest_error = error > longest_error ? error : longest_error;
    }
    // Beyond the last word nothing is near.
    const float infinity = std::numeric_limits<float>::infinity();
    for (std::size_t k = table.n_words; k < parts.n_panels * PANEL; ++k) norms[k] = infinity;
    header.longest = static_cast<float>(std::sqrt(longest) * (1 + 0x1p-20));
    header.longest_error = static_cast<float>(std::sqrt(longest_error) * (1 + 0x1p-20));
    std::memcpy(table.bytes, &header, sizeof header);
}

Search nearest_words(const NearestWords& search) {
    const std::size_t n_dims = search.table.n_dims;
    const Parts parts = parts_of(search.table.n_words, n_dims);
    Header header;
    std::memcpy(&header, search.table.bytes, sizeof header);
    if (header.layout != LAYOUT || header.n_dims != n_dims || header.n_words != search.table.n_words) {
        return Search::NOT_READY;
    }
    const float* centre = reinterpret_cast<const float*>(search.table.bytes + parts.centre);
    const std::size_t width = rounded_up(n_dims, LANES);
    std::unique_ptr<Block> block(new Block);
    std::unique_ptr<PointItem[]> items(new PointItem[BLOCK * width]());
    for (std::size_t first = 0; first < search.n_points; first += BLOCK) {
        const std::size_t n_rows = search.n_points - first < BLOCK ? search.n_points - first : BLOCK;
        clear(block.get(), n_rows, search.m);
        for (std::size_t row = 0; row < n_rows; ++row) {
            const float* point = search.points + (first + row) * n_dims;
            if (!place_point(point, n_dims, centre, header, block.get(), row, items.get() + row * width)) {
                return Search::NOT_FINITE;
            }
        }
        for (std::size_t panel = 0; panel < parts.n_panels; panel += CHUNK_PANELS) {
            score_chunk(block.get(), n_rows, items.get(), width, search, parts, panel);
        }
        for (std::size_t row = 0; row < n_rows; ++row) decide(search, *block, row, first + row);
    }
    return Search::DONE;
}

}  // namespace classicvision::CV_ISA
