// Points as float32, from any storage.
#pragma once

#include <cstdint>

#include "isa.h"
#include "words.h"

namespace classicvision::CV_ISA {
namespace {

// Write bytes as they are, or as RootSIFT: divided by their sum, then square-rooted (Arandjelovic and Zisserman 2012,
// section 2). Sums of bytes are exact, quotients and roots correctly rounded: the bits are those of NumPy.
CV_STEP void floats_of_bytes(const std::uint8_t* bytes, std::size_t n_dims, bool are_roots, float* values) {
    std::int32_t total = 0;
    for (std::size_t d = 0; d < n_dims; ++d) total += bytes[d];
    const bool are_plain = !are_roots || total == 0;
    for (std::size_t d = 0; d < n_dims; ++d) values[d] = static_cast<float>(bytes[d]);
    if (are_plain) return;
    const Floats divisor = spread(static_cast<float>(total));
    std::size_t d = 0;
    for (; d + LANES <= n_dims; d += LANES) store(values + d, root(load(values + d) / divisor));
    for (; d < n_dims; ++d) values[d] = std::sqrt(values[d] / static_cast<float>(total));
}

// Point i; `room` for n_dims numbers is used if it is stored as bytes.
CV_INLINE const float* read_point(const Points& points, std::size_t i, float* room) {
    if (points.kind == Points::Kind::FLOATS) return static_cast<const float*>(points.data) + i * points.n_dims;
    const std::uint8_t* bytes = static_cast<const std::uint8_t*>(points.data) + i * points.n_dims;
    floats_of_bytes(bytes, points.n_dims, points.kind == Points::Kind::ROOTS, room);
    return room;
}

}  // namespace
}  // namespace classicvision::CV_ISA
