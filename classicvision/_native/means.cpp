// The sums from which k-means takes its means: the second half of a pass of Lloyd's algorithm (Lloyd 1982).
#include "isa.h"
#include "kernels.h"
#include "words.h"

namespace classicvision::CV_ISA {

// Add each point to the sum of its word, in the order of the points, in float64.
void add_points(const AddPoints& task) {
    for (std::size_t i = 0; i < task.n_points; ++i) {
        const std::size_t word = static_cast<std::size_t>(task.labels[i]);
        const float* point = task.points + i * task.n_dims;
        double* sum = task.sums + word * task.n_dims;
        for (std::size_t d = 0; d < task.n_dims; ++d) sum[d] += point[d];
        ++task.counts[word];
    }
}

}  // namespace classicvision::CV_ISA
