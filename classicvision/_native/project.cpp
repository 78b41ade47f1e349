// Descriptors in their principal directions: the product of bytes, or of their RootSIFT, with a basis.
//
// y = (sum_j root(b_j) B_j) / root(sum_j b_j) - offset, so that the division of RootSIFT is done once for a row.
#include <algorithm>
#include <cmath>

#include "isa_shorts.h"
#include "isa_whole.h"
#include "kernels.h"
#include "mixture.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t MOST_DIMS = 1024;
// Points and vectors of results that one pass over the dimensions keeps in registers.
#if defined(__AVX512F__)
constexpr std::size_t TILE_ROWS = 5;
constexpr std::size_t TILE_WIDTH = 5;
#else
constexpr std::size_t TILE_ROWS = 4;
constexpr std::size_t TILE_WIDTH = 2;
#endif

// Write the numbers of a row as they are multiplied, and return what the products are multiplied with at last.
float read_row(const ProjectPoints& task, std::size_t row, float* values) {
    const std::uint8_t* bytes = task.bytes + row * task.n_dims;
    std::int32_t total = 0;
    for (std::size_t d = 0; d < task.n_dims; ++d) total += bytes[d];
    std::size_t d = 0;
    for (; d + LANES <= task.n_dims; d += LANES) {
        const Floats plain = to_floats(load_bytes(bytes + d));
        store(values + d, task.are_roots ? root(plain) : plain);
    }
    for (; d < task.n_dims; ++d) {
        const float plain = static_cast<float>(bytes[d]);
        values[d] = task.are_roots ? std::sqrt(plain) : plain;
    }
    if (!task.are_roots) return task.scale;
    return total > 0 ? 1.0f / std::sqrt(static_cast<float>(total)) : 0.0f;
}

template <std::size_t WIDTH>
CV_STEP void multiply(const ProjectPoints& task, const float* values, const float* basis, Floats* results) {
    Floats sums[TILE_ROWS][WIDTH] = {};
    for (std::size_t j = 0; j < task.n_dims; ++j) {
        Floats factors[WIDTH];
        for (std::size_t v = 0; v < WIDTH; ++v) factors[v] = load(basis + j * task.n_padded + v * LANES);
        for (std::size_t i = 0; i < TILE_ROWS; ++i) {
            const Floats value = spread(values[i * MOST_DIMS + j]);
            for (std::size_t v = 0; v < WIDTH; ++v) sums[i][v] = fused(value, factors[v], sums[i][v]);
        }
    }
    for (std::size_t i = 0; i < TILE_ROWS; ++i) {
        for (std::size_t v = 0; v < WIDTH; ++v) results[i * TILE_WIDTH + v] = sums[i][v];
    }
}

void multiply_some(const ProjectPoints& task, std::size_t width, const float* values, const float* basis,
                   Floats* results) {
    switch (width) {
#if defined(__AVX512F__)
        case 5: return multiply<5>(task, values, basis, results);
        case 4: return multiply<4>(task, values, basis, results);
        case 3: return multiply<3>(task, values, basis, results);
#endif
        case 2: return multiply<2>(task, values, basis, results);
        default: return multiply<1>(task, values, basis, results);
    }
}

}  // namespace

void project_points(const ProjectPoints& task) {
    alignas(64) float values[TILE_ROWS * MOST_DIMS];
    const std::size_t n_vectors = task.n_padded / LANES;
    const std::size_t n_parts = (n_vectors + TILE_WIDTH - 1) / TILE_WIDTH;
    for (std::size_t start = 0; start < task.n_points; start += TILE_ROWS) {
        const std::size_t n_rows = std::min(TILE_ROWS, task.n_points - start);
        float scales[TILE_ROWS] = {};
        for (std::size_t i = 0; i < TILE_ROWS; ++i) {
            scales[i] = read_row(task, start + std::min(i, n_rows - 1), values + i * MOST_DIMS);
        }
        for (std::size_t part = 0; part < n_parts; ++part) {
            const std::size_t first = part * n_vectors / n_parts, end = (part + 1) * n_vectors / n_parts;
            Floats results[TILE_ROWS * TILE_WIDTH];
            multiply_some(task, end - first, values, task.basis + first * LANES, results);
            for (std::size_t i = 0; i < n_rows; ++i) {
                float* to = task.points + (start + i) * task.n_columns;
                for (std::size_t v = first; v < end; ++v) {
                    const Floats found = results[i * TILE_WIDTH + v - first] * spread(scales[i]);
                    store_first(to + v * LANES, found - load(task.offset + v * LANES),
                                task.n_out - std::min(task.n_out, v * LANES));
                }
            }
        }
    }
}

}  // namespace classicvision::CV_ISA
