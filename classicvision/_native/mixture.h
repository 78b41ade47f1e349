// Points in their principal directions, and what they say about a mixture of Gaussians: what the binding hands to the
// kernels in project.cpp and mixture.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace classicvision {

class Arena;

constexpr std::size_t MOST_MIXTURE_DIMENSIONS = 512;
constexpr std::size_t MOST_COMPONENTS = 4096;

constexpr std::size_t MOST_DESCRIPTOR_BYTES = 1024;
constexpr float ROOT_LEVELS = 512;  // the root of a byte is rounded to a whole number of such parts

// Descriptors as bytes, or as the RootSIFT of bytes, times a basis and less an offset.
struct ProjectPoints {
    const std::uint8_t* bytes;  // (n_points, n_dims)
    std::size_t n_points;
    std::size_t n_dims;
    bool are_roots;
    // (n_pairs, n_padded, 2): of each 2 * LANES dimensions, filled up with zeros, the first LANES stand beside the
    // others. No sum of products may reach 2^31.
    const std::int16_t* basis;
    std::size_t n_pairs;
    std::size_t n_padded;  // a multiple of LANES
    const float* steps;    // (n_padded,): what 1 is worth in a sum of products
    const float* offset;  // (n_padded,)
    float* points;        // (n_points, n_columns): the first n_out numbers of each row are written
    std::size_t n_out;    // at most n_padded
    std::size_t n_columns;
};

// K components in D dimensions. All widths are padded: dimensions to a multiple of LANES, components to one of
// MIXTURE_PANEL. A padded dimension has mean 0 and precision 0; a padded component is never named.
struct Mixture {
    std::size_t n_components;
    std::size_t n_dims;
    const float* means;       // (n_components, n_padded)
    const float* roots;       // (n_components, n_padded): 1 / deviation
    const float* log_peaks;   // (n_components,): logarithm of weight times density at the mean
    std::size_t n_padded;
    // The screen: for pairs (z, z^2) with z = (x - centre) * scale, one product in 16 bits.
    const float* centre;      // (n_padded,)
    const float* scales;      // (n_padded,): of the difference
    const float* largest;     // (2, n_padded): factor of any component, of z and of z^2
    const std::int16_t* factors;  // (n_panels, n_dims, MIXTURE_PANEL, 2)
    std::size_t n_panels;
    const float* steps;       // (n_panels * MIXTURE_PANEL,): what 1 is worth in the factors of a component
    const float* offsets;     // (n_panels * MIXTURE_PANEL,)
    const float* point_errors;   // (n_panels * MIXTURE_PANEL,): of a score, for each unit by which a point is rounded
    const float* factor_errors;  // ... for each unit of the sum of the sizes of the point's numbers
};

struct AddMoments {
    Mixture mixture;
    const float* points;  // (n_points, n_dims)
    std::size_t n_points;
    float least_share;    // components of a smaller density than this share of the largest one are left out
    float log_least_share;
    double* zeroth;       // (n_components,), added to
    double* first;        // (n_components, n_dims), added to
    double* second;       // (n_components, n_dims), added to
};

}  // namespace classicvision
