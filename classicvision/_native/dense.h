// The interface of dense SIFT: one cell size on one image, plain values in, columns of patches out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arena.h"

namespace classicvision {

struct DenseImage {
    const std::uint8_t* gray;  // height x width, row by row
    int width;
    int height;
};

struct DenseSettings {
    int step;              // from one patch to the next, pixels
    int bin_size;          // side of a cell, pixels
    int first;             // centre of the first cell of the first patch, in both x and y
    double magnification;  // bin_size divided by the sigma of the initial blur
    double window;         // sigma of the window, in sides of a cell
    double contrast;       // patches with a smaller response are skipped
};

// Columns with room for every patch of the grid; `n` of them are filled.
struct DensePatches {
    float* xy;                  // centres, x and y interleaved
    float* response;            // norm of the histogram over bin_size^2, grey in [0, 1]
    std::uint8_t* descriptors;  // 128 each
    std::size_t n;
};

constexpr int MAX_BIN_SIZE = 256;  // the largest whose sums fit 32 bits

// How many patches have all their cells' centres within `length` pixels.
inline int count_patches(int length, const DenseSettings& settings) {
    const long long range = static_cast<long long>(length) - 1 - settings.first - 3LL * settings.bin_size;
    return range < 0 ? 0 : static_cast<int>(range / settings.step) + 1;
}

}  // namespace classicvision
