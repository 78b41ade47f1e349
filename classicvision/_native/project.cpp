// Descriptors in their principal directions: the product of bytes, or of their RootSIFT, with a basis, in 16 bits.
//
// y = (sum_j root(b_j) B_j) / root(sum_j b_j) - offset, so that the division of RootSIFT is done once for a row. Integer
// sums are exact: but for the last steps in float32 the results are the same bits on every instruction set.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "isa_shorts.h"
#include "isa_whole.h"
#include "kernels.h"
#include "mixture.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t MOST_PAIRS = MOST_DESCRIPTOR_BYTES / 2;
// Points and vectors of results that one pass over the dimensions keeps in registers.
#if defined(__AVX512F__)
constexpr std::size_t TILE_ROWS = 5;
constexpr std::size_t TILE_WIDTH = 5;
#else
constexpr std::size_t TILE_ROWS = 4;
constexpr std::size_t TILE_WIDTH = 2;
#endif

// What LANES bytes are as factors.
CV_INLINE Ints levels_of(const ProjectPoints& task, Ints bytes) {
    return task.are_roots ? rounded_level(root(to_floats(bytes)) * spread(ROOT_LEVELS)) : bytes;
}

// Write the pairs of a row, and return what the products are multiplied with at last.
float read_row(const ProjectPoints& task, std::size_t row, std::int32_t* pairs) {
    const std::uint8_t* bytes = task.bytes + row * task.n_dims;
    std::int32_t total = 0;
    for (std::size_t d = 0; d < task.n_dims; ++d) total += bytes[d];
    for (std::size_t d = 0; d < task.n_dims; d += SHORT_LANES, bytes += SHORT_LANES, pairs += LANES) {
        std::uint8_t last[SHORT_LANES] = {};
        if (task.n_dims - d < SHORT_LANES) std::memcpy(last, bytes, task.n_dims - d);
        const std::uint8_t* from = task.n_dims - d < SHORT_LANES ? last : bytes;
        const Ints low = levels_of(task, load_bytes(from)), high = levels_of(task, load_bytes(from + LANES));
        store(pairs, joined(low, shifted_up(high, 16)));
    }
    if (!task.are_roots) return 1.0f;
    return total > 0 ? 1.0f / std::sqrt(static_cast<float>(total)) : 0.0f;
}

template <std::size_t WIDTH>
CV_STEP void multiply(const ProjectPoints& task, const std::int32_t* pairs, const std::int16_t* basis, Ints* results) {
    Ints sums[TILE_ROWS][WIDTH] = {};
    for (std::size_t j = 0; j < task.n_pairs; ++j) {
        Ints factors[WIDTH];
        for (std::size_t v = 0; v < WIDTH; ++v) factors[v] = load<Ints>(basis + (j * task.n_padded + v * LANES) * 2);
        for (std::size_t i = 0; i < TILE_ROWS; ++i) {
            const Ints pair = spread_as<Ints>(pairs[i * MOST_PAIRS + j]);
            for (std::size_t v = 0; v < WIDTH; ++v) sums[i][v] = add_pairs(sums[i][v], factors[v], pair);
        }
    }
    for (std::size_t i = 0; i < TILE_ROWS; ++i) {
        for (std::size_t v = 0; v < WIDTH; ++v) results[i * TILE_WIDTH + v] = sums[i][v];
    }
}

void multiply_some(const ProjectPoints& task, std::size_t width, const std::int32_t* pairs, const std::int16_t* basis,
                   Ints* results) {
    switch (width) {
#if defined(__AVX512F__)
        case 5: return multiply<5>(task, pairs, basis, results);
        case 4: return multiply<4>(task, pairs, basis, results);
        case 3: return multiply<3>(task, pairs, basis, results);
#endif
        case 2: return multiply<2>(task, pairs, basis, results);
        default: return multiply<1>(task, pairs, basis, results);
    }
}

}  // namespace

void project_points(const ProjectPoints& task) {
    alignas(64) std::int32_t pairs[TILE_ROWS * MOST_PAIRS];
    const std::size_t n_vectors = task.n_padded / LANES;
    const std::size_t n_parts = (n_vectors + TILE_WIDTH - 1) / TILE_WIDTH;
    for (std::size_t start = 0; start < task.n_points; start += TILE_ROWS) {
        const std::size_t n_rows = std::min(TILE_ROWS, task.n_points - start);
        float scales[TILE_ROWS] = {};
        for (std::size_t i = 0; i < TILE_ROWS; ++i) {
            scales[i] = read_row(task, start + std::min(i, n_rows - 1), pairs + i * MOST_PAIRS);
        }
        for (std::size_t part = 0; part < n_parts; ++part) {
            const std::size_t first = part * n_vectors / n_parts, end = (part + 1) * n_vectors / n_parts;
            Ints results[TILE_ROWS * TILE_WIDTH];
            multiply_some(task, end - first, pairs, task.basis + first * SHORT_LANES, results);
            for (std::size_t i = 0; i < n_rows; ++i) {
                float* to = task.points + (start + i) * task.n_columns;
                for (std::size_t v = first; v < end; ++v) {
                    const Floats factors = load(task.steps + v * LANES) * spread(scales[i]);
                    const Floats found = to_floats(results[i * TILE_WIDTH + v - first]) * factors;
                    store_first(to + v * LANES, found - load(task.offset + v * LANES),
                                task.n_out - std::min(task.n_out, v * LANES));
                }
            }
        }
    }
}

}  // namespace classicvision::CV_ISA
