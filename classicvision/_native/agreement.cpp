// For each match, the number of matches that agree with the similarity its two frames determine (Philbin et al. 2007).
//
// Match m determines b = s a + t: s is the rotation and scale between its frames, t maps its keypoint exactly. Match n
// agrees if
//     k^2 |s (a_n - a_m) - (b_n - b_m)|^2 <= tip^2 + cone^2 k^2 |s (a_n - a_m)|^2
// and if its rotation and scale are close. k = min(1, 1 / |s|) converts to pixels of the image that shows the region
// smaller.
// NumPy does the same operations in the same order, so the counts are equal.
#include <limits>

#include "arena.h"
#include "isa.h"
#include "kernels.h"
#include "match.h"

namespace classicvision::CV_ISA {

namespace {
enum { XA, YA, XB, YB, RE, IM, COSINE, SINE, LOG_SCALE, N_COLUMNS };
}

void count_agreeing(const CountAgreeing& task, Arena& arena) {
    const std::size_t n_padded = (task.n + LANES - 1) / LANES * LANES;
    arena.reserve(N_COLUMNS * (n_padded * sizeof(float) + Arena::ALIGNMENT));
    float* column[N_COLUMNS];
    for (int c = 0; c < N_COLUMNS; ++c) {
        const float* from = c == LOG_SCALE ? task.log_scale : task.columns + static_cast<std::size_t>(c) * task.n;
        column[c] = arena.take<float>(n_padded);
        for (std::size_t i = 0; i < task.n; ++i) column[c][i] = from[i];
        // NaN agrees with nothing.
        for (std::size_t i = task.n; i < n_padded; ++i) column[c][i] = std::numeric_limits<float>::quiet_NaN();
    }
    const Floats tip = spread(task.tip * task.tip), cone = spread(task.cone * task.cone);
    const Floats least_cosine = spread(task.least_cosine), most_log_scale = spread(task.most_log_scale);
    for (std::size_t m = 0; m < task.n; ++m) {
        const Floats re = spread(column[RE][m]), im = spread(column[IM][m]);
        const float squared = column[RE][m] * column[RE][m] + column[IM][m] * column[IM][m];
        const Floats k = spread(squared > 1 ? 1 / squared : 1.0f);
        Ints count = {};
        for (std::size_t n = 0; n < n_padded; n += LANES) {
            const Floats dx = load(column[XA] + n) - spread(column[XA][m]);
            const Floats dy = load(column[YA] + n) - spread(column[YA][m]);
            const Floats sx = re * dx - im * dy, sy = im * dx + re * dy;
            const Floats ex = sx - (load(column[XB] + n) - spread(column[XB][m]));
            const Floats ey = sy - (load(column[YB] + n) - spread(column[YB][m]));
            const Floats cosine =
                load(column[COSINE] + n) * spread(column[COSINE][m]) + load(column[SINE] + n) * spread(column[SINE][m]);
            const Floats scale = magnitude(load(column[LOG_SCALE] + n) - spread(column[LOG_SCALE][m]));
            const Ints agrees = (k * (ex * ex + ey * ey) <= tip + cone * (k * (sx * sx + sy * sy))) &
                                (cosine >= least_cosine) & (scale <= most_log_scale);
            count = count - agrees;  // -1 where it does
        }
        std::int32_t sum = 0;
        for (int lane = 0; lane < LANES; ++lane) sum += count[lane];
        task.counts[m] = sum;
    }
}

}  // namespace classicvision::CV_ISA
