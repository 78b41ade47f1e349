// The two nearest descriptors in the other image, in both directions, in one pass over the distances.
//
// With bytes a and b, |a - b|^2 = |a|^2 + |b|^2 - 2 a.b in integers. Blocks of rows of a are compared with chunks of
// b, panel by panel; while the distances are in cache, the two smallest of each row and of each column are kept.
#include <cstring>

#include "arena.h"
#include "isa.h"
#include "kernels.h"
#include "match.h"
#include "nearest_two_keys.h"
#include "nearest_two_product.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t BLOCK = 24;                      // rows of a compared together
constexpr std::size_t CHUNK = LANES < 8 ? 512 : 1024;  // rows of b compared together: they stay in the L2 cache
static_assert(BLOCK % TILE_ROWS == 0 && CHUNK % PANEL == 0, "blocks and chunks are cut into whole tiles and panels");
static_assert(BLOCK <= MOST_NUMBERED && CHUNK / LANES <= MOST_NUMBERED, "keys have room for rows and for vectors");

constexpr std::size_t rounded_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

struct Buffers {
    ItemA* a;               // (BLOCK, width)
    std::int32_t* norms_a;  // (BLOCK,)
    ItemB* panels;          // (CHUNK / PANEL, width, PANEL)
    std::int32_t* rests;    // (CHUNK,) |b|^2, less what ZERO_OF_A adds
    std::int32_t* keys;     // (BLOCK, PANEL) squared distances as keys, without numbers
    TwoKeys* rows;          // (BLOCK,)
    TwoLeast* columns;      // (CHUNK / LANES,)
};

std::int32_t squared_norm(const std::uint8_t* row, std::size_t n) {
    std::int32_t sum = 0;
    for (std::size_t d = 0; d < n; ++d) sum += static_cast<std::int32_t>(row[d]) * row[d];
    return sum;
}

void fill_panels(const NearestTwo& task, std::size_t first, std::size_t n, std::size_t width, const Buffers& buffers) {
    const std::size_t n_padded = rounded_up(n, PANEL), n_dims = task.n_dims;
    std::memset(buffers.panels, 0, n_padded * width * sizeof(ItemB));
    for (std::size_t j = 0; j < n; ++j) {
        const std::uint8_t* CV_RESTRICT row = task.b + (first + j) * n_dims;
        ItemB* CV_RESTRICT to = buffers.panels + j / PANEL * PANEL * width + j % PANEL * GROUP;
        std::int32_t sum = 0;
        for (std::size_t d = 0; d < n_dims; ++d) sum += row[d];
        std::size_t d = 0;
        for (; d + GROUP <= n_dims; d += GROUP) {
            for (std::size_t g = 0; g < GROUP; ++g) to[d * PANEL + g] = static_cast<ItemB>(row[d + g]);
        }
        for (std::size_t g = 0; d + g < n_dims; ++g) to[d * PANEL + g] = static_cast<ItemB>(row[d + g]);
        buffers.rests[j] = squared_norm(row, n_dims) - 2 * ZERO_OF_A * sum;
    }
    for (std::size_t j = n; j < n_padded; ++j) buffers.rests[j] = 0;
}

void fill_block(const NearestTwo& task, std::size_t first, std::size_t n, std::size_t width, const Buffers& buffers) {
    const std::size_t n_dims = task.n_dims;
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint8_t* CV_RESTRICT row = task.a + (first + i) * n_dims;
        ItemA* CV_RESTRICT to = buffers.a + i * width;
        for (std::size_t d = 0; d < n_dims; ++d)
            to[d] = static_cast<ItemA>(static_cast<std::int32_t>(row[d]) - ZERO_OF_A);
        for (std::size_t d = n_dims; d < width; ++d) to[d] = 0;  // b is zero there too
        buffers.norms_a[i] = squared_norm(row, n_dims);
    }
}

// The keys of a block and of the panel at `column`, which has n columns and padding.
CV_STEP void compare(const Buffers& buffers, std::size_t n_rows, std::size_t column, std::size_t n, std::size_t width) {
    for (std::size_t row = 0; row < n_rows; row += TILE_ROWS) {
        compare_tile(buffers.a + row * width, buffers.norms_a + row, buffers.panels + column * width,
                     buffers.rests + column, width, buffers.keys + row * PANEL);
    }
    for (std::size_t row = 0; row < n_rows; ++row) {
        for (std::size_t i = n; i < PANEL; ++i) buffers.keys[row * PANEL + i] = NO_KEY;
    }
}

CV_STEP void look_along_rows(const Buffers& buffers, std::size_t n_rows, std::size_t column) {
    const Ints first = spread_as<Ints>(static_cast<std::int32_t>(column / LANES)), one = spread_as<Ints>(1);
    for (std::size_t row = 0; row < n_rows; ++row) {
        TwoKeys least = buffers.rows[row];
        Ints number = first;
        for (std::size_t i = 0; i < PANEL; i += LANES) {
            least.see(load<Ints>(buffers.keys + row * PANEL + i) | number);
            number = number + one;
        }
        buffers.rows[row] = least;
    }
}

CV_STEP void look_along_columns(const Buffers& buffers, std::size_t n_rows, std::size_t first_row, std::size_t column) {
    const Ints one = spread_as<Ints>(1);
    for (std::size_t i = 0; i < PANEL; i += LANES) {
        TwoKeys least = no_keys();
        Ints number = {};
        for (std::size_t row = 0; row < n_rows; ++row) {
            least.see(load<Ints>(buffers.keys + row * PANEL + i) | number);
            number = number + one;
        }
        TwoLeast& known = buffers.columns[(column + i) / LANES];
        known.see(least.first, first_row);
        known.see(least.second, first_row);
    }
}

void write_columns(const Buffers& buffers, std::size_t n, std::size_t first, const Neighbours& of_b) {
    for (std::size_t j = 0; j < n; ++j) {
        const TwoLeast& least = buffers.columns[j / LANES];
        const int lane = static_cast<int>(j % LANES);
        std::int32_t* rows = of_b.rows + 2 * (first + j);
        float* squared = of_b.squared + 2 * (first + j);
        rows[0] = static_cast<std::int32_t>(least.first_at[lane]);
        rows[1] = static_cast<std::int32_t>(least.second_at[lane]);
        squared[0] = rows[0] < 0 ? NO_DISTANCE : least.first[lane];
        squared[1] = rows[1] < 0 ? NO_DISTANCE : least.second[lane];
    }
}

Buffers take_buffers(Arena& arena, std::size_t width) {
    const std::size_t padding = 16 * Arena::ALIGNMENT;
    arena.reserve(BLOCK * width * sizeof(ItemA) + BLOCK * 4 + CHUNK * width * sizeof(ItemB) + CHUNK * 4 +
                  BLOCK * PANEL * 4 + BLOCK * sizeof(TwoKeys) + CHUNK / LANES * sizeof(TwoLeast) + padding);
    Buffers buffers;
    buffers.a = arena.take<ItemA>(BLOCK * width);
    buffers.norms_a = arena.take<std::int32_t>(BLOCK);
    buffers.panels = arena.take<ItemB>(CHUNK * width);
    buffers.rests = arena.take<std::int32_t>(CHUNK);
    buffers.keys = arena.take<std::int32_t>(BLOCK * PANEL);
    buffers.rows = arena.take<TwoKeys>(BLOCK);
    buffers.columns = arena.take<TwoLeast>(CHUNK / LANES);
    return buffers;
}

}  // namespace

void nearest_two(const NearestTwo& task, Arena& arena) {
    const std::size_t width = rounded_up(task.n_dims, GROUP);
    const Buffers buffers = take_buffers(arena, width);
    std::memset(buffers.a, 0, BLOCK * width * sizeof(ItemA));
    std::memset(buffers.norms_a, 0, BLOCK * sizeof(std::int32_t));
    for (std::size_t i = 0; i < 2 * task.n_a; ++i) {
        task.of_a.rows[i] = -1;
        task.of_a.squared[i] = NO_DISTANCE;
    }
    for (std::size_t first = 0; first < task.n_b; first += CHUNK) {
        const std::size_t n_columns = task.n_b - first < CHUNK ? task.n_b - first : CHUNK;
        fill_panels(task, first, n_columns, width, buffers);
        for (std::size_t i = 0; i < CHUNK / LANES; ++i) buffers.columns[i] = nothing_seen();
        for (std::size_t row = 0; row < task.n_a; row += BLOCK) {
            const std::size_t n_rows = task.n_a - row < BLOCK ? task.n_a - row : BLOCK;
            fill_block(task, row, n_rows, width, buffers);
            for (std::size_t i = 0; i < n_rows; ++i) buffers.rows[i] = no_keys();
            for (std::size_t column = 0; column < n_columns; column += PANEL) {
                const std::size_t n = n_columns - column < PANEL ? n_columns - column : PANEL;
                compare(buffers, n_rows, column, n, width);
                look_along_rows(buffers, n_rows, column);
                look_along_columns(buffers, n_rows, row, column);
            }
            for (std::size_t i = 0; i < n_rows; ++i) {
                const std::size_t at = 2 * (row + i);
                place_lanes(buffers.rows[i], first, task.of_a.rows + at, task.of_a.squared + at);
            }
        }
        write_columns(buffers, n_columns, first, task.of_b);
    }
}

}  // namespace classicvision::CV_ISA
