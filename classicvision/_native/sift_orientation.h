// The directions of a blob, from the gradients around it (Lowe 2004, section 5).
#pragma once

#include <algorithm>

#include "sift_localise.h"

namespace classicvision::CV_ISA {

constexpr int N_BINS = 36;
constexpr double WINDOW = 1.5;      // sigma of the weights, in scales of the blob
constexpr double REACH = 3.0;       // half the side of the square used, in sigmas of the weights
constexpr float PEAK_RATIO = 0.8f;  // smaller peaks count from this fraction of the highest on
constexpr double PI = 3.14159265358979323846;

// atan2(y, x) to about 1e-5 radians by a polynomial in min / max; 0 where both are 0.
CV_INLINE Floats arc_tangent(Floats y, Floats x) {
    const Floats zero = spread(0.0f), width = magnitude(x), height = magnitude(y);
    const Floats ratio = smaller(width, height) / (larger(width, height) + spread(1e-30f));
    const Floats square = ratio * ratio;
    Floats angle = fused(square, spread(-0.01172120f), spread(0.05265332f));
    angle = fused(square, angle, spread(-0.11643287f));
    angle = fused(square, angle, spread(0.19354346f));
    angle = fused(square, angle, spread(-0.33262347f));
    angle = fused(square, angle, spread(0.99997726f)) * ratio;
    angle = choose(height > width, spread(static_cast<float>(PI / 2)) - angle, angle);
    angle = choose(x < zero, spread(static_cast<float>(PI)) - angle, angle);
    return choose(y < zero, zero - angle, angle);
}

inline int orientation_reach(double sigma) { return static_cast<int>(std::nearbyint(REACH * WINDOW * sigma)); }

// Scratch of one direction histogram: the samples of the square, one after the other, and up to LANES more.
struct DirectionScratch {
    float* weight;  // of a column, and of a row
    float *dx, *dy;
    float* vote;  // initially the weight
    std::int32_t* bin;
};

constexpr int N_COUNTS = 2 * N_BINS;  // before bins a full rotation apart are merged

// Take the gradients (differences of the neighbours, not halved) and weights of row y in the columns [first, last].
template <typename Sample>
CV_INLINE void take_row(const Level<Sample>& level, int y, int first, int last, float row_weight, const float* weight,
                        const DirectionScratch& scratch, int n_before) {
    const Sample *above = level.rows[y - 1], *here = level.rows[y], *below = level.rows[y + 1];
    for (int x = first; x <= last; x += LANES) {
        const int i = n_before + x - first;
        store(scratch.dx + i, load_difference(here + x + 1, here + x - 1));
        store(scratch.dy + i, load_difference(below + x, above + x));
        store(scratch.vote + i, load(weight + x - first) * spread(row_weight));
    }
}

// Convert n gradients to votes for bins.
CV_STEP inline void find_directions(const DirectionScratch& scratch, int n) {
    for (int i = 0; i < n; i += LANES) {
        const Floats dx = load(scratch.dx + i), dy = load(scratch.dy + i);
        store(scratch.vote + i, root(fused(dx, dx, dy * dy)) * load(scratch.vote + i));
        // From -18.5 to 18.5 bins; 36.5 more makes it positive and rounds to the nearest.
        const Floats bins = spread(static_cast<float>(N_BINS / (2 * PI)));
        store(scratch.bin + i, to_ints(fused(arc_tangent(dy, dx), bins, spread(N_BINS + 0.5f))));
    }
}

// Add n votes to four histograms that are summed later, so that a vote rarely waits for the previous one.
CV_STEP inline void count_votes(const DirectionScratch& scratch, int n, float (*counts)[N_COUNTS]) {
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int k = 0; k < 4; ++k) counts[k][scratch.bin[i + k]] += scratch.vote[i + k];
    }
    for (; i < n; ++i) counts[0][scratch.bin[i]] += scratch.vote[i];
}

// Fill the 36 bins around a sample, smoothed once with (1, 4, 6, 4, 1) / 16.
template <typename Sample>
void count_directions(const Level<Sample>& level, int width, int height, const Place& at, double sigma,
                      const DirectionScratch& scratch, float* smooth) {
    const int reach = orientation_reach(sigma);
    const int top = std::max(at.row - reach, 1), bottom = std::min(at.row + reach, height - 2);
    const int first = std::max(at.column - reach, 1), last = std::min(at.column + reach, width - 2);
    const double scale = -1 / (2 * WINDOW * WINDOW * sigma * sigma);
    for (int d = 0; d <= reach; ++d) {
        scratch.weight[reach - d] = scratch.weight[reach + d] = static_cast<float>(std::exp(d * d * scale));
    }
    int n = 0;
    for (int y = top; y <= bottom; ++y, n += last - first + 1) {
        const float row_weight = scratch.weight[reach + y - at.row];
        take_row(level, y, first, last, row_weight, scratch.weight + reach + first - at.column, scratch, n);
    }
    find_directions(scratch, n);
    float counts[4][N_COUNTS] = {};
    count_votes(scratch, n, counts);
    for (int i = 0; i < N_COUNTS; ++i) counts[0][i] += counts[1][i] + counts[2][i] + counts[3][i];
    float sum[N_BINS + 4];
    for (int i = 0; i < N_BINS; ++i) sum[i + 2] = counts[0][i] + counts[0][i + N_BINS];
    sum[0] = sum[N_BINS], sum[1] = sum[N_BINS + 1], sum[N_BINS + 2] = sum[2], sum[N_BINS + 3] = sum[3];
    for (int i = 0; i < N_BINS; ++i) {
        smooth[i] = (6 * sum[i + 2] + 4 * (sum[i + 1] + sum[i + 3]) + (sum[i] + sum[i + 4])) / 16;
    }
}

// Call `use` with the angle of each peak, in [0, 2 pi).
template <typename Use>
inline void for_each_peak(const float* counts, Use use) {
    const float highest = *std::max_element(counts, counts + N_BINS);
    for (int i = 0; i < N_BINS; ++i) {
        const float left = counts[i ? i - 1 : N_BINS - 1], top = counts[i], right = counts[i + 1 < N_BINS ? i + 1 : 0];
        if (!(top > left && top > right && top >= PEAK_RATIO * highest)) continue;
        // The top of the parabola through three neighbouring bins.
        const float exact = static_cast<float>(i) + 0.5f * (left - right) / (left - 2 * top + right);
        const float angle = static_cast<float>((exact < 0 ? exact + N_BINS : exact) * (2 * PI / N_BINS));
        use(angle < static_cast<float>(2 * PI) ? angle : 0.0f);
    }
}

}  // namespace classicvision::CV_ISA
