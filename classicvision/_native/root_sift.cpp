// RootSIFT in bytes (Arandjelovic and Zisserman 2012).
#include <cmath>

#include "isa.h"
#include "kernels.h"
#include "match.h"

namespace classicvision::CV_ISA {
namespace {

// RootSIFT of n numbers, at most LANES.
CV_INLINE void write_roots(const std::uint8_t* from, std::uint8_t* to, std::size_t n, Floats factor) {
    std::uint8_t bytes[LANES] = {};
    std::memcpy(bytes, from, n);
    const Ints rounded = rounded_level(root(to_floats(load_bytes(bytes))) * factor);
    store_bytes(to, smaller(rounded, spread_as<Ints>(255)), n);
}

}  // namespace

// RootSIFT of norm 512: 512 sqrt(v / sum), rounded, at most 255 (Arandjelovic and Zisserman 2012).
void root_bytes(const RootBytes& task) {
    const std::size_t n_dims = task.n_dims;
    for (std::size_t i = 0; i < task.n; ++i) {
        const std::uint8_t* row = task.descriptors + i * n_dims;
        std::uint8_t* to = task.roots + i * n_dims;
        std::uint32_t sum = 0;
        for (std::size_t d = 0; d < n_dims; ++d) sum += row[d];
        const Floats factor = spread(512.0f / std::sqrt(static_cast<float>(sum ? sum : 1)));
        std::size_t d = 0;
        // With a constant length the copies are single instructions.
        for (; d + LANES <= n_dims; d += LANES) write_roots(row + d, to + d, LANES, factor);
        if (d < n_dims) write_roots(row + d, to + d, n_dims - d, factor);
    }
}

}  // namespace classicvision::CV_ISA
