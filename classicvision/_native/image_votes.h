// Votes of a query's keypoints for images: near postings, weighted, and summed where they agree on rotation and scale.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hamming.h"

namespace classicvision {

struct VoteSearch {
    HammingSearch near;
    const std::uint16_t* rows;         // of the images of the postings, ascending in each list
    const std::uint8_t* angles;        // of the postings, 256 steps per full rotation
    const std::uint8_t* scales;        // of the postings, 16 steps per octave
    const std::uint8_t* query_angles;  // (n_queries,)
    const std::uint8_t* query_scales;  // (n_queries,)
    const float* weights;              // (n_queries,)
    std::size_t n_rows;
};

// Write the largest sum of agreeing votes of each image, (n_rows,); 0 for an image without votes. Returns false, and
// writes nothing, if the row of a posting is out of range. Throws std::bad_alloc.
bool find_largest_agreements(const VoteSearch& search, double* largest);

}  // namespace classicvision
