// Moments of points under a mixture of Gaussians: for each component the sums of the posteriors g, of g u and of g u^2,
// with u = (x - mean) / deviation. This is the E step of EM, and everything a Fisher vector needs.
//
// Few components matter to a point. A screen in bytes finds them. The pairs of a block of points are then sorted by
// component: first the densities of the large posteriors are computed in float32, then the moments, which stay in
// registers and are accumulated in float64. Points are taken in their order, so threads and blocks change no bit.
#include "mixture.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "arena.h"
#include "kernels.h"
#include "mixture_screen.h"
#include "projection_rows.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t BLOCK = 480;  // points that are sorted by component at a time: whole tiles in all steps
constexpr std::size_t LISTED =
    BLOCK + 8;                      // their capacity; lists a power of two apart would compete for the same cache lines
constexpr std::size_t AT_ONCE = 4;  // densities that are computed together
constexpr std::size_t SUM_VECTORS = REGISTERS == 32 ? 6 : 2;
// A component whose density is below exp(LOG_LARGE) = 3e-4 of the largest keeps the score of the screen, which is off
// by a tenth at most points.
constexpr float LOG_LARGE = -8.0f;
constexpr float LOWEST = -3e38f;
constexpr std::size_t LOG_EVERY = 64;  // sums of shares, at most 2^12 each, that are multiplied before a logarithm

// exp(x) for x from -80 to 0, within 2 units of the last digit: 2^n e^r with |r| at most log(2) / 2.
CV_INLINE Floats exponential(Floats x) {
    x = larger(x, spread(-80.0f));
    const Ints n = rounded_level(x * spread(1.44269504f));
    const Floats whole = to_floats(n);
    const Floats r = fused(whole, spread(2.12194440e-4f), fused(whole, spread(-0.693359375f), x));
    Floats series = spread(1.0f / 5040);
    for (const float factor : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
        series = fused(series, r, spread(factor));
    }
    return series * as_floats(shifted_up(n + spread_as<Ints>(127), 23));
}

// A pair of a component and a point of the block that matters: the offset of the point in `points` and, in the upper
// half, the index of its posterior in `shares`.
typedef std::uint64_t Entry;
CV_INLINE Entry entry_of(std::size_t point, std::size_t place) { return point | static_cast<Entry>(place) << 32; }
CV_INLINE std::size_t point_of(Entry entry) { return static_cast<std::uint32_t>(entry); }
CV_INLINE std::size_t place_of(Entry entry) { return static_cast<std::size_t>(entry >> 32); }
constexpr Entry NEXT_PLACE = Entry{1} << 32;

// Working memory: a block of points in padded rows, the components near each, and the entries of each component.
struct Room {
    float* points;          // (BLOCK, n_padded)
    std::uint16_t* levels;  // (GROUP_ROWS, n_padded)
    float* scores;          // (GROUP_ROWS, n_columns)
    float* surest;          // (GROUP_ROWS, LANES): the largest lower bounds on scores
    std::int32_t* small;    // (GROUP_ROWS, n_columns + LANES): components of small shares at each point
    // The components near each point, row after row, in whole vectors; those of large shares first.
    std::int32_t* near;     // (n_places,)
    float* shares;          // (n_places,): logarithms of densities, then posteriors
    std::uint32_t* begins;  // (BLOCK + 1,): the places of each row
    std::uint32_t* larges;  // (BLOCK,): how many have large shares
    std::uint32_t* smalls;  // (BLOCK,): how many have small shares
    float* bests;           // (BLOCK,): the largest log density of each row
    float* totals;          // (BLOCK,): the sum of the densities, divided by the largest
    Entry* entries;         // (n_components, LISTED)
    Entry** ends;           // (n_components,): of the entries of each component
};

Room take_room(const Mixture& mixture, Arena& arena) {
    const std::size_t n_columns = mixture.n_panels * PANEL, n_padded = mixture.n_padded, k = mixture.n_components;
    const std::size_t n_places = BLOCK * (n_columns + LANES) + 2 * LANES;
    const std::size_t n_words = BLOCK * (n_padded + 5) + 1 + GROUP_ROWS * (n_padded / 2 + 2 * (n_columns + LANES)) +
                                2 * n_places + 2 * k * LISTED + k * sizeof(Entry*) / 4;
    arena.reserve(4 * n_words + 14 * Arena::ALIGNMENT);
    Room room;
    room.points = arena.take<float>(BLOCK * n_padded);
    room.levels = arena.take<std::uint16_t>(GROUP_ROWS * n_padded);
    room.scores = arena.take<float>(GROUP_ROWS * n_columns);
    room.surest = arena.take<float>(GROUP_ROWS * LANES);
    room.small = arena.take<std::int32_t>(GROUP_ROWS * (n_columns + LANES));
    room.begins = arena.take<std::uint32_t>(BLOCK + 1);
    room.larges = arena.take<std::uint32_t>(BLOCK);
    room.smalls = arena.take<std::uint32_t>(BLOCK);
    room.bests = arena.take<float>(BLOCK);
    room.totals = arena.take<float>(BLOCK);
    room.ends = arena.take<Entry*>(k);
    room.near = arena.take<std::int32_t>(n_places);
    room.shares = arena.take<float>(n_places);
    room.entries = arena.take<Entry>(k * LISTED);
    return room;
}

// Consecutive numbers from `start` on, one per lane.
CV_INLINE Ints counted_from(std::size_t start) {
    std::int32_t numbers[LANES];
    for (int lane = 0; lane < LANES; ++lane) numbers[lane] = static_cast<std::int32_t>(start) + lane;
    return load<Ints>(numbers);
}

struct NearCounts {
    std::uint32_t n_large;
    std::uint32_t n_small;
};

// How many of n ascending numbers are below a limit.
CV_INLINE std::uint32_t count_below(const std::int32_t* numbers, std::size_t n, std::size_t limit) {
    while (n > 0 && static_cast<std::size_t>(numbers[n - 1]) >= limit) --n;
    return static_cast<std::uint32_t>(n);
}

// Find the components near a point, those of large shares in `large`; `top` is a likely lower bound on the largest
// score.
CV_STEP NearCounts find_near(const AddMoments& task, const float* scores, float top, const ScreenPoint& screened,
                             std::int32_t* CV_RESTRICT large, std::int32_t* CV_RESTRICT small) {
    const Mixture& mixture = task.mixture;
    const std::size_t n_columns = mixture.n_panels * PANEL;
    const float* errors = mixture.columns + 2 * n_columns;
    const Floats least = spread(top + task.log_least_share), least_large = spread(top + LOG_LARGE);
    const Floats error = spread(screened.error);
    std::size_t n_large = 0, n_small = 0;
    Ints numbers = counted_from(0);
    for (std::size_t k = 0; k < n_columns; k += LANES) {
        const Floats most = fused(error, load(errors + k), load(scores + k));
        const unsigned is_near = at_most(least, most);
        const unsigned is_large = screened.is_far ? first_lanes(LANES) : at_most(least_large, most);
        n_large += store_chosen(large + n_large, numbers, is_large);
        n_small += store_chosen(small + n_small, numbers, is_near & ~is_large);
        numbers = numbers + spread_as<Ints>(LANES);
    }
    // Where the bounds are wide, padded columns may be among them.
    return {count_below(large, n_large, mixture.n_components), count_below(small, n_small, mixture.n_components)};
}

// List the components of large shares at a point, and keep the scores of the others.
CV_STEP void enter_near(const AddMoments& task, std::size_t row, const float* scores, const std::int32_t* small,
                        float common, const Room& room) {
    const std::size_t begin = room.begins[row], n_large = room.larges[row], n_small = room.smalls[row];
    std::int32_t* CV_RESTRICT near = room.near + begin;
    float* CV_RESTRICT shares = room.shares + begin;
    Entry entry = entry_of(row * task.mixture.n_padded, begin);
    Entry** ends = room.ends;
    for (std::size_t i = 0; i < n_large; ++i, entry += NEXT_PLACE) *ends[near[i]]++ = entry;
    for (std::size_t i = 0; i < n_small; ++i) {
        near[n_large + i] = small[i];
        shares[n_large + i] = scores[small[i]] + common;
    }
    store(shares + n_large + n_small, spread(-std::numeric_limits<float>::infinity()));
}

// Find the components near up to GROUP_ROWS points of the block, from `start` on.
void screen_group(const AddMoments& task, std::size_t start, std::size_t n, const Room& room) {
    const Mixture& mixture = task.mixture;
    const std::size_t n_columns = mixture.n_panels * PANEL, n_padded = mixture.n_padded;
    const std::size_t n_rows = (n + SCREEN_ROWS - 1) / SCREEN_ROWS * SCREEN_ROWS;
    ScreenPoint points[GROUP_ROWS] = {};
    std::fill(room.levels + n * n_padded, room.levels + n_rows * n_padded, std::uint16_t{0});
    std::fill(room.surest, room.surest + n_rows * LANES, LOWEST);
    screen_points(mixture, room.points + start * n_padded, n, points, room.levels);
    for (std::size_t panel = 0; panel < mixture.n_panels; ++panel) {
        for (std::size_t i = 0; i < n_rows; i += SCREEN_ROWS) {
            screen_panel(mixture, panel, room.levels + i * n_padded, points + i, room.scores + i * n_columns,
                         room.surest + i * LANES);
        }
    }
    float tops[GROUP_ROWS];
    for (std::size_t i = 0; i < n; ++i) tops[i] = largest_lane(load(room.surest + i * LANES));
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t row = start + i;
        const NearCounts found = find_near(task, room.scores + i * n_columns, tops[i], points[i],
                                           room.near + room.begins[row], room.small + i * (n_columns + LANES));
        room.larges[row] = found.n_large;
        room.smalls[row] = found.n_small;
        room.begins[row + 1] = room.begins[row] + (found.n_large + found.n_small + LANES - 1) / LANES * LANES;
    }
    for (std::size_t i = 0; i < n; ++i) {
        enter_near(task, start + i, room.scores + i * n_columns, room.small + i * (n_columns + LANES), points[i].common,
                   room);
    }
}

// Compute log(weight * density) of one component at the points of its entries.
CV_STEP void score_component(const AddMoments& task, std::size_t component, const Room& room) {
    const Mixture& mixture = task.mixture;
    const std::size_t n_padded = mixture.n_padded;
    const float *CV_RESTRICT roots = mixture.roots + component * n_padded, *CV_RESTRICT points = room.points;
    const float* CV_RESTRICT shifts = mixture.shifts + component * n_padded;
    const float peak = mixture.log_peaks[component];
    const Entry *CV_RESTRICT entry = room.entries + component * LISTED, *end = room.ends[component];
    float* CV_RESTRICT shares = room.shares;
    std::fill(room.ends[component], room.ends[component] + AT_ONCE - 1, *entry);  // computed again, to the same place
    for (; entry < end; entry += AT_ONCE) {
        const float* rows[AT_ONCE];
        Floats sums[AT_ONCE];
        for (std::size_t k = 0; k < AT_ONCE; ++k) {
            rows[k] = points + point_of(entry[k]);
            sums[k] = spread(0.0f);
        }
        for (std::size_t d = 0; d < n_padded; d += LANES) {
            const Floats root = load(roots + d), shift = load(shifts + d);
            for (std::size_t k = 0; k < AT_ONCE; ++k) {
                const Floats u = fused(load(rows[k] + d), root, shift);
                sums[k] = fused(u, u, sums[k]);
            }
        }
        float found[AT_ONCE];
        store_sums_of_lanes(found, sums);
        for (std::size_t k = 0; k < AT_ONCE; ++k) shares[place_of(entry[k])] = peak - 0.5f * found[k];
    }
}

// List the components of small shares at a point, except those below the least share.
CV_INLINE void enter_small(const AddMoments& task, std::size_t row, std::size_t first, const Room& room) {
    const float* CV_RESTRICT shares = room.shares;
    const std::int32_t* CV_RESTRICT near = room.near;
    Entry entry = entry_of(row * task.mixture.n_padded, first);
    Entry** ends = room.ends;
    for (std::size_t i = first; i < first + room.smalls[row]; ++i, entry += NEXT_PLACE) {
        Entry*& end = ends[near[i]];
        *end = entry;
        end += shares[i] > 0;
    }
}

// Convert the log densities of n rows to posteriors, and list those of small shares; returns the log likelihood of the
// points.
CV_STEP double share_rows(const AddMoments& task, std::size_t n, const Room& room) {
    float *CV_RESTRICT shares = room.shares, *CV_RESTRICT bests = room.bests, *CV_RESTRICT totals = room.totals;
    const std::uint32_t* begins = room.begins;
    for (std::size_t row = 0; row < n; ++row) {
        Floats most = load(shares + begins[row]);
        for (std::size_t i = begins[row] + LANES; i < begins[row + 1]; i += LANES)
            most = larger(most, load(shares + i));
        bests[row] = largest_lane(most);
    }
    const Floats least = spread(task.least_share);
    for (std::size_t row = 0; row < n; ++row) {
        Floats sums = spread(0.0f);
        for (std::size_t i = begins[row]; i < begins[row + 1]; i += LANES) {
            const Floats share = exponential(load(shares + i) - spread(bests[row]));
            const Floats kept = choose(share >= least, share, spread(0.0f));
            store(shares + i, kept);
            sums = sums + kept;
        }
        totals[row] = sum_of_lanes(sums);
    }
    double sum = 0, product = 1;
    for (std::size_t row = 0; row < n; ++row) {
        const std::size_t begin = begins[row], first_small = begin + room.larges[row];
        const Floats inverse = spread(1 / totals[row]);
        for (std::size_t i = begin; i < begins[row + 1]; i += LANES) store(shares + i, load(shares + i) * inverse);
        enter_small(task, row, first_small, room);
        sum += bests[row];
        product *= totals[row];
        if ((row + 1) % LOG_EVERY == 0 || row + 1 == n) {
            sum += std::log(product);
            product = 1;
        }
    }
    return sum;
}

// Sums over the entries of one component: of its posterior g, of g u and of g u^2.
template <std::size_t WIDTH>
struct Sums {
    Floats zeroth, first[WIDTH], second[WIDTH];
};

// Add up WIDTH vectors of dimensions, from `start` on: deviates u, or points whose sums are converted to those of
// deviates.
template <std::size_t WIDTH, bool IS_SHIFTED>
CV_INLINE Sums<WIDTH> sums_of(const Mixture& mixture, std::size_t component, std::size_t start, const Room& room) {
    const std::size_t n_padded = mixture.n_padded;
    const float *CV_RESTRICT points = room.points + start, *CV_RESTRICT shares = room.shares;
    const float* CV_RESTRICT roots = mixture.roots + component * n_padded + start;
    const float* CV_RESTRICT shifts = mixture.shifts + component * n_padded + start;
    const Entry *CV_RESTRICT entry = room.entries + component * LISTED, *end = room.ends[component];
    Sums<WIDTH> sums;
    sums.zeroth = spread(0.0f);
#pragma GCC unroll 6
    for (std::size_t v = 0; v < WIDTH; ++v) sums.first[v] = sums.second[v] = spread(0.0f);
    for (; entry < end; ++entry) {
        const float* point = points + point_of(*entry);
        const Floats posterior = spread(shares[place_of(*entry)]);
        sums.zeroth = sums.zeroth + posterior;
        for (std::size_t v = 0; v < WIDTH; ++v) {
            Floats number = load(point + v * LANES);
            if (!IS_SHIFTED) number = fused(number, load(roots + v * LANES), load(shifts + v * LANES));
            const Floats weighted = posterior * number;
            sums.first[v] = sums.first[v] + weighted;
            sums.second[v] = fused(weighted, number, sums.second[v]);
        }
    }
    if (!IS_SHIFTED) return sums;
#pragma GCC unroll 6
    for (std::size_t v = 0; v < WIDTH; ++v) {  // u = x root + shift
        const Floats root = load(roots + v * LANES), shift = load(shifts + v * LANES);
        const Floats first = sums.first[v] * root, shifted = fused(shift, sums.zeroth, first);
        sums.second[v] = fused(shift, first + shifted, sums.second[v] * root * root);
        sums.first[v] = shifted;
    }
    return sums;
}

template <std::size_t WIDTH>
CV_STEP void add_vectors(const AddMoments& task, std::size_t component, std::size_t start, const Room& room) {
    const Mixture& mixture = task.mixture;
    const Sums<WIDTH> sums = mixture.are_far[component] ? sums_of<WIDTH, false>(mixture, component, start, room)
                                                        : sums_of<WIDTH, true>(mixture, component, start, room);
    float first[WIDTH * LANES], second[WIDTH * LANES];
#pragma GCC unroll 6
    for (std::size_t v = 0; v < WIDTH; ++v) {
        store(first + v * LANES, sums.first[v]);
        store(second + v * LANES, sums.second[v]);
    }
    if (start == 0) task.zeroth[component] += sums.zeroth[0];
    const std::size_t n = std::min(mixture.n_dims - start, WIDTH * LANES);
    double* CV_RESTRICT to_first = task.first + component * mixture.n_dims + start;
    double* CV_RESTRICT to_second = task.second + component * mixture.n_dims + start;
    for (std::size_t d = 0; d < n; ++d) to_first[d] += first[d];
    for (std::size_t d = 0; d < n; ++d) to_second[d] += second[d];
}

// Add up the vectors of dimensions from `start` on, WIDTH at a time, the last of them together.
template <std::size_t WIDTH>
void add_rest(const AddMoments& task, std::size_t component, std::size_t start, const Room& room) {
    for (; start + WIDTH * LANES <= task.mixture.n_padded; start += WIDTH * LANES) {
        add_vectors<WIDTH>(task, component, start, room);
    }
    if constexpr (WIDTH > 1) add_rest<WIDTH - 1>(task, component, start, room);
}

// Write the points, less the centre of the mixture, in padded rows.
void take_points(const AddMoments& task, std::size_t start, std::size_t n, const Room& room) {
    const std::size_t n_dims = task.mixture.n_dims;
    const float* centre = task.mixture.to_levels;
    if (!task.points) {
        project_rows(task.projection, task.descriptors, start, n, centre, task.mixture.n_padded, room.points);
        return;
    }
    for (std::size_t i = 0; i < n; ++i) {
        float* row = room.points + i * task.mixture.n_padded;
        const float* point = task.points + (start + i) * n_dims;
        std::size_t d = 0;
        for (; d + LANES <= n_dims; d += LANES) store(row + d, load(point + d) - load(centre + d));
        if (d < n_dims) store(row + d, load_first(point + d, n_dims - d) - load(centre + d));
    }
}

}  // namespace

int mixture_panel() { return static_cast<int>(PANEL); }

int mixture_most_factor() { return LARGEST_FACTOR; }

double add_moments(const AddMoments& task, Arena& arena) {
    const std::size_t n_components = task.mixture.n_components;
    const Room room = take_room(task.mixture, arena);
    double log_likelihood = 0;
    for (std::size_t block = 0; block < task.n_points; block += BLOCK) {
        const std::size_t n = std::min(BLOCK, task.n_points - block);
        take_points(task, block, n, room);
        for (std::size_t k = 0; k < n_components; ++k) room.ends[k] = room.entries + k * LISTED;
        room.begins[0] = 0;
        for (std::size_t start = 0; start < n; start += GROUP_ROWS) {
            screen_group(task, start, std::min(GROUP_ROWS, n - start), room);
        }
        for (std::size_t k = 0; k < n_components; ++k) score_component(task, k, room);
        log_likelihood += share_rows(task, n, room);
        for (std::size_t k = 0; k < n_components; ++k) add_rest<SUM_VECTORS>(task, k, 0, room);
    }
    return log_likelihood;
}

}  // namespace classicvision::CV_ISA
