// What the blurs of both precisions share: the Gaussian, the mirrored border, and where samples are kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "isa.h"

namespace classicvision::CV_ISA {

// How a level keeps its values. float32: grey in [0, 1]. int16, the fast precision: (grey of 256 - 127.5) * 128, so
// that the difference of two of them fits too.
template <typename Sample>
struct Stored;

template <>
struct Stored<float> {
    using Vector = Floats;
    static constexpr double UNIT = 1.0;  // of a difference of grey 1
};

template <>
struct Stored<std::int16_t> {
    using Vector = Shorts;
    static constexpr double UNIT = 255.0 * 128;
};

template <typename Sample>
constexpr int LANES_OF = 4 * LANES / static_cast<int>(sizeof(Sample));

// Row length in samples: an odd number of cache lines, so that consecutive rows do not compete for one cache set.
template <typename Sample>
std::size_t row_stride(std::size_t width) {
    constexpr std::size_t line = 64 / sizeof(Sample);
    const std::size_t n_lines = (width + LANES_OF<Sample> + line - 1) / line;
    return line * (n_lines | 1);
}

// Radius in samples of a kernel: OpenCV's round(8 sigma + 1) | 1 taps.
inline int blur_radius(double sigma) { return (static_cast<int>(std::nearbyint(sigma * 8 + 1)) | 1) / 2; }

// Tap j of a Gaussian cut off at the radius, and the sum of all taps.
inline double gaussian(double sigma, int j) { return std::exp(-0.5 * j * j / (sigma * sigma)); }
inline double gaussian_sum(double sigma, int radius) {
    double sum = 0;
    for (int j = -radius; j <= radius; ++j) sum += gaussian(sigma, j);
    return sum;
}

// The sigma with which a Gaussian cut off at 3 sigma keeps its variance.
inline double widened(double sigma, int radius) {
    if (sigma < 0.8) return sigma;  // too few taps to match the variance
    double wide = sigma;
    for (int step = 0; step < 8; ++step) {
        double variance = 0;
        for (int j = 1; j <= radius; ++j) variance += 2 * j * j * gaussian(wide, j);
        wide *= sigma / std::sqrt(variance / gaussian_sum(wide, radius));
    }
    return wide;
}

// The index of sample i of n samples mirrored at both ends.
inline int mirrored(int i, int n) {
    if (n == 1) return 0;
    while (i < 0 || i >= n) i = i < 0 ? -i : 2 * n - 2 - i;
    return i;
}

template <typename Sample>
void mirror_ends(Sample* row, int width, int radius) {
    const bool is_wide = width > radius;  // the usual case: nothing is mirrored twice
    for (int j = 1; j <= radius; ++j) {
        row[-j] = row[is_wide ? j : mirrored(-j, width)];
        row[width - 1 + j] = row[is_wide ? width - 1 - j : mirrored(width - 1 + j, width)];
    }
}

// One Gaussian, and the scratch rows that all of one precision share.
template <typename Sample>
class Blur;
template <typename Sample>
struct BlurScratch;

}  // namespace classicvision::CV_ISA
