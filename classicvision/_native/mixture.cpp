// What points say about the components of a mixture of Gaussians: the sums of their posteriors g, of g u and of g u^2,
// with u = (x - mean) / deviation. The E step of EM, and all that a Fisher vector needs.
//
// Few components matter to a point. A screen in 16 bits names them; the densities of those whose error could be seen in
// the sums are then computed in float32. A block of points is sorted by component, so that sums stay in registers; they
// are added up in float64. Points are taken in their order: threads and blocks change no bit.
#include "mixture.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "arena.h"
#include "kernels.h"
#include "mixture_screen.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t BLOCK = 512;               // points that are sorted by component at a time
constexpr std::size_t GROUP_ROWS = 8 * SCREEN_ROWS;  // points that are screened at a time
constexpr std::size_t SUM_VECTORS = LANES == 16 ? 4 : 2;
// A component keeps the screen's score where its share, of the largest density, times the bound on its error is less
// than the exponential of this, 5e-5; the usual error is a tenth of the bound.
constexpr float LOG_LEAST_EFFECT = -9.9f;
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
    return series * bits_of<Floats>(shifted_up(n + spread_as<Ints>(127), 23));
}

// The posterior of a component at the point in one row of the block.
struct Share {
    std::uint32_t row;
    float posterior;
};

// Working memory: a block of points in full rows, and the components that matter to each.
struct Room {
    float* points;         // (BLOCK, n_padded)
    std::int32_t* levels;  // (GROUP_ROWS, n_padded)
    float* scores;         // (GROUP_ROWS, n_columns)
    float* errors;         // (n_columns,): bounds on the errors of the scores of one point
    std::int32_t* near;    // (n_columns + LANES,): components near to one point
    float* shares;         // (n_columns + LANES,): their scores, then their shares of the largest density
    std::int32_t* unsure;  // (n_columns,): places among `near` of those to be computed anew
    std::uint32_t* counts;  // (n_components,): points of each component
    Share* noted;           // (n_components, BLOCK)
};

Room take_room(const Mixture& mixture, Arena& arena) {
    const std::size_t n_columns = mixture.n_panels * PANEL, n_padded = mixture.n_padded, k = mixture.n_components;
    const std::size_t n_floats = BLOCK * n_padded + GROUP_ROWS * (n_padded + n_columns) + 4 * (n_columns + LANES) + k +
                                 2 * k * BLOCK;
    arena.reserve(4 * n_floats + 9 * Arena::ALIGNMENT);
    Room room;
    room.points = arena.take<float>(BLOCK * n_padded);
    room.levels = arena.take<std::int32_t>(GROUP_ROWS * n_padded);
    room.scores = arena.take<float>(GROUP_ROWS * n_columns);
    room.errors = arena.take<float>(n_columns);
    room.near = arena.take<std::int32_t>(n_columns + LANES);
    room.shares = arena.take<float>(n_columns + LANES);
    room.counts = arena.take<std::uint32_t>(k);
    room.unsure = arena.take<std::int32_t>(n_columns);
    room.noted = arena.take<Share>(k * BLOCK);
    return room;
}

// Logarithms of weight times density of two components.
CV_INLINE void log_densities(const Mixture& mixture, const std::int32_t (&components)[2], const float* point,
                             float (&found)[2]) {
    const std::size_t n = mixture.n_padded;
    const std::size_t rows[] = {static_cast<std::size_t>(components[0]) * n, static_cast<std::size_t>(components[1]) * n};
    Floats sums[2] = {spread(0.0f), spread(0.0f)};
    for (std::size_t d = 0; d < n; d += LANES) {
        const Floats x = load(point + d);
        for (int i = 0; i < 2; ++i) {
            const Floats u = (x - load(mixture.means + rows[i] + d)) * load(mixture.roots + rows[i] + d);
            sums[i] = fused(u, u, sums[i]);
        }
    }
    for (int i = 0; i < 2; ++i) found[i] = mixture.log_peaks[components[i]] - 0.5f * sum_of_lanes(sums[i]);
}

// Numbers from `start` on, one a lane.
CV_INLINE Ints counted_from(std::size_t start) {
    std::int32_t numbers[LANES];
    for (int lane = 0; lane < LANES; ++lane) numbers[lane] = static_cast<std::int32_t>(start) + lane;
    return load<Ints>(numbers);
}

// No less than log(x), by less than 0.08, of a positive x: the bits of a float are about its logarithm.
CV_INLINE float log_at_least(float x) {
    return static_cast<float>(bits_of<std::int32_t>(x)) * (0.693147f / (1 << 23)) - (127 - 0.1f) * 0.693147f;
}

// Find the components near to a point and their scores; returns their number.
CV_STEP std::size_t find_near(const AddMoments& task, const float* point, const float* scores,
                              const ScreenPoint& screened, const Room& room) {
    const Mixture& mixture = task.mixture;
    Floats surest = spread(LOWEST);
    for (std::size_t k = 0; k < mixture.n_panels * PANEL; k += LANES) {
        const Floats error = screen_error(mixture, screened, k);
        store(room.errors + k, error);
        surest = larger(surest, load(scores + k) - error);
    }
    const float top = largest_lane(surest);  // no more than the largest density's logarithm
    const Floats least = spread(top + task.log_least_share);
    std::size_t n_near = 0, n_unsure = 0;
    Ints numbers = counted_from(0);
    for (std::size_t k = 0; k < mixture.n_components; k += LANES) {
        const unsigned near = at_most(least, load(scores + k) + load(room.errors + k));
        n_near += store_chosen(room.near + n_near, numbers, near & first_lanes(mixture.n_components - k));
        numbers = numbers + spread_as<Ints>(LANES);
    }
    for (std::size_t i = 0; i < n_near; ++i) {
        const float score = scores[room.near[i]], error = room.errors[room.near[i]];
        room.shares[i] = score;
        room.unsure[n_unsure] = static_cast<std::int32_t>(i);
        n_unsure += score + error + log_at_least(error) >= top + LOG_LEAST_EFFECT;
    }
    for (std::size_t i = 0; i < n_unsure; i += 2) {
        const std::int32_t places[] = {room.unsure[i], room.unsure[i + 1 < n_unsure ? i + 1 : i]};
        float found[2];
        log_densities(mixture, {room.near[places[0]], room.near[places[1]]}, point, found);
        for (int k = 0; k < 2; ++k) room.shares[places[k]] = found[k];
    }
    return n_near;
}

// Note the posteriors of one point; adds to the sum of the logarithms of the densities, but for the factor returned.
CV_STEP float note_point(const AddMoments& task, std::size_t row, const float* scores, const ScreenPoint& screened,
                         const Room& room, double& log_sum) {
    const std::size_t n = find_near(task, room.points + row * task.mixture.n_padded, scores, screened, room);
    for (std::size_t i = n; i < n + LANES; ++i) room.shares[i] = -std::numeric_limits<float>::infinity();
    Floats most = spread(LOWEST), sums = spread(0.0f);
    for (std::size_t i = 0; i < n; i += LANES) most = larger(most, load(room.shares + i));
    const float best = largest_lane(most);
    std::size_t n_kept = 0;
    for (std::size_t i = 0; i < n; i += LANES) {
        const Floats share = exponential(load(room.shares + i) - spread(best));
        const unsigned kept = at_most(spread(task.least_share), share);
        sums = sums + choose(share >= spread(task.least_share), share, spread(0.0f));
        const Ints near = load<Ints>(room.near + i);
        store_chosen(room.near + n_kept, near, kept);
        n_kept += store_chosen(room.shares + n_kept, share, kept);
    }
    const float total = sum_of_lanes(sums), inverse = 1 / total;
    for (std::size_t i = 0; i < n_kept; ++i) {
        const std::size_t component = static_cast<std::size_t>(room.near[i]);
        room.noted[component * BLOCK + room.counts[component]++] = {static_cast<std::uint32_t>(row),
                                                                    room.shares[i] * inverse};
    }
    log_sum += best;
    return total;
}

// Add up WIDTH vectors of dimensions, from `start` on, over the points of one component.
template <std::size_t WIDTH>
CV_STEP void add_vectors(const AddMoments& task, std::size_t component, std::size_t start, const Room& room) {
    const Mixture& mixture = task.mixture;
    const std::size_t n_padded = mixture.n_padded, count = room.counts[component];
    const float* mean = mixture.means + component * n_padded + start;
    const Share* noted = room.noted + component * BLOCK;
    Floats first[WIDTH] = {}, second[WIDTH] = {}, means[WIDTH];
    for (std::size_t v = 0; v < WIDTH; ++v) means[v] = load(mean + v * LANES);
    for (std::size_t i = 0; i < count; ++i) {
        const float* point = room.points + noted[i].row * n_padded + start;
        const Floats posterior = spread(noted[i].posterior);
        for (std::size_t v = 0; v < WIDTH; ++v) {
            const Floats difference = load(point + v * LANES) - means[v];
            const Floats weighted = posterior * difference;
            first[v] = first[v] + weighted;
            second[v] = fused(weighted, difference, second[v]);
        }
    }
    const float* root = mixture.roots + component * n_padded;
    const std::size_t end = std::min(mixture.n_dims, start + WIDTH * LANES);
    float sums[2][WIDTH * LANES];
    for (std::size_t v = 0; v < WIDTH; ++v) {
        const Floats roots = load(root + start + v * LANES);
        store(sums[0] + v * LANES, first[v] * roots);
        store(sums[1] + v * LANES, second[v] * roots * roots);
    }
    double* CV_RESTRICT to_first = task.first + component * mixture.n_dims;
    double* CV_RESTRICT to_second = task.second + component * mixture.n_dims;
    for (std::size_t d = start; d < end; ++d) to_first[d] += sums[0][d - start];
    for (std::size_t d = start; d < end; ++d) to_second[d] += sums[1][d - start];
}

void add_component(const AddMoments& task, std::size_t component, const Room& room) {
    const Share* noted = room.noted + component * BLOCK;
    const std::size_t count = room.counts[component];
    double even = 0, odd = 0;  // two sums, because each must wait for its last addition
    for (std::size_t i = 0; i + 1 < count; i += 2) {
        even += noted[i].posterior;
        odd += noted[i + 1].posterior;
    }
    task.zeroth[component] += (even + odd) + (count % 2 ? noted[count - 1].posterior : 0.0f);
    std::size_t start = 0;
    for (; start + SUM_VECTORS * LANES <= task.mixture.n_padded; start += SUM_VECTORS * LANES) {
        add_vectors<SUM_VECTORS>(task, component, start, room);
    }
    for (; start + 2 * LANES <= task.mixture.n_padded; start += 2 * LANES) add_vectors<2>(task, component, start, room);
    if (start < task.mixture.n_padded) add_vectors<1>(task, component, start, room);
}

// Note the posteriors of up to GROUP_ROWS points of the block, from `start` on.
double note_group(const AddMoments& task, std::size_t start, std::size_t n, const Room& room) {
    const Mixture& mixture = task.mixture;
    const std::size_t n_columns = mixture.n_panels * PANEL;
    const std::size_t n_rows = (n + SCREEN_ROWS - 1) / SCREEN_ROWS * SCREEN_ROWS;
    ScreenPoint points[GROUP_ROWS] = {};
    std::fill(room.levels + n * mixture.n_padded, room.levels + n_rows * mixture.n_padded, 0);
    for (std::size_t i = 0; i < n; ++i) {
        points[i] = screen_point(mixture, room.points + (start + i) * mixture.n_padded, room.levels + i * mixture.n_padded);
    }
    for (std::size_t panel = 0; panel < mixture.n_panels; ++panel) {
        for (std::size_t i = 0; i < n_rows; i += SCREEN_ROWS) {
            screen_panel(mixture, panel, room.levels + i * mixture.n_padded, points + i, room.scores + i * n_columns,
                         n_columns);
        }
    }
    double sum = 0, product = 1;
    for (std::size_t i = 0; i < n; ++i) {
        product *= note_point(task, start + i, room.scores + i * n_columns, points[i], room, sum);
        if ((i + 1) % LOG_EVERY == 0 || i + 1 == n) {
            sum += std::log(product);
            product = 1;
        }
    }
    return sum;
}

}  // namespace

int mixture_panel() { return static_cast<int>(PANEL); }

double add_moments(const AddMoments& task, Arena& arena) {
    const Mixture& mixture = task.mixture;
    const Room room = take_room(mixture, arena);
    double log_likelihood = 0;
    for (std::size_t block = 0; block < task.n_points; block += BLOCK) {
        const std::size_t n = std::min(BLOCK, task.n_points - block);
        for (std::size_t i = 0; i < n; ++i) {
            float* row = room.points + i * mixture.n_padded;
            const float* point = task.points + (block + i) * mixture.n_dims;
            std::size_t d = 0;
            for (; d + LANES <= mixture.n_dims; d += LANES) store(row + d, load(point + d));
            if (d < mixture.n_dims) store(row + d, load_first(point + d, mixture.n_dims - d));
        }
        std::fill(room.counts, room.counts + mixture.n_components, 0u);
        for (std::size_t start = 0; start < n; start += GROUP_ROWS) {
            log_likelihood += note_group(task, start, std::min(GROUP_ROWS, n - start), room);
        }
        for (std::size_t k = 0; k < mixture.n_components; ++k) {
            if (room.counts[k]) add_component(task, k, room);
        }
    }
    return log_likelihood;
}

}  // namespace classicvision::CV_ISA
