// Projection to the working memory of another kernel.
#pragma once

#include "isa.h"
#include "mixture.h"

namespace classicvision::CV_ISA {

// Write n points, from the descriptor `start` on, less a centre, as rows of n_padded numbers: whole vectors,
// zero-padded.
void project_rows(const Projection& projection, const Descriptors& descriptors, std::size_t start, std::size_t n,
                  const float* centre, std::size_t n_padded, float* points);

}  // namespace classicvision::CV_ISA
