// Dense SIFT at the border: one size of cells on one picture, plain values in, columns of patches out.
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
    int first;             // centre of the first cell of the first patch, in x and in y
    double magnification;  // bin_size over the sigma to which the picture is blurred first
    double window;         // sigma of the window, in sides of a cell
    double contrast;       // patches of a smaller response are left out
};

// Columns with room for every patch of the grid; `n` of them are filled.
struct DensePatches {
    float* xy;                  // centres, x and y in turn
    float* response;            // norm of the histogram over bin_size^2, grey in [0, 1]
    std::uint8_t* descriptors;  // 128 each
    std::size_t n;
};

constexpr int MAX_BIN_SIZE = 256;  // what 32 bits can add up

// How many patches have all their cells' centres within `length` pixels.
inline int count_patches(int length, const DenseSettings& settings) {
    const long long range = static_cast<long long>(length) - 1 - settings.first - 3LL * settings.bin_size;
    return range < 0 ? 0 : static_cast<int>(range / settings.step) + 1;
}

}  // namespace classicvision
