// The m words nearest to each point, exactly: products of bytes in few directions choose candidates, float64 decides.
//
// Squared distances are compared as |w|^2 - 2 p.w, the distance less |p|^2, which is the same for all words. Distances
// do not change if the mean c of the words is subtracted from both sides: p' = p - c, w' = w - c. Means of descriptors
// lie near a subspace of few dimensions. With its basis B, (n_kept, D), a word is
//
//     w' = B^T a^ + r,   a^ = B w' rounded to bytes times a step,                                                   (1)
//
// and with q = B p', q^ the bytes of q times a step, e = q - q^, and p* = p' - B^T q,
//
//     p'.w' = q.a^ + p'.r = q^.a^ + e.a^ + q.(B r) + p*.r,
//     |p'.w' - q^.a^| <= |e| |a^| + |q| |B r| + |p*| |r|,                                                           (2)
//
// by Cauchy-Schwarz. The lengths are measured, not assumed: |r| per word, the others as maxima. So the bytes of n_kept
// directions bound the score of a word from below, and a word whose bound lies above the m-th best
// score cannot be among the m nearest. Any matrix with orthonormal rows is a valid B; the principal directions of the
// words leave the fewest candidates. Without a basis B is the identity and p* is 0.
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "isa.h"
#include "kernels.h"
#include "words.h"
#include "words_block.h"
#include "words_compare.h"
#include "words_points.h"
#include "words_table.h"

namespace classicvision::CV_ISA {
namespace {

// Order the candidates of one point by their distance in float64 and then by index, and write the first m.
CV_STEP void decide(const NearestWords& search, const Block& block, std::size_t row, std::size_t point) {
    std::int32_t* indices = search.indices + point * search.m;
    if (block.n_candidates[row] < 0) {
        indices[0] = -1;
        return;
    }
    double distances[MOST_NEAREST];
    std::size_t n = 0;
    const std::size_t n_dims = search.table.n_dims, n_candidates = static_cast<std::size_t>(block.n_candidates[row]);
    std::size_t near[CANDIDATES], n_near = 0;
    for (std::size_t i = 0; i < n_candidates; ++i) {
        if (!(block.distance[row][i] > block.reach[row])) near[n_near++] = i;
    }
    if (n_near == 1 && !search.squared_distances) {
        indices[0] = block.candidate[row][near[0]];
        return;
    }
    for (std::size_t i = 0; i < n_near; ++i) {
        const std::int32_t word = block.candidate[row][near[i]];
        const double distance =
            squared_distance(block.point[row], search.table.words + static_cast<std::size_t>(word) * n_dims, n_dims);
        const auto is_nearer = [&](std::size_t than) {
            return distance < distances[than] || (distance == distances[than] && word < indices[than]);
        };
        std::size_t place = n < search.m ? n++ : search.m;
        if (place == search.m && !is_nearer(--place)) continue;
        for (; place > 0 && is_nearer(place - 1); --place) {
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

// Score the words of one chunk, from panel `first` on, and compare those that can be near.
void search_chunk(Block* block, std::size_t n_rows, const PointItem* items, std::size_t width,
                  const NearestWords& search, const Parts& parts, float longest_rest, std::size_t first) {
    const float* norms = reinterpret_cast<const float*>(search.table.bytes + parts.norms) + first * PANEL;
    const float* rests = reinterpret_cast<const float*>(search.table.bytes + parts.rests) + first * PANEL;
    const WordItem* panels = reinterpret_cast<const WordItem*>(search.table.bytes + parts.panels);
    const std::size_t left = parts.n_panels - first, most = CHUNK / PANEL, n_panels = left < most ? left : most;
    for (std::size_t i = 0; i < n_panels; ++i) {
        const WordItem* panel = panels + (first + i) * PANEL * parts.n_groups * GROUP;
        for (std::size_t row = 0; row < n_rows; row += TILE_POINTS) {
            score_tile(block, row, items + row * width, width, parts.n_groups, panel, norms + i * PANEL,
                       rests + i * PANEL, i);
        }
    }
    look_through(block, n_rows, n_panels / SET_PANELS, search.table, longest_rest, first * PANEL, search.m);
}

// Load points into a block; returns false for numbers that are not finite or too large.
bool place_points(Block* block, const NearestWords& search, std::size_t first, std::size_t n_rows, const Parts& parts,
                  const Header& header, PointItem* items) {
    const std::size_t n_dims = search.table.n_dims;
    const float* centre = reinterpret_cast<const float*>(search.table.bytes + parts.centre);
    for (std::size_t row = 0; row < n_rows; ++row) {
        block->point[row] = read_point(search.points, first + row, block->room[row]);
        if (!subtract_centre(block->point[row], n_dims, centre, block->rest[row], &block->norm[row])) return false;
    }
    if (header.n_kept < n_dims) {
        const float* basis = reinterpret_cast<const float*>(search.table.bytes + parts.basis);
        for (std::size_t row = 0; row < n_rows; row += PROJECTED) project(block, row, basis, n_dims, parts.width);
    }
    for (std::size_t row = 0; row < n_rows; ++row) place_point(block, row, header, items + row * parts.width);
    return true;
}

}  // namespace

std::size_t words_table_size(std::size_t n_words, std::size_t n_dims, std::size_t n_kept) {
    return parts_of(n_words, n_dims, n_kept).size;
}

void prepare_words(const WordTable& table) {
    const Parts parts = parts_of(table.n_words, table.n_dims, table.n_kept);
    std::memset(table.bytes, 0, parts.size);
    Preparation preparation(table, parts);
    preparation.find_centre();
    const float skew = at_least_root(preparation.place_basis());
    const float step = preparation.find_step();
    double longest = 0, longest_rest = 0, longest_error = 0;
    for (std::size_t k = 0; k < table.n_words; ++k) {
        preparation.place(k, step, &longest, &longest_rest, &longest_error);
    }
    // Padding is never near.
    float* norms = reinterpret_cast<float*>(table.bytes + parts.norms);
    for (std::size_t k = table.n_words; k < parts.n_panels * PANEL; ++k) {
        norms[k] = std::numeric_limits<float>::infinity();
    }
    const Header header{LAYOUT,
                        static_cast<std::uint32_t>(table.n_dims),
                        table.n_words,
                        static_cast<std::uint32_t>(table.n_kept),
                        step,
                        at_least_root(longest),
                        at_least_root(longest_rest),
                        at_least_root(longest_error),
                        skew};
    std::memcpy(table.bytes, &header, sizeof header);
}

Search nearest_words(const NearestWords& search) {
    const std::size_t n_dims = search.table.n_dims, n_kept = search.table.n_kept;
    const Parts parts = parts_of(search.table.n_words, n_dims, n_kept);
    Header header;
    std::memcpy(&header, search.table.bytes, sizeof header);
    if (header.layout != LAYOUT || header.n_dims != n_dims || header.n_words != search.table.n_words ||
        header.n_kept != n_kept) {
        return Search::NOT_READY;
    }
    std::unique_ptr<Block> block(new Block());
    std::unique_ptr<PointItem[]> items(new PointItem[BLOCK * parts.width]());
    for (std::size_t first = 0; first < search.points.n_points; first += BLOCK) {
        const std::size_t left = search.points.n_points - first, n_rows = left < BLOCK ? left : BLOCK;
        if (!place_points(block.get(), search, first, n_rows, parts, header, items.get())) return Search::NOT_FINITE;
        for (std::size_t panel = 0; panel < parts.n_panels; panel += CHUNK / PANEL) {
            search_chunk(block.get(), n_rows, items.get(), parts.width, search, parts, header.longest_rest, panel);
        }
        for (std::size_t row = 0; row < n_rows; ++row) decide(search, *block, row, first + row);
    }
    return Search::DONE;
}

}  // namespace classicvision::CV_ISA
