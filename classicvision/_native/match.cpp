// The two nearest descriptors, for two pictures in both directions, in one pass over their distances.
//
// With bytes a and b, |a - b|^2 = |a|^2 + |b|^2 - 2 a.b in whole numbers. Blocks of rows of a are compared with chunks of
// b; while a block of distances is in the cache, the two smallest of each row and of each column are kept.
#include <cmath>
#include <cstring>

#include "arena.h"
#include "isa.h"
#include "kernels.h"
#include "match.h"
#include "match_product.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t BLOCK = 24;  // rows of a compared together
constexpr std::size_t CHUNK = 1024;  // rows of b compared together: their distances stay in the L2 cache
static_assert(BLOCK % TILE_ROWS == 0 && CHUNK % PANEL == 0, "blocks and chunks are cut into whole tiles and panels");

constexpr std::size_t rounded_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

// Lanes from n bytes, and back; the lanes beyond are zero.
CV_INLINE Floats load_bytes(const std::uint8_t* from, std::size_t n) {
    std::uint8_t bytes[LANES] = {};
    std::memcpy(bytes, from, n);
#if CV_VECTOR_TYPES
    typedef std::uint8_t Bytes __attribute__((vector_size(LANES)));
    Bytes values;
    std::memcpy(&values, bytes, sizeof values);
    return __builtin_convertvector(values, Floats);
#else
    Floats values;
    for (int lane = 0; lane < LANES; ++lane) values[lane] = bytes[lane];
    return values;
#endif
}
CV_INLINE void store_bytes(std::uint8_t* to, Floats values, std::size_t n) {
    const Ints whole = to_ints(values);
#if CV_VECTOR_TYPES
    typedef std::uint8_t Bytes __attribute__((vector_size(LANES)));
    const Bytes bytes = __builtin_convertvector(whole, Bytes);
    std::memcpy(to, &bytes, n);
#else
    for (std::size_t lane = 0; lane < n; ++lane) to[lane] = static_cast<std::uint8_t>(whole[static_cast<int>(lane)]);
#endif
}

// The two smallest numbers that each lane has seen, and where they stood.
struct TwoLeast {
    Floats first, first_at, second, second_at;

    // Equal numbers keep their order.
    CV_INLINE void see(Floats value, Floats at) {
#if defined(CV_INTRINSICS) && defined(__AVX512F__)
        const __m512 v = (__m512)value;
        const __mmask16 is_first = _mm512_cmp_ps_mask(v, (__m512)first, _CMP_LT_OQ);
        const __mmask16 is_second = _mm512_cmp_ps_mask(v, (__m512)second, _CMP_LT_OQ);
        const __m512 pushed = _mm512_mask_mov_ps((__m512)at, is_first, (__m512)first_at);
        second_at = (Floats)_mm512_mask_mov_ps((__m512)second_at, is_second, pushed);
        first_at = (Floats)_mm512_mask_mov_ps((__m512)first_at, is_first, (__m512)at);
#else
        const Ints is_first = value < first, is_second = value < second;
        second_at = choose(is_second, choose(is_first, first_at, at), second_at);
        first_at = choose(is_first, at, first_at);
#endif
        second = smaller(second, larger(first, value));
        first = smaller(first, value);
    }
};

CV_INLINE TwoLeast nothing_seen() {
    return {spread(NO_DISTANCE), spread(-1.0f), spread(NO_DISTANCE), spread(-1.0f)};
}

// Bring one more candidate into the two of a row; smaller rows win where distances are equal.
CV_INLINE void place(float squared, std::int32_t at, std::int32_t* rows, float* distances) {
    if (at < 0) return;
    const auto before = [&](int i) {
        return squared < distances[i] || (squared == distances[i] && (rows[i] < 0 || at < rows[i]));
    };
    if (before(0)) {
        rows[1] = rows[0];
        distances[1] = distances[0];
        rows[0] = at;
        distances[0] = squared;
    } else if (before(1)) {
        rows[1] = at;
        distances[1] = squared;
    }
}

void place_lanes(const TwoLeast& least, std::int32_t* rows, float* distances) {
    float first[LANES], first_at[LANES], second[LANES], second_at[LANES];
    store(first, least.first);
    store(first_at, least.first_at);
    store(second, least.second);
    store(second_at, least.second_at);
    for (int lane = 0; lane < LANES; ++lane) {
        if (first[lane] > distances[1]) continue;
        place(first[lane], static_cast<std::int32_t>(first_at[lane]), rows, distances);
        place(second[lane], static_cast<std::int32_t>(second_at[lane]), rows, distances);
    }
}

struct Buffers {
    ItemA* a;                // (BLOCK, width)
    std::int32_t* norms_a;   // (BLOCK,)
    ItemB* panels;           // (CHUNK / PANEL, width, PANEL)
    std::int32_t* rests;     // (CHUNK,) |b|^2, less what ZERO_OF_A adds
    float* distances;        // (BLOCK, CHUNK)
    TwoLeast* columns;       // (CHUNK / LANES,)
};

std::int32_t squared_norm(const std::uint8_t* row, std::size_t n) {
    std::int32_t sum = 0;
    for (std::size_t d = 0; d < n; ++d) sum += static_cast<std::int32_t>(row[d]) * row[d];
    return sum;
}

void fill_panels(const NearestTwo& task, std::size_t first, std::size_t n, std::size_t width, const Buffers& buffers) {
    const std::size_t n_padded = rounded_up(n, PANEL);
    std::memset(buffers.panels, 0, n_padded * width * sizeof(ItemB));
    for (std::size_t j = 0; j < n; ++j) {
        const std::uint8_t* row = task.b + (first + j) * task.n_dims;
        ItemB* to = buffers.panels + j / PANEL * PANEL * width + j % PANEL * GROUP;
        std::int32_t sum = 0;
        for (std::size_t d = 0; d < task.n_dims; ++d) sum += row[d];
        for (std::size_t d = 0; d < task.n_dims; d += GROUP) {
            const std::size_t n_numbers = task.n_dims - d < GROUP ? task.n_dims - d : GROUP;
            for (std::size_t g = 0; g < n_numbers; ++g) to[d * PANEL + g] = static_cast<ItemB>(row[d + g]);
        }
        buffers.rests[j] = squared_norm(row, task.n_dims) - 2 * ZERO_OF_A * sum;
    }
    // What pads the last panel is farther than anything.
    for (std::size_t j = n; j < n_padded; ++j) buffers.rests[j] = static_cast<std::int32_t>(NO_DISTANCE);
}

void fill_block(const NearestTwo& task, std::size_t first, std::size_t n, std::size_t width, const Buffers& buffers) {
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint8_t* row = task.a + (first + i) * task.n_dims;
        ItemA* to = buffers.a + i * width;
        for (std::size_t d = 0; d < task.n_dims; ++d) to[d] = static_cast<ItemA>(static_cast<std::int32_t>(row[d]) - ZERO_OF_A);
        for (std::size_t d = task.n_dims; d < width; ++d) to[d] = 0;  // b is zero there too
        buffers.norms_a[i] = squared_norm(row, task.n_dims);
    }
}

CV_STEP void compare(const Buffers& buffers, std::size_t n_rows, std::size_t n_columns, std::size_t width) {
    for (std::size_t column = 0; column < n_columns; column += PANEL) {
        for (std::size_t row = 0; row < n_rows; row += TILE_ROWS) {
            compare_tile(buffers.a + row * width, buffers.norms_a + row, buffers.panels + column * width,
                         buffers.rests + column, width, buffers.distances + row * CHUNK + column, CHUNK);
        }
    }
}

CV_STEP void look_along_rows(const Buffers& buffers, std::size_t n_rows, std::size_t n_columns, std::size_t first_row,
                             std::size_t first_column, const Neighbours& of_a) {
    Floats start;
    for (int lane = 0; lane < LANES; ++lane) start[lane] = static_cast<float>(first_column + static_cast<std::size_t>(lane));
    for (std::size_t row = 0; row < n_rows; ++row) {
        const float* distances = buffers.distances + row * CHUNK;
        TwoLeast least = nothing_seen();
        Floats at = start;
        for (std::size_t column = 0; column < n_columns; column += LANES) {
            least.see(load(distances + column), at);
            at = at + spread(static_cast<float>(LANES));
        }
        const std::size_t place = 2 * (first_row + row);
        place_lanes(least, of_a.rows + place, of_a.squared + place);
    }
}

CV_STEP void look_along_columns(const Buffers& buffers, std::size_t n_rows, std::size_t n_columns,
                                std::size_t first_row) {
    for (std::size_t column = 0; column < n_columns; column += LANES) {
        TwoLeast least = buffers.columns[column / LANES];
        for (std::size_t row = 0; row < n_rows; ++row) {
            least.see(load(buffers.distances + row * CHUNK + column), spread(static_cast<float>(first_row + row)));
        }
        buffers.columns[column / LANES] = least;
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
        squared[0] = least.first[lane];
        squared[1] = least.second[lane];
    }
}

Buffers take_buffers(Arena& arena, std::size_t width) {
    const std::size_t padding = 16 * Arena::ALIGNMENT;
    arena.reserve(BLOCK * width * sizeof(ItemA) + BLOCK * 4 + CHUNK * width * sizeof(ItemB) + CHUNK * 4 +
                  BLOCK * CHUNK * 4 + CHUNK / LANES * sizeof(TwoLeast) + padding);
    Buffers buffers;
    buffers.a = arena.take<ItemA>(BLOCK * width);
    buffers.norms_a = arena.take<std::int32_t>(BLOCK);
    buffers.panels = arena.take<ItemB>(CHUNK * width);
    buffers.rests = arena.take<std::int32_t>(CHUNK);
    buffers.distances = arena.take<float>(BLOCK * CHUNK);
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
        const std::size_t n_padded = rounded_up(n_columns, PANEL);
        fill_panels(task, first, n_columns, width, buffers);
        for (std::size_t i = 0; i < n_padded / LANES; ++i) buffers.columns[i] = nothing_seen();
        for (std::size_t row = 0; row < task.n_a; row += BLOCK) {
            const std::size_t n_rows = task.n_a - row < BLOCK ? task.n_a - row : BLOCK;
            fill_block(task, row, n_rows, width, buffers);
            compare(buffers, n_rows, n_padded, width);
            look_along_rows(buffers, n_rows, n_padded, row, first, task.of_a);
            look_along_columns(buffers, n_rows, n_padded, row);
        }
        write_columns(buffers, n_columns, first, task.of_b);
    }
}

namespace {

CV_INLINE void write_roots(const std::uint8_t* from, std::uint8_t* to, std::size_t n, Floats factor) {
    // Adding 1.5 * 2^23 leaves float32 no digits behind the point: the nearest whole number, ties to even.
    const Floats rounded = (root(load_bytes(from, n)) * factor + spread(0x1.8p23f)) - spread(0x1.8p23f);
    store_bytes(to, smaller(rounded, spread(255.0f)), n);
}

}  // namespace

// RootSIFT of norm 512: 512 sqrt(v / sum), rounded, at most 255 (Arandjelovic and Zisserman 2012).
void root_bytes(const RootBytes& task) {
    for (std::size_t i = 0; i < task.n; ++i) {
        const std::uint8_t* row = task.descriptors + i * task.n_dims;
        std::uint8_t* to = task.roots + i * task.n_dims;
        std::uint32_t sum = 0;
        for (std::size_t d = 0; d < task.n_dims; ++d) sum += row[d];
        const Floats factor = spread(512.0f / std::sqrt(static_cast<float>(sum ? sum : 1)));
        std::size_t d = 0;
        // Copies of a length that the compiler knows are one instruction.
        for (; d + LANES <= task.n_dims; d += LANES) write_roots(row + d, to + d, LANES, factor);
        if (d < task.n_dims) write_roots(row + d, to + d, task.n_dims - d, factor);
    }
}

}  // namespace classicvision::CV_ISA
