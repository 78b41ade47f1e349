// Reprojection errors of matches under a transform, and the number of inliers.
//
// The same steps as in classicvision/matching/correspondences.py, which explains them. Every instruction set gives the
// same bits.
#include <cmath>
#include <limits>

#include "arena.h"
#include "isa.h"
#include "kernels.h"
#include "match.h"

namespace classicvision::CV_ISA {
namespace {

// The distance between `to` and the transformed `from`; infinite if the frames disagree with the transform.
CV_INLINE double error_of(const Expected& expected, const double* from, const double* to, double turn, double ratio) {
    const double* h = expected.to_from_from;
    const double turn_about = 6.283185307179586;
    const double weight = h[6] * from[0] + h[7] * from[1] + h[8];
    const double dx = (h[0] * from[0] + h[1] * from[1] + h[2]) / weight - to[0];
    const double dy = (h[3] * from[0] + h[4] * from[1] + h[5]) / weight - to[1];
    turn -= expected.turn;
    turn -= turn_about * std::nearbyint(turn / turn_about);
    const bool agrees =
        std::fabs(turn) <= expected.most_turn && std::fabs(ratio - expected.log_ratio) <= expected.most_log_ratio;
    const double error = std::sqrt(dx * dx + dy * dy);
    return agrees && error == error ? error : std::numeric_limits<double>::infinity();
}

}  // namespace

void find_errors(const FindErrors& task) {
    for (std::size_t i = 0; i < task.n; ++i) {
        task.errors[i] = error_of(task.expected, task.from + 2 * i, task.to + 2 * i, task.turn[i], task.log_ratio[i]);
    }
}

void count_paired(const CountPaired& task) {
    for (std::size_t t = 0; t < task.n_tolerances; ++t) task.counts[t] = 0;
    for (std::size_t s = 0; s < task.n_shifts; ++s) {
        const std::size_t shift = static_cast<std::size_t>(task.shifts[s]) % task.n;
        for (std::size_t i = 0; i < task.n; ++i) {
            const std::size_t j = i + shift < task.n ? i + shift : i + shift - task.n;
            const double turn = task.angle[task.n + j] - task.angle[i];
            const double ratio = task.log_scale[task.n + j] - task.log_scale[i];
            const double *a = task.a + 2 * i, *b = task.b + 2 * j;
            const double error = error_of(task.expected, task.from_b ? b : a, task.from_b ? a : b, turn, ratio);
            for (std::size_t t = 0; t < task.n_tolerances; ++t) task.counts[t] += error <= task.tolerances[t];
        }
    }
}

void count_places(const CountPlaces& task, Arena& arena) {
    arena.reserve(task.n * sizeof(std::int32_t) + Arena::ALIGNMENT);
    std::int32_t* least = arena.take<std::int32_t>(task.n);
    const std::int32_t n_levels = static_cast<std::int32_t>(task.n_tolerances);
    for (std::int32_t t = 0; t < n_levels; ++t) task.counts[t] = 0;
    for (std::size_t i = 0; i < task.n; ++i) least[i] = n_levels;
    for (std::size_t i = 0; i < task.n; ++i) {
        std::int32_t level = 0;
        for (std::int32_t t = 0; t < n_levels; ++t) level += !(task.errors[i] <= task.tolerances[t]);
        std::int32_t& known = least[task.places[i]];
        known = level < known ? level : known;
    }
    for (std::size_t i = 0; i < task.n; ++i) {
        for (std::int32_t t = least[i]; t < n_levels; ++t) ++task.counts[t];
    }
}

}  // namespace classicvision::CV_ISA
