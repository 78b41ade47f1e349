// Candidates: extrema of the difference of Gaussians over place and scale (Lowe 2004, section 3.1).
#pragma once

#include <cstdlib>
#include <new>

#include "sift_scale_space.h"

namespace classicvision::CV_ISA {

constexpr int BORDER = 5;  // samples at each side of an octave that are not searched

struct Place {
    int layer, row, column;
};

// A growing list of plain values. (The linker might keep std::vector's code of one instruction set for all of them.)
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

// Scratch of the search, for one row of the image: in each layer the largest and the smallest of the 3 x 3 samples
// above, here and below, in place and in scale. Readable from -1 on.
template <typename Sample>
struct Extremes {
    Sample* highest[MAX_LEVELS];
    Sample* lowest[MAX_LEVELS];
};

constexpr int SEARCHED_AT_ONCE = 2;  // rows that share the loads and differences of their neighbours

// Fill N scratch rows, from row y on. A difference is computed once for all rows and layers that need it. LEVELS is
// octave.n_levels if known at compile time, else 0.
template <int LEVELS, int N, typename Sample>
CV_STEP void find_extremes(const Octave<Sample>& octave, int y, const Extremes<Sample>* extremes) {
    using Vector = typename Stored<Sample>::Vector;
    const int n_levels = LEVELS ? LEVELS : octave.n_levels;
    const Sample* rows[LEVELS ? LEVELS : MAX_LEVELS][N + 2];
    for (int i = 0; i < n_levels; ++i) {
        for (int k = 0; k < N + 2; ++k) rows[i][k] = octave.levels[i].rows[y - 1 + k];
    }
    for (int x = 0; x < octave.width; x += LANES_OF<Sample>) {
        Vector before[N + 2], high[N][3], low[N][3];  // of the vertical triples of three neighbouring differences
        for (int k = 0; k < N + 2; ++k) before[k] = load<Vector>(rows[0][k] + x);
#pragma GCC unroll 8
        for (int i = 1; i < n_levels; ++i) {
            Vector dog[N + 2];
            for (int k = 0; k < N + 2; ++k) {
                const Vector here = load<Vector>(rows[i][k] + x);
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

// The least value above a threshold: then one comparison tests both extremum and strength.
inline float next_above(float floor) { return std::nextafter(floor, 2.0f); }
inline std::int16_t next_above(std::int16_t floor) { return static_cast<std::int16_t>(floor + 1); }

// Add the candidates of row y: samples beyond the floor that none of their 26 neighbours exceeds.
template <typename Sample>
CV_STEP void pick_candidates(const Octave<Sample>& octave, int y, Sample floor, const Extremes<Sample>& extremes,
                             List<Place>& found) {
    using Vector = typename Stored<Sample>::Vector;
    const Vector least = spread_as<Vector>(next_above(floor)), most = Vector{} - least;
    for (int layer = 1; layer < octave.n_levels - 2; ++layer) {
        const Sample *highest = extremes.highest[layer], *lowest = extremes.lowest[layer];
        const Sample *lower = octave.levels[layer].rows[y], *upper = octave.levels[layer + 1].rows[y];
        for (int x = 0; x < octave.width - BORDER; x += LANES_OF<Sample>) {
            const auto at = [x](const Sample* row, int column) { return load<Vector>(row + x + column); };
            const Vector value = at(upper, 0) - at(lower, 0);
            const Vector high = larger(larger(at(highest, -1), at(highest, 0)), at(highest, 1));
            const Vector low = smaller(smaller(at(lowest, -1), at(lowest, 0)), at(lowest, 1));
            unsigned extrema = equal_lanes(value, larger(high, least), smaller(low, most));
            for (int i = 0; extrema; ++i, extrema >>= 1) {
                if (extrema & 1 && x + i >= BORDER && x + i < octave.width - BORDER) found.add({layer, y, x + i});
            }
        }
    }
}

// Add the candidates of the rows [first, last).
template <typename Sample>
void find_candidates(const Octave<Sample>& octave, int first, int last, Sample floor, const Extremes<Sample>* extremes,
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

}  // namespace classicvision::CV_ISA
