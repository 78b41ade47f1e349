// Weak geometric consistency (Jegou, Douze and Schmid 2008, section 5): a small histogram of votes per image, over the
// differences of angle and of scale, and the largest sum in a window of two by two cells.
//
// Votes arrive by query. A counting sort groups them by image, so one histogram, which stays in cache, serves all
// images.
#include "image_votes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels.h"

namespace classicvision {
namespace {

constexpr int TURNS = 16;  // cells per full rotation; the last is next to the first
constexpr int SIZES = 32;  // cells of the change in scale, half an octave each
constexpr int STEPS_PER_TURN = 256 / TURNS, STEPS_PER_SIZE = 8;  // byte values per cell

struct Vote {
    std::uint16_t row, cell;
    float weight;
};

int cell_of(const VoteSearch& search, std::size_t posting, std::size_t query) {
    const int rotation =
        static_cast<std::uint8_t>(search.angles[posting] - search.query_angles[query]) / STEPS_PER_TURN;
    const int growth = search.scales[posting] - search.query_scales[query] + SIZES / 2 * STEPS_PER_SIZE;
    return rotation * SIZES + std::clamp(growth, 0, SIZES * STEPS_PER_SIZE - 1) / STEPS_PER_SIZE;
}

// Takes near postings in the order of the queries, then of the images. The n votes of one query for one image are
// weighted by 1 / sqrt(n) (burstiness; Jegou, Douze and Schmid 2009, section 4.2).
class Collector {
public:
    explicit Collector(const VoteSearch& search) : search_(search) {}

    static void add(void* self, std::int64_t posting, std::int32_t query, std::uint8_t) {
        static_cast<Collector*>(self)->take(static_cast<std::size_t>(posting), query);
    }
    void end_run() {
        const std::size_t n = votes_.size() - run_;
        if (n > 1) {
            const float weight = votes_.back().weight / std::sqrt(static_cast<float>(n));
            for (std::size_t i = run_; i < votes_.size(); ++i) votes_[i].weight = weight;
        }
        run_ = votes_.size();
    }
    bool is_sound() const { return is_sound_; }
    const std::vector<Vote>& votes() const { return votes_; }

private:
    void take(std::size_t posting, std::int32_t query) {
        const std::uint16_t row = search_.rows[posting];
        if (row >= search_.n_rows) {
            is_sound_ = false;
            return;
        }
        if (run_ < votes_.size() && (query != query_ || row != votes_.back().row)) end_run();
        query_ = query;
        const auto at = static_cast<std::size_t>(query);
        votes_.push_back({row, static_cast<std::uint16_t>(cell_of(search_, posting, at)), search_.weights[at]});
    }

    const VoteSearch& search_;
    std::vector<Vote> votes_;
    std::size_t run_ = 0;  // start of the votes of the current query for the current image
    std::int32_t query_ = -1;
    bool is_sound_ = true;
};

class Histogram {
public:
    // Return the largest sum of one image's votes in a window.
    double largest(const Vote* votes, std::size_t n) {
        if (n == 1) return votes->weight;
        for (std::size_t i = 0; i < n; ++i) sums_[votes[i].cell] += votes[i].weight;
        double best = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const int turn = votes[i].cell / SIZES, size = votes[i].cell % SIZES;
            const int before = (turn + TURNS - 1) % TURNS, smaller = std::max(size - 1, 0);
            best = std::max(
                {best, window(turn, size), window(before, size), window(turn, smaller), window(before, smaller)});
        }
        for (std::size_t i = 0; i < n; ++i) sums_[votes[i].cell] = 0;
        return best;
    }

private:
    double window(int turn, int size) const {
        const double sum = pair(turn, size);
        return size + 1 < SIZES ? sum + pair(turn, size + 1) : sum;
    }
    double pair(int turn, int size) const {
        return sums_[turn * SIZES + size] + sums_[(turn + 1) % TURNS * SIZES + size];
    }

    double sums_[TURNS * SIZES] = {};
};

}  // namespace

bool find_largest_agreements(const VoteSearch& search, double* largest) {
    Collector collector(search);
    kernels().find_near_postings(search.near, {&collector, Collector::add});
    collector.end_run();
    if (!collector.is_sound()) return false;
    const std::vector<Vote>& votes = collector.votes();
    std::vector<std::size_t> ends(search.n_rows + 1, 0);
    for (const Vote& vote : votes) ++ends[vote.row + 1];
    for (std::size_t row = 0; row < search.n_rows; ++row) ends[row + 1] += ends[row];
    std::vector<Vote> sorted(votes.size());
    std::vector<std::size_t> next(ends.begin(), ends.end() - 1);
    for (const Vote& vote : votes) sorted[next[vote.row]++] = vote;
    Histogram histogram;
    for (std::size_t row = 0; row < search.n_rows; ++row) {
        const std::size_t n = ends[row + 1] - ends[row];
        largest[row] = n ? histogram.largest(sorted.data() + ends[row], n) : 0;
    }
    return true;
}

}  // namespace classicvision
