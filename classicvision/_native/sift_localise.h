// From a candidate to the subsample position of its blob (Lowe 2004, section 4).
#pragma once

#include "sift_extrema.h"

namespace classicvision::CV_ISA {

constexpr int MAX_STEPS = 5;  // moves to a neighbouring sample before a candidate is given up
constexpr int MAX_MOVE = 16;  // rows that a candidate may move in total: rows farther away may be overwritten

struct Blob {
    Place place;
    double offset[3];  // of the extremum from the sample, as (layer, row, column)
    double value;      // of the difference of Gaussians there, grey in [0, 1]
    double edgeness;   // Tr^2 / Det of the Hessian in the plane
};

// The quadratic through a sample and its neighbours, by finite differences; axes are (layer, row, column).
struct Quadratic {
    double value, gradient[3], hessian[3][3];

    template <typename Sample>
    Quadratic(const Octave<Sample>& octave, const Place& at) {
        double cube[3][3][3];
        for (int l = 0; l < 3; ++l) {
            for (int r = 0; r < 3; ++r) {
                const Sample* lower = octave.levels[at.layer + l - 1].rows[at.row + r - 1] + at.column - 1;
                const Sample* upper = octave.levels[at.layer + l].rows[at.row + r - 1] + at.column - 1;
                for (int c = 0; c < 3; ++c) cube[l][r][c] = upper[c] - lower[c];
            }
        }
        value = cube[1][1][1];
        const double before[3] = {cube[0][1][1], cube[1][0][1], cube[1][1][0]};
        const double after[3] = {cube[2][1][1], cube[1][2][1], cube[1][1][2]};
        for (int i = 0; i < 3; ++i) {
            gradient[i] = (after[i] - before[i]) / 2;
            hessian[i][i] = before[i] + after[i] - 2 * value;
        }
        hessian[0][1] = hessian[1][0] = (cube[2][2][1] - cube[2][0][1] - cube[0][2][1] + cube[0][0][1]) / 4;
        hessian[0][2] = hessian[2][0] = (cube[2][1][2] - cube[2][1][0] - cube[0][1][2] + cube[0][1][0]) / 4;
        hessian[1][2] = hessian[2][1] = (cube[1][2][2] - cube[1][2][0] - cube[1][0][2] + cube[1][0][0]) / 4;
    }

    // The extremum of the quadratic: -H^-1 g by Cramer's rule (Lowe 2004, eq. 3); false if H is singular.
    bool find_peak(double* offset) const {
        const auto& h = hessian;
        double cofactor[3][3];  // of a symmetric matrix, so symmetric too
        for (int i = 0; i < 3; ++i) {
            for (int k = 0; k < 3; ++k) {
                const int i1 = (i + 1) % 3, i2 = (i + 2) % 3, k1 = (k + 1) % 3, k2 = (k + 2) % 3;
                cofactor[i][k] = h[i1][k1] * h[i2][k2] - h[i1][k2] * h[i2][k1];
            }
        }
        const double determinant = h[0][0] * cofactor[0][0] + h[0][1] * cofactor[0][1] + h[0][2] * cofactor[0][2];
        if (determinant == 0) return false;
        for (int i = 0; i < 3; ++i) {
            const double* c = cofactor[i];
            offset[i] = -(c[0] * gradient[0] + c[1] * gradient[1] + c[2] * gradient[2]) / determinant;
        }
        return true;
    }

    // Tr^2 / Det in the plane (Lowe 2004, 4.1); infinite where the curvatures differ in sign.
    double edgeness() const {
        const double trace = hessian[1][1] + hessian[2][2];
        const double determinant = hessian[1][1] * hessian[2][2] - hessian[1][2] * hessian[1][2];
        return determinant > 0 ? trace * trace / determinant : HUGE_VAL;
    }
};

// Move a candidate to the sample nearest to the extremum of its quadratic; false if it does not converge.
template <typename Sample>
bool localise(const Octave<Sample>& octave, const Place& candidate, Blob& blob) {
    Place at = candidate;
    for (int step = 0; step < MAX_STEPS; ++step) {
        const Quadratic quadratic(octave, at);
        double* offset = blob.offset;
        if (!quadratic.find_peak(offset)) return false;
        if (std::fabs(offset[0]) < 0.5 && std::fabs(offset[1]) < 0.5 && std::fabs(offset[2]) < 0.5) {
            const double* g = quadratic.gradient;
            // Lowe (2004), eq. 3: the value at the extremum.
            const double top = quadratic.value + 0.5 * (g[0] * offset[0] + g[1] * offset[1] + g[2] * offset[2]);
            blob.value = top / Stored<Sample>::UNIT;
            blob.edgeness = quadratic.edgeness();
            blob.place = at;
            return true;
        }
        // Compared as doubles: an offset may be larger than any int.
        const double layer = at.layer + std::nearbyint(offset[0]);
        const double row = at.row + std::nearbyint(offset[1]), column = at.column + std::nearbyint(offset[2]);
        const bool is_inside = layer >= 1 && layer < octave.n_levels - 2 && row >= BORDER &&
                               row < octave.height - BORDER && column >= BORDER && column < octave.width - BORDER;
        if (!is_inside || std::fabs(row - candidate.row) > MAX_MOVE) return false;
        at = {static_cast<int>(layer), static_cast<int>(row), static_cast<int>(column)};
    }
    return false;
}

}  // namespace classicvision::CV_ISA
