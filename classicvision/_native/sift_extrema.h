// Blobs: extrema of the difference of Gaussians over place and scale (Lowe 2004, sections 3.1 and 4).
#pragma once

#include <cstdlib>
#include <new>

#include "sift_space.h"

namespace classicvision::CV_ISA {

constexpr int BORDER = 5;       // samples at each side of an octave in which no blob is sought
constexpr int MAX_STEPS = 5;    // moves to a neighbouring sample before a candidate is given up
constexpr int MAX_MOVE = 8;     // rows that a candidate may move in all: beyond, rows may be gone

struct Place {
    int layer, row, column;
};


struct Blob {
    Place place;
    double offset[3];  // of the extremum from the sample, as (layer, row, column)
    double value;      // of the difference of Gaussians there
    double edgeness;   // Tr^2 / Det of the Hessian in the plane
};

// A list that grows, of plain values. (The standard library's would be compiled for one instruction set and used by all.)
template <typename T>
class List {
public:
    List() = default;
    ~List() { std::free(items_); }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    void add(const T& item) {
        if (size_ == room_) grow();
        items_[size_++] = item;
    }
    void clear() { size_ = 0; }
    std::size_t size() const { return size_; }
    const T& operator[](std::size_t i) const { return items_[i]; }

private:
    void grow() {
        const std::size_t room = room_ ? 2 * room_ : 256;
        void* items = std::realloc(items_, room * sizeof(T));
        if (!items) throw std::bad_alloc();
        items_ = static_cast<T*>(items);
        room_ = room;
    }

    T* items_ = nullptr;
    std::size_t size_ = 0, room_ = 0;
};

// Scratch rows of the search: for each layer the largest and the smallest of the 3 x 3 samples above, here and below in
// place and scale.
struct Extremes {
    float* highest[MAX_LEVELS];
    float* lowest[MAX_LEVELS];
};

// Fill the scratch rows for the columns [x, x + LANES) of row y. Each vertical triple is looked at once for all layers.
CV_INLINE void find_extremes(const Octave& octave, int y, int x, const Extremes& extremes) {
    Floats high[3] = {}, low[3] = {};  // of the vertical triples of three neighbouring differences
    Floats above = load(octave.levels[0].rows[y - 1] + x);
    Floats here = load(octave.levels[0].rows[y] + x);
    Floats below = load(octave.levels[0].rows[y + 1] + x);
    for (int i = 0; i < octave.n_levels - 1; ++i) {
        const float* const* rows = octave.levels[i + 1].rows + y;
        const Floats next_above = load(rows[-1] + x), next_here = load(rows[0] + x), next_below = load(rows[1] + x);
        const Floats a = next_above - above, b = next_here - here, c = next_below - below;
        high[2] = larger(larger(a, b), c);
        low[2] = smaller(smaller(a, b), c);
        if (i >= 2) {
            store(extremes.highest[i - 1] + x, larger(larger(high[0], high[1]), high[2]));
            store(extremes.lowest[i - 1] + x, smaller(smaller(low[0], low[1]), low[2]));
        }
        high[0] = high[1], high[1] = high[2];
        low[0] = low[1], low[1] = low[2];
        above = next_above, here = next_here, below = next_below;
    }
}

// Add the candidates of row y: samples beyond the floor that none of their 26 neighbours exceeds.
CV_STEP inline void find_candidates(const Octave& octave, int y, float floor, const Extremes& extremes, List<Place>& found) {
    for (int x = 0; x < octave.width; x += LANES) find_extremes(octave, y, x, extremes);
    for (int layer = 1; layer < octave.n_levels - 2; ++layer) {
        const float* highest = extremes.highest[layer];
        const float* lowest = extremes.lowest[layer];
        const float *lower = octave.levels[layer].rows[y], *upper = octave.levels[layer + 1].rows[y];
        for (int x = BORDER; x < octave.width - BORDER; x += LANES) {
            const Floats value = load(upper + x) - load(lower + x);
            const Floats high = larger(larger(load(highest + x - 1), load(highest + x)), load(highest + x + 1));
            const Floats low = smaller(smaller(load(lowest + x - 1), load(lowest + x)), load(lowest + x + 1));
            const Ints is_extremum =
                ((value > spread(floor)) & (value == high)) | ((value < spread(-floor)) & (value == low));
            if (!any(is_extremum)) continue;
            for (int i = 0; i < LANES && x + i < octave.width - BORDER; ++i) {
                if (is_extremum[i]) found.add({layer, y, x + i});
            }
        }
    }
}

CV_INLINE double difference(const Octave& octave, int layer, int row, int column) {
    return octave.levels[layer + 1].rows[row][column] - octave.levels[layer].rows[row][column];
}

// The quadratic through a sample and its neighbours, by finite differences; axes are (layer, row, column).
struct Quadratic {
    double value, gradient[3], hessian[3][3];

    Quadratic(const Octave& octave, const Place& at) {
        double cube[3][3][3];
        for (int l = 0; l < 3; ++l) {
            for (int r = 0; r < 3; ++r) {
                for (int c = 0; c < 3; ++c) {
                    cube[l][r][c] = difference(octave, at.layer + l - 1, at.row + r - 1, at.column + c - 1);
                }
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

    // Where the quadratic is level: -H^-1 g by Cramer's rule (Lowe 2004, eq. 3); false if nowhere or everywhere.
    bool find_peak(double* offset) const {
        const auto& h = hessian;
        const double minor[3][3] = {
            {h[1][1] * h[2][2] - h[1][2] * h[2][1], h[0][2] * h[2][1] - h[0][1] * h[2][2], h[0][1] * h[1][2] - h[0][2] * h[1][1]},
            {h[1][2] * h[2][0] - h[1][0] * h[2][2], h[0][0] * h[2][2] - h[0][2] * h[2][0], h[0][2] * h[1][0] - h[0][0] * h[1][2]},
            {h[1][0] * h[2][1] - h[1][1] * h[2][0], h[0][1] * h[2][0] - h[0][0] * h[2][1], h[0][0] * h[1][1] - h[0][1] * h[1][0]},
        };
        const double determinant = h[0][0] * minor[0][0] + h[0][1] * minor[1][0] + h[0][2] * minor[2][0];
        if (determinant == 0) return false;
        for (int i = 0; i < 3; ++i) {
            offset[i] = -(minor[i][0] * gradient[0] + minor[i][1] * gradient[1] + minor[i][2] * gradient[2]) / determinant;
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

// Move a candidate to the sample nearest to the top of its quadratic; false if it does not settle.
inline bool settle(const Octave& octave, const Place& candidate, Blob& blob) {
    Place at = candidate;
    for (int step = 0; step < MAX_STEPS; ++step) {
        const Quadratic quadratic(octave, at);
        double* offset = blob.offset;
        if (!quadratic.find_peak(offset)) return false;
        if (std::fabs(offset[0]) < 0.5 && std::fabs(offset[1]) < 0.5 && std::fabs(offset[2]) < 0.5) {
            const double* g = quadratic.gradient;
            // Lowe (2004), eq. 3: the value at the top of the quadratic.
            blob.value = quadratic.value + 0.5 * (g[0] * offset[0] + g[1] * offset[1] + g[2] * offset[2]);
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
