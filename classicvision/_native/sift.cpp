// SIFT (Lowe 2004): octave by octave, rows of the scale space stream through blur, extrema and description.
#include "sift.h"

#include "kernels.h"
#include "sift_descriptor.h"

namespace classicvision::CV_ISA {
namespace {

// As many octaves as OpenCV has: the coarsest is at least three samples wide.
int count_octaves(const SiftImage& image, bool upsample) {
    const double finest = std::min(image.width, image.height) * (upsample ? 2.0 : 1.0);
    return std::max(0, static_cast<int>(std::nearbyint(std::log2(finest) - 2)) + (upsample ? 1 : 0));
}

// Everything that one call works with.
class Finder {
public:
    Finder(const SiftImage& image, const SiftSettings& settings, const SiftSink& sink, Arena& arena)
        : image_(image), settings_(settings), sink_(sink), arena_(arena),
          n_octaves_(count_octaves(image, settings.upsample)),
          width_(settings.upsample ? 2 * image.width : image.width),
          height_(settings.upsample ? 2 * image.height : image.height) {}

    void run() {
        if (!n_octaves_) return;
        arena_.reserve(n_bytes());
        Blurs blurs(settings_, width_, arena_);
        take_memory(blurs);
        for (int number = 0; number < n_octaves_; ++number) {
            begin_octave(number);
            find_in_octave(number, blurs);
        }
    }

private:
    // Rows above and below a candidate that its settling, its directions and its descriptor may look at.
    int reach() const {
        const double sigma = settings_.sigma * std::exp2((settings_.n_layers + 0.5) / settings_.n_layers);
        return MAX_MOVE + std::max(orientation_reach(sigma) + 2, descriptor_reach(sigma) + 2);
    }

    int n_levels() const { return settings_.n_layers + 3; }

    // Rows that a level keeps. A candidate is worked on when the last level is `reach` rows beyond it; the first level
    // is then farther by the lag of the blurs and up to two bands.
    int n_kept(int lag) const { return std::min(height_, 2 * reach() + lag + 2 * BAND + 8); }

    std::size_t n_bytes() const {
        const std::size_t stride = row_stride(width_), radius = Blurs::largest_radius(settings_);
        const std::size_t lag = radius * n_levels();
        const std::size_t kept = n_kept(static_cast<int>(lag));
        const std::size_t bases = base_floats(1) + base_floats(2);
        const std::size_t rings = stride * kept * (n_levels() + 1), sums = stride;
        const std::size_t extremes = 2 * SEARCHED_AT_ONCE * (stride + 16) * n_levels();
        const std::size_t floats = rings + bases + extremes + sums + Blurs::n_floats(settings_, width_) +
                                   3 * (2 * reach() + 64);
        const std::size_t pointers = static_cast<std::size_t>(height_) * (n_levels() + 1) + 2 * radius + BLOCK;
        return floats * sizeof(float) + pointers * sizeof(float*) + Arena::ALIGNMENT * (8 * n_levels() + 64);
    }

    // The first level of octave 1 or 2; later octaves are smaller and take turns in the same memory.
    std::size_t base_floats(int number) const { return row_stride(width_ >> number) * ((height_ >> number) + 1); }

    void take_memory(Blurs& blurs) {
        lag_ = blurs.lag(n_levels());
        const std::size_t stride = row_stride(width_), kept = n_kept(lag_);
        for (int i = 0; i <= n_levels(); ++i) {
            rings_[i] = arena_.take<float>(stride * kept);
            (i < n_levels() ? octave_.levels[i] : octave_.source).rows = arena_.take<float*>(height_);
        }
        for (int number : {1, 2}) bases_[number % 2] = arena_.take<float>(base_floats(number));
        octave_.sums = arena_.take<float>(image_.width + 1);
        for (Extremes& row : extremes_) {
            for (int i = 0; i < n_levels(); ++i) {
                row.highest[i] = arena_.take<float>(stride + 16) + 16;
                row.lowest[i] = arena_.take<float>(stride + 16) + 16;
            }
        }
        const int side = 2 * reach() + 48;
        directions_ = {arena_.take<float>(side), arena_.take<float>(side), arena_.take<std::int32_t>(side)};
    }

    void begin_octave(int number) {
        const bool is_first = number == 0;
        octave_.width = is_first ? width_ : octave_.width / 2;
        octave_.height = is_first ? height_ : octave_.height / 2;
        octave_.n_levels = n_levels();
        const std::size_t stride = row_stride(octave_.width);
        const int kept = std::min(octave_.height, n_kept(lag_));
        for (int i = 0; i < n_levels(); ++i) lay_out(octave_.levels[i], octave_.height, kept, rings_[i], stride);
        if (is_first) {
            lay_out(octave_.source, octave_.height, kept, rings_[n_levels()], stride);
        } else {
            lay_out(octave_.levels[0], octave_.height, octave_.height, bases_[number % 2], stride);
        }
        octave_.next_base = number + 1 < n_octaves_ ? bases_[(number + 1) % 2] : nullptr;
        octave_.next_stride = row_stride(octave_.width / 2);
    }

    void find_in_octave(int number, Blurs& blurs) {
        const Level& top = octave_.levels[n_levels() - 1];
        // OpenCV's: half the threshold, rounded down to whole grey levels of 256.
        const float floor = static_cast<float>(std::floor(settings_.contrast / settings_.n_layers / 2 * 255) / 255);
        int next_row = BORDER;
        std::size_t n_treated = 0;
        candidates_.clear();
        settled_.clear();
        while (top.n_done < octave_.height) {
            advance_octave(octave_, blurs, number ? nullptr : &image_, settings_.upsample);
            const int end = std::min(octave_.height - BORDER, top.n_done - 1);
            if (next_row < end && octave_.width > 2 * BORDER) {
                find_candidates(octave_, next_row, end, floor, extremes_, candidates_);
                next_row = end;
            }
            for (; n_treated < candidates_.size() && is_ready(candidates_[n_treated], top); ++n_treated) {
                treat(candidates_[n_treated], number);
            }
        }
    }

    bool is_ready(const Place& candidate, const Level& top) const {
        return top.n_done == octave_.height || candidate.row + reach() < top.n_done;
    }

    // From a candidate to its keypoints.
    void treat(const Place& candidate, int number) {
        Blob blob;
        if (!settle(octave_, candidate, blob) || !is_new(candidate, blob.place)) return;
        const double edge_limit = (settings_.edge_ratio + 1) * (settings_.edge_ratio + 1) / settings_.edge_ratio;
        const bool is_strong = std::fabs(blob.value) >= settings_.contrast / settings_.n_layers;
        // Lowe (2004), section 4.1: Tr^2 / Det < (r + 1)^2 / r.
        if (!is_strong || !(blob.edgeness < edge_limit)) return;
        const double spacing = std::exp2(number) * (settings_.upsample ? 0.5 : 1.0);
        const double sigma = settings_.sigma * std::exp2((blob.place.layer + blob.offset[0]) / settings_.n_layers);
        const Level& level = octave_.levels[blob.place.layer];
        float counts[N_BINS];
        count_directions(level, octave_.width, octave_.height, blob.place, sigma, directions_, counts);
        for_each_peak(counts, [&](float angle) {
            SiftKeypoint& keypoint = *sink_.add(sink_.list);
            keypoint.x = static_cast<float>((blob.place.column + blob.offset[2]) * spacing);
            keypoint.y = static_cast<float>((blob.place.row + blob.offset[1]) * spacing);
            keypoint.scale = static_cast<float>(sigma * spacing);
            keypoint.angle = angle;
            keypoint.response = static_cast<float>(std::fabs(blob.value));
            describe(tables_, level, octave_.width, octave_.height, blob.place, sigma, angle, scratch_,
                     keypoint.descriptor);
        });
    }

    // Whether no earlier candidate settled at the same place; those that could lie at most MAX_MOVE rows away from it.
    bool is_new(const Place& candidate, const Place& place) {
        for (std::size_t i = settled_.size(); i-- > 0 && settled_[i].from_row >= candidate.row - 2 * MAX_MOVE;) {
            const Place& other = settled_[i].place;
            if (other.column == place.column && other.row == place.row && other.layer == place.layer) return false;
        }
        settled_.add({place, candidate.row});
        return true;
    }

    struct Settled {
        Place place;
        int from_row;
    };

    const SiftImage& image_;
    const SiftSettings& settings_;
    const SiftSink& sink_;
    Arena& arena_;
    const int n_octaves_, width_, height_;
    int lag_ = 0;
    Octave octave_;
    float* rings_[MAX_LEVELS];
    float* bases_[2];
    Extremes extremes_[SEARCHED_AT_ONCE];
    DirectionScratch directions_;
    const DescriptorTables tables_;
    DescriptorScratch scratch_;
    List<Place> candidates_;
    List<Settled> settled_;
};

}  // namespace

void find_sift(const SiftImage& image, const SiftSettings& settings, const SiftSink& sink, Arena& arena) {
    Finder(image, settings, sink, arena).run();
}

}  // namespace classicvision::CV_ISA
