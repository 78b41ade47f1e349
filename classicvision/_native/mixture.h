// Projections and moments under a mixture of Gaussians: what the binding passes to the kernels in projection.cpp and
// mixture.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace classicvision {

class Arena;

constexpr std::size_t MOST_MIXTURE_DIMENSIONS = 512;
constexpr std::size_t MOST_COMPONENTS = 4096;
constexpr std::size_t MOST_DESCRIPTOR_BYTES = 1024;
constexpr std::size_t MOST_POINT_NUMBERS = 1024;

// From a descriptor to a point: its bytes mapped to integers, times a basis, less an offset; then its position, scaled.
struct Projection {
    std::size_t n_dims;          // bytes of a descriptor
    const std::int16_t* levels;  // (256,): the integer for each byte
    bool are_roots;              // RootSIFT: sums of products are divided by the square root of the sum of the bytes
    // (n_pairs, n_padded, 2): by pairs of dimensions, zero-padded to a multiple of 2 * LANES. No sum of products may
    // reach 2^31.
    const std::int16_t* basis;
    std::size_t n_pairs;
    std::size_t n_padded;  // a multiple of LANES
    const float* steps;    // (n_padded,): the unit of a sum of products
    const float* offset;   // (n_padded,)
    std::size_t n_out;     // at most n_padded
    const float* scales;   // (n_places,)
    std::size_t n_places;

    std::size_t n_numbers() const { return n_out + n_places; }
};

struct Descriptors {
    const std::uint8_t* bytes;  // (n, n_dims)
    const float* places;        // (n, n_places)
    std::size_t n;
};

struct ProjectPoints {
    Projection projection;
    Descriptors descriptors;
    float* points;  // (n, n_out + n_places), written
};

constexpr float Z_ZERO = 128;  // the level of a z of 0: levels of z are from 1 to 255
// Rounding errors, uniform up to h_i each, are treated as independent: their sum rarely exceeds LIKELY times the root
// of the sum of h_i^2, which is 3.5 deviations. Where it does, a component close to the least share is skipped, or one
// close to a large share keeps its rounded score.
constexpr float LIKELY = 2;

// K components in D dimensions. All widths are padded: dimensions to a multiple of LANES, components to one of
// MIXTURE_PANEL. A padded dimension has mean 0 and precision 0; a padded component is never near.
struct Mixture {
    std::size_t n_components;
    std::size_t n_dims;
    const float* roots;           // (n_components, n_padded): 1 / deviation
    const float* shifts;          // (n_components, n_padded): (centre - mean) / deviation
    const std::uint8_t* are_far;  // (n_components,): whether the sums must be taken of deviates
    const float* log_peaks;       // (n_components,): logarithm of weight times density at the mean
    std::size_t n_padded;
    // The screen, one product of bytes: z = (x - centre) * scale and q = z^2 * ratio, times factors.
    const float* to_levels;      // (4, n_padded): centre, scale, ratio, and the factor of q common to all components
    const std::int8_t* factors;  // (n_panels, n_quads, MIXTURE_PANEL, 4): of z, q, the next dimension's z, q
    std::size_t n_panels;
    std::size_t n_quads;         // (n_dims + 1) / 2
    const std::int32_t* starts;  // (n_panels * MIXTURE_PANEL,): initial sums, which cancel Z_ZERO
    // (3, n_panels * MIXTURE_PANEL): the unit of the factors; an offset; the error of a score at a point with an error
    // of 1
    const float* columns;
    // A point's error is the larger one of its step times inverse_step and its size times inverse_size.
    float inverse_step, inverse_size;
};

struct AddMoments {
    Mixture mixture;
    std::size_t n_points;
    const float* points;  // (n_points, n_dims), or null: projected from descriptors
    Projection projection;
    Descriptors descriptors;
    float least_share;  // components whose density is a smaller share of the largest are skipped
    float log_least_share;
    double* zeroth;  // (n_components,), added to
    double* first;   // (n_components, n_dims), added to
    double* second;  // (n_components, n_dims), added to
};

}  // namespace classicvision
