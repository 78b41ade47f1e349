// One call of SIFT (Lowe 2004): octave by octave, rows of the scale space stream through blur, extrema and description.
#pragma once

#include "sift_descriptor.h"

namespace classicvision::CV_ISA {

// As many octaves as OpenCV has: the coarsest is at least three samples wide.
inline int count_octaves(const SiftImage& image, bool upsample) {
    const double finest = std::min(image.width, image.height) * (upsample ? 2.0 : 1.0);
    return std::max(0, static_cast<int>(std::nearbyint(std::log2(finest) - 2)) + (upsample ? 1 : 0));
}

// The state of one call.
template <typename Sample>
class Finder {
public:
    Finder(const SiftImage& image, const SiftSettings& settings, const SiftSink& sink, Arena& arena)
        : image_(image),
          settings_(settings),
          sink_(sink),
          arena_(arena),
          n_octaves_(count_octaves(image, settings.upsample)),
          width_(settings.upsample ? 2 * image.width : image.width),
          height_(settings.upsample ? 2 * image.height : image.height) {}

    void run() {
        if (!n_octaves_) return;
        arena_.reserve(n_bytes());
        Blurs<Sample> blurs(settings_, width_, arena_);
        take_memory(blurs);
        for (int number = 0; number < n_octaves_; ++number) {
            begin_octave(number, blurs);
            find_in_octave(number, blurs);
        }
    }

private:
    int n_levels() const { return settings_.n_layers + 3; }

    // Rows above and below a blob that its directions and its descriptor need.
    int reach() const {
        const double sigma = settings_.sigma * std::exp2((settings_.n_layers + 0.5) / settings_.n_layers);
        return std::max(orientation_reach(sigma), descriptor_reach(sigma)) + 2;
    }

    // Rows that a level keeps; number n_levels() is the source. A candidate is localised when the last level is
    // MAX_MOVE + 2 rows beyond it, a blob is described when its level is `reach` rows beyond it, and both wait for
    // earlier ones, which lie at most 2 MAX_MOVE rows below. Levels lead by the lag of the blurs, and advance by bands.
    int n_kept(int number, const Blurs<Sample>& blurs) const {
        const int blurred = 2 * Blurs<Sample>::largest_radius(settings_);
        const int last = settings_.n_layers, top = n_levels() - 1;
        int kept = blurred;
        if (number <= top) kept = std::max(kept, 2 * MAX_MOVE + 4 + blurs.lag(number, top));
        if (number >= 1 && number <= last) {
            const int settling = 2 * MAX_MOVE + 4 + reach() + blurs.lag(number, top);
            const int waiting = 2 * MAX_MOVE + 2 * reach() + blurs.lag(number, last);
            kept = std::max({kept, settling, waiting});
        }
        return kept + 3 * BAND;
    }

    // An upper bound on what `take_memory` takes, computed before the blurs exist.
    std::size_t n_bytes() const {
        const std::size_t stride = row_stride<Sample>(width_), height = height_, side = 2 * reach() + 64;
        const std::size_t radius = Blurs<Sample>::largest_radius(settings_), lag = radius * n_levels();
        const std::size_t most = 2 * (MAX_MOVE + radius + reach()) + 4 + lag + 3 * BAND;
        const std::size_t rings = stride * std::min(most, height) * (n_levels() + 1);
        const std::size_t extremes = 2 * SEARCHED_AT_ONCE * (stride + LANES_OF<Sample>)*n_levels();
        const std::size_t samples = rings + base_samples(1) + base_samples(2) + extremes;
        const std::size_t floats = patch_floats(reach(), width_, height_) + side + 4 * window_samples();
        return Blurs<Sample>::n_bytes(settings_, width_) + samples * sizeof(Sample) + floats * sizeof(float) +
               height * (n_levels() + 1) * sizeof(Sample*) + Arena::ALIGNMENT * (8 * n_levels() + 64);
    }

    // Samples that directions are counted from, and what is written beyond them.
    std::size_t window_samples() const {
        const int side = 2 * reach() + 1;
        return static_cast<std::size_t>(std::min(side, width_)) * std::min(side, height_) + 2 * LANES;
    }

    // The first level of octave 1 or 2; later octaves are smaller and alternate in the same memory.
    std::size_t base_samples(int number) const {
        return row_stride<Sample>(width_ >> number) * ((height_ >> number) + 1);
    }

    void take_memory(const Blurs<Sample>& blurs) {
        const std::size_t stride = row_stride<Sample>(width_);
        for (int i = 0; i <= n_levels(); ++i) {
            rings_[i] = arena_.take<Sample>(stride * std::min(height_, n_kept(i, blurs)));
            (i < n_levels() ? octave_.levels[i] : octave_.source).rows = arena_.take<Sample*>(height_);
        }
        for (int number : {1, 2}) bases_[number % 2] = arena_.take<Sample>(base_samples(number));
        constexpr std::size_t before = LANES_OF<Sample>;  // samples that can be read before the first
        for (Extremes<Sample>& row : extremes_) {
            for (int i = 0; i < n_levels(); ++i) {
                row.highest[i] = arena_.take<Sample>(stride + before) + before;
                row.lowest[i] = arena_.take<Sample>(stride + before) + before;
            }
        }
        directions_.weight = arena_.take<float>(2 * reach() + 64);
        for (float** list : {&directions_.dx, &directions_.dy, &directions_.vote}) {
            *list = arena_.take<float>(window_samples());
        }
        directions_.bin = arena_.take<std::int32_t>(window_samples());
        patch_.gradients = arena_.take<float>(patch_floats(reach(), width_, height_));
    }

    void begin_octave(int number, const Blurs<Sample>& blurs) {
        const bool is_first = number == 0;
        octave_.width = is_first ? width_ : octave_.width / 2;
        octave_.height = is_first ? height_ : octave_.height / 2;
        octave_.n_levels = n_levels();
        const std::size_t stride = row_stride<Sample>(octave_.width);
        for (int i = 0; i <= n_levels(); ++i) {
            Level<Sample>& level = i < n_levels() ? octave_.levels[i] : octave_.source;
            lay_out(level, octave_.height, std::min(octave_.height, n_kept(i, blurs)), rings_[i], stride);
        }
        if (!is_first) lay_out(octave_.levels[0], octave_.height, octave_.height, bases_[number % 2], stride);
        octave_.next_base = number + 1 < n_octaves_ ? bases_[(number + 1) % 2] : nullptr;
        octave_.next_stride = row_stride<Sample>(octave_.width / 2);
    }

    void find_in_octave(int number, Blurs<Sample>& blurs) {
        const Level<Sample>& top = octave_.levels[n_levels() - 1];
        // OpenCV's: half the threshold, rounded down to whole grey levels of 256.
        const double floor = std::floor(settings_.contrast / settings_.n_layers / 2 * 255) / 255;
        int next_row = BORDER;
        std::size_t n_localised = 0, n_described = 0;
        candidates_.clear();
        localised_.clear();
        blobs_.clear();
        while (top.n_done < octave_.height) {
            advance_octave(octave_, blurs, number ? nullptr : &image_, settings_.upsample);
            const int end = std::min(octave_.height - BORDER, top.n_done - 1);
            if (next_row < end && octave_.width > 2 * BORDER) {
                find_candidates(octave_, next_row, end, static_cast<Sample>(floor * Stored<Sample>::UNIT), extremes_,
                                candidates_);
                next_row = end;
            }
            for (; n_localised < candidates_.size() && can_be_localised(candidates_[n_localised]); ++n_localised) {
                localise_at(candidates_[n_localised]);
            }
            for (; n_described < blobs_.size() && can_be_described(blobs_[n_described].place); ++n_described) {
                if (n_described + 1 < blobs_.size()) fetch_around(blobs_[n_described + 1].place);
                find_keypoints(blobs_[n_described], number);
            }
        }
    }

    // Whether a level has all rows up to, and without, `end`.
    bool is_done(const Level<Sample>& level, int end) const { return level.n_done >= std::min(end, octave_.height); }

    bool can_be_localised(const Place& candidate) const {
        return is_done(octave_.levels[n_levels() - 1], candidate.row + MAX_MOVE + 2);
    }

    bool can_be_described(const Place& place) const {
        return is_done(octave_.levels[place.layer], place.row + reach() + 1);
    }

    // Prefetch the rows around a place: they have left the near caches.
    void fetch_around(const Place& place) const {
        constexpr int DISTANCE = 24;
        const Level<Sample>& level = octave_.levels[place.layer];
        const int first = std::max(place.row - DISTANCE, 0), last = std::min(place.row + DISTANCE, level.n_done - 1);
        for (int y = first; y <= last; ++y) {
            const Sample* row = level.rows[y];
            for (int x = std::max(place.column - DISTANCE, 0); x <= place.column + DISTANCE; x += 64 / sizeof(Sample)) {
                CV_PREFETCH(row + std::min(x, octave_.width - 1));
            }
        }
    }

    void localise_at(const Place& candidate) {
        Blob blob;
        if (!localise(octave_, candidate, blob)) return;
        const double edge_limit = (settings_.edge_ratio + 1) * (settings_.edge_ratio + 1) / settings_.edge_ratio;
        const bool is_strong = std::fabs(blob.value) >= settings_.contrast / settings_.n_layers;
        // Lowe (2004), section 4.1: Tr^2 / Det < (r + 1)^2 / r.
        if (is_strong && blob.edgeness < edge_limit && is_new(candidate, blob.place)) blobs_.add(blob);
    }

    void find_keypoints(const Blob& blob, int number) {
        const double spacing = std::exp2(number) * (settings_.upsample ? 0.5 : 1.0);
        const double sigma = settings_.sigma * std::exp2((blob.place.layer + blob.offset[0]) / settings_.n_layers);
        const Level<Sample>& level = octave_.levels[blob.place.layer];
        float counts[N_BINS];
        count_directions(level, octave_.width, octave_.height, blob.place, sigma, directions_, counts);
        for_each_peak(counts, [&](float angle) {
            SiftKeypoint& keypoint = *sink_.add(sink_.list);
            keypoint.x = static_cast<float>((blob.place.column + blob.offset[2]) * spacing);
            keypoint.y = static_cast<float>((blob.place.row + blob.offset[1]) * spacing);
            keypoint.scale = static_cast<float>(sigma * spacing);
            keypoint.angle = angle;
            keypoint.response = static_cast<float>(std::fabs(blob.value));
            describe(tables_, level, octave_.width, octave_.height, blob.place, sigma, angle, patch_, scratch_,
                     keypoint.descriptor);
        });
    }

    // Whether no earlier candidate ended at the same place; those that could lie at most MAX_MOVE rows away.
    bool is_new(const Place& candidate, const Place& place) {
        for (std::size_t i = localised_.size(); i-- > 0 && localised_[i].from_row >= candidate.row - 2 * MAX_MOVE;) {
            const Place& other = localised_[i].place;
            if (other.column == place.column && other.row == place.row && other.layer == place.layer) return false;
        }
        localised_.add({place, candidate.row});
        return true;
    }

    struct Localised {
        Place place;
        int from_row;
    };

    const SiftImage& image_;
    const SiftSettings& settings_;
    const SiftSink& sink_;
    Arena& arena_;
    const int n_octaves_, width_, height_;
    Octave<Sample> octave_;
    Sample* rings_[MAX_LEVELS];
    Sample* bases_[2];
    Extremes<Sample> extremes_[SEARCHED_AT_ONCE];
    DirectionScratch directions_;
    Patch patch_;
    const DescriptorTables tables_;
    DescriptorScratch scratch_;
    List<Place> candidates_;
    List<Localised> localised_;
    List<Blob> blobs_;
};

}  // namespace classicvision::CV_ISA
