// Least-squares transforms: the moments that similarity and affinity are computed from, and the homography.
//
// The same steps as in classicvision/matching/geometry.py, which explains them. Sums are taken in the order of the
// points, in float64, so every instruction set gives the same bits.
#include <cmath>
#include <limits>

#include "isa.h"
#include "kernels.h"
#include "match.h"

namespace classicvision::CV_ISA {
namespace {

constexpr int UNKNOWN = 8;

void mean_of(const double* xy, std::size_t n, double* mean) {
    mean[0] = mean[1] = 0;
    for (std::size_t i = 0; i < n; ++i) {
        mean[0] += xy[2 * i];
        mean[1] += xy[2 * i + 1];
    }
    mean[0] /= static_cast<double>(n);
    mean[1] /= static_cast<double>(n);
}

// x' = scale * (x - shift): centred points of about unit spread.
struct Normalisation {
    double shift[2], scale;
};

Normalisation normalisation_of(const double* xy, std::size_t n) {
    Normalisation norm{{0, 0}, 0};
    mean_of(xy, n, norm.shift);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double x = xy[2 * i] - norm.shift[0], y = xy[2 * i + 1] - norm.shift[1];
        squares += x * x + y * y;
    }
    const double size = std::sqrt(squares / static_cast<double>(2 * n));
    norm.scale = 1 / (size > 1e-9 ? size : 1e-9);
    return norm;
}

// The normal equations (lower triangle) of a Gauss-Newton step from h; returns the squared error of h, infinite where a
// point lies beyond the horizon.
double linearise(const FitHomography& task, const Normalisation& na, const Normalisation& nb, const double* h,
                 double normal[UNKNOWN][UNKNOWN], double* gradient) {
    double error = 0;
    for (int i = 0; i < UNKNOWN; ++i) {
        gradient[i] = 0;
        for (int j = 0; j < UNKNOWN; ++j) normal[i][j] = 0;
    }
    for (std::size_t k = 0; k < task.n; ++k) {
        const double x = (task.a[2 * k] - na.shift[0]) * na.scale, y = (task.a[2 * k + 1] - na.shift[1]) * na.scale;
        const double weight = h[6] * x + h[7] * y + h[8];
        if (!(weight > 0)) return std::numeric_limits<double>::infinity();
        const double p = (h[0] * x + h[1] * y + h[2]) / weight, q = (h[3] * x + h[4] * y + h[5]) / weight;
        const double ep = (task.b[2 * k] - nb.shift[0]) * nb.scale - p,
                     eq = (task.b[2 * k + 1] - nb.shift[1]) * nb.scale - q;
        error += ep * ep + eq * eq;
        const double u = x / weight, v = y / weight, w = 1 / weight;
        // The rows of the equations: (u v w 0 0 0 -pu -pv) for p, and (0 0 0 u v w -qu -qv) for q.
        const double own[3] = {u, v, w}, by_p[2] = {-p * u, -p * v}, by_q[2] = {-q * u, -q * v};
        for (int i = 0; i < 3; ++i) {
            gradient[i] += own[i] * ep;
            gradient[3 + i] += own[i] * eq;
            for (int j = 0; j <= i; ++j) normal[i][j] += own[i] * own[j];
            for (int j = 0; j < 2; ++j) {
                normal[6 + j][i] += by_p[j] * own[i];
                normal[6 + j][3 + i] += by_q[j] * own[i];
            }
        }
        for (int i = 0; i < 2; ++i) {
            gradient[6 + i] += by_p[i] * ep + by_q[i] * eq;
            for (int j = 0; j <= i; ++j) normal[6 + i][6 + j] += by_p[i] * by_p[j] + by_q[i] * by_q[j];
        }
    }
    for (int i = 0; i < 3; ++i) {
        for (int j = 0; j <= i; ++j) normal[3 + i][3 + j] = normal[i][j];
    }
    return error;
}

// Solve (normal + ridge) step = gradient by Cholesky decomposition; returns false if it fails.
bool solve(double normal[UNKNOWN][UNKNOWN], const double* gradient, double* step) {
    double trace = 0;
    for (int i = 0; i < UNKNOWN; ++i) trace += normal[i][i];
    for (int i = 0; i < UNKNOWN; ++i) normal[i][i] += 1e-12 * trace;
    for (int i = 0; i < UNKNOWN; ++i) {
        for (int j = 0; j <= i; ++j) {
            double sum = normal[i][j];
            for (int k = 0; k < j; ++k) sum -= normal[i][k] * normal[j][k];
            if (i != j) {
                normal[i][j] = sum / normal[j][j];
            } else {
                if (!(sum > 0)) return false;
                normal[i][i] = std::sqrt(sum);
            }
        }
    }
    for (int i = 0; i < UNKNOWN; ++i) {
        double sum = gradient[i];
        for (int k = 0; k < i; ++k) sum -= normal[i][k] * step[k];
        step[i] = sum / normal[i][i];
    }
    for (int i = UNKNOWN - 1; i >= 0; --i) {
        double sum = step[i];
        for (int k = i + 1; k < UNKNOWN; ++k) sum -= normal[k][i] * step[k];
        step[i] = sum / normal[i][i];
    }
    return true;
}

// h = B^-1 g A for the normalisations A and B, with h33 = 1.
void without_normalisation(const double* g, const Normalisation& na, const Normalisation& nb, double* h) {
    double right[9];
    for (int i = 0; i < 3; ++i) {
        right[3 * i] = g[3 * i] * na.scale;
        right[3 * i + 1] = g[3 * i + 1] * na.scale;
        right[3 * i + 2] = g[3 * i + 2] - right[3 * i] * na.shift[0] - right[3 * i + 1] * na.shift[1];
    }
    for (int j = 0; j < 3; ++j) {
        h[j] = right[j] / nb.scale + nb.shift[0] * right[6 + j];
        h[3 + j] = right[3 + j] / nb.scale + nb.shift[1] * right[6 + j];
        h[6 + j] = right[6 + j];
    }
    for (int i = 0; i < 8; ++i) h[i] /= h[8];
    h[8] = 1;
}

// g = B h A^-1.
void with_normalisation(const double* h, const Normalisation& na, const Normalisation& nb, double* g) {
    double right[9];
    for (int i = 0; i < 3; ++i) {
        right[3 * i] = h[3 * i] / na.scale;
        right[3 * i + 1] = h[3 * i + 1] / na.scale;
        right[3 * i + 2] = h[3 * i] * na.shift[0] + h[3 * i + 1] * na.shift[1] + h[3 * i + 2];
    }
    for (int j = 0; j < 3; ++j) {
        g[j] = (right[j] - nb.shift[0] * right[6 + j]) * nb.scale;
        g[3 + j] = (right[3 + j] - nb.shift[1] * right[6 + j]) * nb.scale;
        g[6 + j] = right[6 + j];
    }
    for (int i = 0; i < 8; ++i) g[i] /= g[8];
    g[8] = 1;
}

}  // namespace

void find_moments(const FindMoments& task) {
    double *mean_a = task.moments, *mean_b = mean_a + 2, *products = mean_a + 4;
    mean_of(task.a, task.n, mean_a);
    mean_of(task.b, task.n, mean_b);
    double xx = 0, xy = 0, yy = 0, xu = 0, xv = 0, yu = 0, yv = 0;
    for (std::size_t i = 0; i < task.n; ++i) {
        const double x = task.a[2 * i] - mean_a[0], y = task.a[2 * i + 1] - mean_a[1];
        const double u = task.b[2 * i] - mean_b[0], v = task.b[2 * i + 1] - mean_b[1];
        xx += x * x;
        xy += x * y;
        yy += y * y;
        xu += x * u;
        xv += x * v;
        yu += y * u;
        yv += y * v;
    }
    const double found[8] = {xx, xy, xy, yy, xu, xv, yu, yv};
    for (int i = 0; i < 8; ++i) products[i] = found[i];
}

void fit_homography(const FitHomography& task) {
    const Normalisation na = normalisation_of(task.a, task.n), nb = normalisation_of(task.b, task.n);
    double h[9], best[9];
    with_normalisation(task.h, na, nb, h);
    for (int i = 0; i < 9; ++i) best[i] = h[i];
    double error = std::numeric_limits<double>::infinity();
    for (int number = 0; number < task.n_steps; ++number) {
        double normal[UNKNOWN][UNKNOWN], gradient[UNKNOWN], step[UNKNOWN];
        const double new_error = linearise(task, na, nb, h, normal, gradient);
        if (!(new_error < error)) break;
        const bool is_settled = new_error > (1 - task.settled) * error;
        error = new_error;
        for (int i = 0; i < 9; ++i) best[i] = h[i];
        if (is_settled || !solve(normal, gradient, step)) break;
        for (int i = 0; i < UNKNOWN; ++i) h[i] += step[i];
    }
    without_normalisation(best, na, nb, task.h);
}

}  // namespace classicvision::CV_ISA
