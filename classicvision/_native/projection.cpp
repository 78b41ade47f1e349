// Descriptors in principal directions: the product of their bytes, or of their RootSIFT, with a basis, in 16 bits.
//
// y = (sum_j root(b_j) B_j) / root(sum_j b_j) - offset, so RootSIFT costs one division per row. Integer sums are
// exact; only the last steps, in float32, may differ between instruction sets.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "isa.h"
#include "kernels.h"
#include "projection_rows.h"

namespace classicvision::CV_ISA {
namespace {

// Points and vectors of results that one pass over the dimensions keeps in registers.
constexpr std::size_t TILE_ROWS = REGISTERS == 32 ? 5 : 4;
constexpr std::size_t TILE_WIDTH = REGISTERS == 32 ? 5 : 2;

// Write the integers of a descriptor, and return the factor of its products.
float read_row(const Projection& projection, const std::uint8_t* bytes, std::int16_t* numbers) {
    const std::size_t n_dims = projection.n_dims, n_whole = n_dims / SHORT_LANES * SHORT_LANES;
    for (std::size_t d = 0; d < n_whole; d += SHORT_LANES) look_up(projection.levels, bytes + d, numbers + d);
    if (n_whole < n_dims) {
        std::uint8_t last[SHORT_LANES] = {};
        std::memcpy(last, bytes + n_whole, n_dims - n_whole);
        look_up(projection.levels, last, numbers + n_whole);
    }
    if (!projection.are_roots) return 1.0f;
    const std::int32_t total = sum_of_bytes(bytes, n_dims);
    return total > 0 ? 1.0f / std::sqrt(static_cast<float>(total)) : 0.0f;
}

template <std::size_t WIDTH>
CV_STEP void multiply(const Projection& projection, const std::int16_t* numbers, const std::int16_t* basis,
                      Ints* results) {
    Ints sums[TILE_ROWS][WIDTH] = {};
    for (std::size_t j = 0; j < projection.n_pairs; ++j) {
        Ints factors[WIDTH];
        for (std::size_t v = 0; v < WIDTH; ++v) {
            factors[v] = load<Ints>(basis + (j * projection.n_padded + v * LANES) * 2);
        }
        for (std::size_t i = 0; i < TILE_ROWS; ++i) {
            std::int32_t two;
            std::memcpy(&two, numbers + i * MOST_DESCRIPTOR_BYTES + 2 * j, sizeof two);
            const Ints pair = spread_as<Ints>(two);
            for (std::size_t v = 0; v < WIDTH; ++v) sums[i][v] = add_pairs(sums[i][v], factors[v], pair);
        }
    }
    for (std::size_t i = 0; i < TILE_ROWS; ++i) {
        for (std::size_t v = 0; v < WIDTH; ++v) results[i * TILE_WIDTH + v] = sums[i][v];
    }
}

// The same for a width from 1 to WIDTH that is known only now.
template <std::size_t WIDTH = TILE_WIDTH>
void multiply_some(const Projection& projection, std::size_t width, const std::int16_t* numbers,
                   const std::int16_t* basis, Ints* results) {
    if (WIDTH == 1 || width == WIDTH) return multiply<WIDTH>(projection, numbers, basis, results);
    if constexpr (WIDTH > 1) multiply_some<WIDTH - 1>(projection, width, numbers, basis, results);
}

// The output: rows of `stride` numbers, of which n_stored may be written, less a centre.
struct Rows {
    float* points;
    std::size_t stride, n_stored;
    const float* centre;
};

// Write n_rows points, at most TILE_ROWS.
void project_tile(const Projection& projection, const Descriptors& descriptors, std::size_t start, std::size_t n_rows,
                  const Rows& rows, std::int16_t* numbers) {
    float scales[TILE_ROWS];
    for (std::size_t i = 0; i < TILE_ROWS; ++i) {
        const std::size_t row = start + std::min(i, n_rows - 1);
        scales[i] =
            read_row(projection, descriptors.bytes + row * projection.n_dims, numbers + i * MOST_DESCRIPTOR_BYTES);
    }
    const std::size_t n_vectors = projection.n_padded / LANES, n_parts = (n_vectors + TILE_WIDTH - 1) / TILE_WIDTH;
    for (std::size_t part = 0; part < n_parts; ++part) {
        const std::size_t first = part * n_vectors / n_parts, end = (part + 1) * n_vectors / n_parts;
        Ints results[TILE_ROWS * TILE_WIDTH];
        multiply_some(projection, end - first, numbers, projection.basis + first * SHORT_LANES, results);
        for (std::size_t v = first; v < end; ++v) {
            const Floats step = load(projection.steps + v * LANES), offset = load(projection.offset + v * LANES);
            const Floats centre = load(rows.centre + v * LANES);
            const std::size_t n_stored = rows.n_stored - std::min(rows.n_stored, v * LANES);
            for (std::size_t i = 0; i < n_rows; ++i) {
                const Floats found = to_floats(results[i * TILE_WIDTH + v - first]) * (step * spread(scales[i]));
                store_first(rows.points + i * rows.stride + v * LANES, found - offset - centre, n_stored);
            }
        }
    }
    for (std::size_t i = 0; i < n_rows; ++i) {
        float* to = rows.points + i * rows.stride + projection.n_out;
        const float* place = descriptors.places + (start + i) * projection.n_places;
        for (std::size_t k = 0; k < projection.n_places; ++k) {
            to[k] = place[k] * projection.scales[k] - rows.centre[projection.n_out + k];
        }
    }
}

// Write n points, from the descriptor `start` on.
void project_to(const Projection& projection, const Descriptors& descriptors, std::size_t start, std::size_t n,
                Rows rows) {
    alignas(64) std::int16_t numbers[TILE_ROWS * MOST_DESCRIPTOR_BYTES];
    for (std::size_t i = 0; i < n; i += TILE_ROWS, rows.points += TILE_ROWS * rows.stride) {
        project_tile(projection, descriptors, start + i, std::min(TILE_ROWS, n - i), rows, numbers);
    }
}

}  // namespace

void project_points(const ProjectPoints& task) {
    const float no_centre[MOST_POINT_NUMBERS] = {};
    const Projection& projection = task.projection;
    project_to(projection, task.descriptors, 0, task.descriptors.n,
               {task.points, projection.n_numbers(), projection.n_out, no_centre});
}

void project_rows(const Projection& projection, const Descriptors& descriptors, std::size_t start, std::size_t n,
                  const float* centre, std::size_t n_padded, float* points) {
    for (std::size_t i = 0; i < n; ++i) {
        std::fill(points + i * n_padded + projection.n_padded, points + (i + 1) * n_padded, 0.0f);
    }
    project_to(projection, descriptors, start, n, {points, n_padded, n_padded, centre});
}

}  // namespace classicvision::CV_ISA
