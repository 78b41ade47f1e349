// Blobs: extrema of the difference of Gaussians over place and scale (Lowe 2004, sections 3.1 and 4).
#pragma once

#include <cstdlib>
#include <new>

#include "sift_space.h"

namespace classicvision::CV_ISA {

constexpr int BORDER = 5;      // samples at each side of an octave in which no blob is sought
constexpr int MAX_STEPS = 5;   // moves to a neighbouring sample before a candidate is given up
constexpr int MAX_MOVE = 16;   // rows that a candidate may move in all: beyond, rows may be gone

struct Place {
    int layer, row, column;
};

struct Blob {
    Place place;
    double offset[3];  // of the extremum from the sample, as (layer, row, column)
    double value;      // of the difference of Gaussians there
    double edgeness;   // Tr^2 / Det of the Hessian in the plane
};

// A list that grows, of plain values. (The standard library's might be compiled for one instruction set, used by all.)
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

// Scratch of the search, one row of the picture: for each layer the largest and the smallest of the 3 x 3 samples
// above, here and below in place and scale. They can be read from -1 on.
struct Extremes {
    float* highest[MAX_LEVELS];
    float* lowest[MAX_LEVELS];
};

constexpr int SEARCHED_AT_ONCE = 2;  // rows that share the loads and differences of their neighbours

// Fill N scratch rows, from row y on. A difference is taken once for all rows and layers that look at it.
// LEVELS is octave.n_levels if that is known when this is compiled, else 0.
template <int LEVELS, int N>
CV_STEP void find_extremes(const Octave& octave, int y, const Extremes* extremes) {
    const int n_levels = LEVELS ? LEVELS : octave.n_levels;
    const float* rows[LEVELS ? LEVELS : MAX_LEVELS][N + 2];
    for (int i = 0; i < n_levels; ++i) {
        for (int k = 0; k < N + 2; ++k) rows[i][k] = octave.levels[i].rows[y - 1 + k];
    }
    for (int x = 0; x < octave.width; x += LANES) {
        Floats before[N + 2], high[N][3], low[N][3];  // of the vertical triples of three neighbouring differences
        for (int k = 0; k < N + 2; ++k) before[k] = load(rows[0][k] + x);
#pragma GCC unroll 8
        for (int i = 1; i < n_levels; ++i) {
            Floats dog[N + 2];
            for (int k = 0; k < N + 2; ++k) {
                const Floats here = load(rows[i][k] + x);
                dog[k] = here - before[k];
                before[k] = here;
            }
            for (int k = 0; k < N; ++k) {
                high[k][i % 3] = larger(larger(dog[k], dog[k + 1]), dog[k + 2]);
                low[k][i % 3] = smaller(smaller(dog[k], dog[k + 1]), dog[k + 2]);
                if (i < 3) continue;
                store(extremes[k].highest[i - 2] + x, larger(larger(high[k][0], high[k][1]), high[k][2]));
                store(extremes[k].lowest[i - 2] + x, smaller(smaller(low[k][0], low[k][1]), low[k][2]));
            }
        }
    }
}

// Add the candidates of row y: samples beyond the floor that none of their 26 neighbours exceeds.
CV_STEP inline void pick_candidates(const Octave& octave, int y, float floor, const Extremes& extremes,
                                    List<Place>& found) {
    // A sample above the floor is at least the next float: then one comparison tells both.
    const float least = std::nextafter(floor, 2.0f);
    for (int layer = 1; layer < octave.n_levels - 2; ++layer) {
        const float *highest = extremes.highest[layer], *lowest = extremes.lowest[layer];
        const float *lower = octave.levels[layer].rows[y], *upper = octave.levels[layer + 1].rows[y];
        for (int x = 0; x < octave.width - BORDER; x += LANES) {
            const Floats value = load(upper + x) - load(lower + x);
            const Floats high = larger(larger(load(highest + x - 1), load(highest + x)), load(highest + x + 1));
            const Floats low = smaller(smaller(load(lowest + x - 1), load(lowest + x)), load(lowest + x + 1));
            unsigned extrema = equal_lanes(value, larger(high, spread(least)), smaller(low, spread(-least)));
            for (int i = 0; extrema; ++i, extrema >>= 1) {
                if (extrema & 1 && x + i >= BORDER && x + i < octave.width - BORDER) found.add({layer, y, x + i});
            }
        }
    }
}

// Add the candidates of the rows [first, last).
inline void find_candidates(const Octave& octave, int first, int last, float floor, const Extremes* extremes,
                            List<Place>& found) {
    const bool is_default = octave.n_levels == 6;
    int y = first;
    for (; y + SEARCHED_AT_ONCE <= last; y += SEARCHED_AT_ONCE) {
        is_default ? find_extremes<6, SEARCHED_AT_ONCE>(octave, y, extremes)
                   : find_extremes<0, SEARCHED_AT_ONCE>(octave, y, extremes);
        for (int k = 0; k < SEARCHED_AT_ONCE; ++k) pick_candidates(octave, y + k, floor, extremes[k], found);
    }
    for (; y < last; ++y) {
        is_default ? find_extremes<6, 1>(octave, y, extremes) : find_extremes<0, 1>(octave, y, extremes);
        pick_candidates(octave, y, floor, extremes[0], found);
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
