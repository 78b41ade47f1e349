// Sums of the points of each word, from which k-means takes its means: the second half of an iteration (Lloyd 1982).
#include "isa.h"
#include "kernels.h"
#include "words.h"
#include "words_points.h"

namespace classicvision::CV_ISA {

// Add each point to the sum of its word, in the order of the points, in float64.
void add_points(const AddPoints& task) {
    const std::size_t n_dims = task.points.n_dims;
    float room[MOST_DIMENSIONS];
    for (std::size_t i = 0; i < task.points.n_points; ++i) {
        const std::size_t word = static_cast<std::size_t>(task.labels[i]);
        const float* CV_RESTRICT point = read_point(task.points, i, room);
        double* CV_RESTRICT sum = task.sums + word * n_dims;
        for (std::size_t d = 0; d < n_dims; ++d) sum[d] += point[d];
        ++task.counts[word];
    }
}

}  // namespace classicvision::CV_ISA
