// The scale space of one octave as a stream of rows (Lowe 2004, section 3), in float32 or int16 samples.
//
// All levels advance together, a band of rows at a time, so that what one level writes the next one reads from cache.
// A level keeps only the last rows, in a ring, enough for the blurs, the extrema and the descriptors that follow it.
#pragma once

#include "sift.h"
#include "sift_blur.h"
#include "sift_blur_shorts.h"

namespace classicvision::CV_ISA {

constexpr int BAND = 16;        // rows by which the first level advances
constexpr int MAX_LEVELS = 64;  // n_layers + 3, and the upsampled image

constexpr double CAMERA_BLUR = 0.5;  // assumed sigma of the input image, in pixels (Lowe 2004, 3.3)
constexpr double LEAST_BLUR = 0.1;   // sigma in samples; the first level cannot be sharper than the image

template <typename Sample>
struct Level {
    Sample** rows = nullptr;  // where each row of the octave is; only the last of a ring are valid
    int n_done = 0;           // rows computed so far
};

template <typename Sample>
struct Octave {
    int width = 0, height = 0;
    int n_levels = 0;                  // n_layers + 3
    Level<Sample> source;              // of the first octave: the image in samples, not blurred
    Level<Sample> levels[MAX_LEVELS];  // the Gaussians
    Sample* next_base = nullptr;       // where every second sample of level n_layers goes, for the next octave
    std::size_t next_stride = 0;
};

// Point the rows of a level into a ring of n_kept rows of `memory`.
template <typename Sample>
void lay_out(Level<Sample>& level, int height, int n_kept, Sample* memory, std::size_t stride) {
    level.n_done = 0;
    for (int y = 0, place = 0; y < height; ++y, ++place) {
        if (place == n_kept) place = 0;
        level.rows[y] = memory + static_cast<std::size_t>(place) * stride;
    }
}

// A sum of pixels, each weighted by `share`, as a sample. (For float32 the blur of the base scales grey to [0, 1].)
template <typename Sample>
CV_INLINE Sample sample_of(std::int32_t sum, float share) {
    if constexpr (sizeof(Sample) == sizeof(float)) {
        return static_cast<float>(sum) * share;
    } else {
        return static_cast<Sample>(sum * static_cast<std::int32_t>(128 * share) - 255 * 64);
    }
}

// The same for LANES pixels and the places half-way to the next ones, interleaved.
CV_INLINE void store_doubled(float* out, Ints twice, Ints four_times) {
    store_pairs(out, to_floats(twice) * spread(0.5f), to_floats(four_times) * spread(0.25f));
}
CV_INLINE void store_doubled(std::int16_t* out, Ints twice, Ints four_times) {
    const Ints middle = spread_as<Ints>(std::int32_t{255 * 64});
    const Ints here = shifted_up(twice, 6) - middle, between = shifted_up(four_times, 5) - middle;
    store(out, joined(here, shifted_up(between, 16)));
}

// Write row y of the image in samples half a pixel apart: linear interpolation, the last pixel repeated.
template <typename Sample>
CV_STEP void double_row(const SiftImage& image, int y, Sample* out) {
    const int width = image.width;
    const std::uint8_t* above = image.gray + static_cast<std::size_t>(y / 2) * width;
    const std::uint8_t* below = y % 2 && y / 2 + 1 < image.height ? above + width : above;
    int x = 0;
    for (; x + LANES < width; x += LANES) {
        const Ints here = load_bytes(above + x) + load_bytes(below + x);
        store_doubled(out + 2 * x, here, here + load_bytes(above + x + 1) + load_bytes(below + x + 1));
    }
    for (; x < width; ++x) {
        const int next = x + 1 < width ? x + 1 : x, here = above[x] + below[x];
        out[2 * x] = sample_of<Sample>(here, 0.5f);
        out[2 * x + 1] = sample_of<Sample>(here + above[next] + below[next], 0.25f);
    }
}

template <typename Sample>
void plain_row(const SiftImage& image, int y, Sample* out) {
    const std::uint8_t* row = image.gray + static_cast<std::size_t>(y) * image.width;
    for (int x = 0; x < image.width; ++x) out[x] = sample_of<Sample>(row[x], 1.0f);
}

// The blurs between levels and the scratch rows they share.
template <typename Sample>
class Blurs {
public:
    // How many rows a level is behind another one before it; level -1 is the source.
    int lag(int from, int to) const {
        int sum = 0;
        for (int i = from + 1; i <= to; ++i) sum += blurs_[i].radius;
        return sum;
    }

    static int largest_radius(const SiftSettings& settings) {
        return std::max(blur_radius(base_sigma(settings)), blur_radius(step_sigma(settings, settings.n_layers + 2)));
    }

    static std::size_t n_bytes(const SiftSettings& settings, int width) {
        const std::size_t radius = largest_radius(settings), n_levels = settings.n_layers + 3;
        return n_levels * (Blur<Sample>::n_bytes(radius) + 2 * Arena::ALIGNMENT) + Scratch::n_bytes(width, radius) +
               (Scratch::BLOCK + 2 * radius) * sizeof(Sample*) + 4 * Arena::ALIGNMENT;
    }

    Blurs(const SiftSettings& settings, int width, Arena& arena) {
        // The base scales grey from [0, 255] to [0, 1], by the square root in each direction.
        blurs_[0].prepare(base_sigma(settings), std::sqrt(1.0 / 255), arena);
        for (int i = 1; i < settings.n_layers + 3; ++i) blurs_[i].prepare(step_sigma(settings, i), 1.0, arena);
        const int radius = largest_radius(settings);
        scratch_.in = arena.take<const Sample*>(Scratch::BLOCK + 2 * radius);
        scratch_.take(width, radius, arena);
    }

    // Compute the rows of `to` whose input is ready in `from`, at most a band: so no level leads by more than the lag.
    void advance(int number, const Level<Sample>& from, Level<Sample>& to, int width, int height) {
        const int radius = blurs_[number].radius;
        const int ready = std::min(from.n_done == height ? height : from.n_done - radius, to.n_done + BAND);
        while (to.n_done < ready) {
            const int n_rows = std::min(Scratch::BLOCK, ready - to.n_done);
            for (int k = 0; k < n_rows + 2 * radius; ++k) {
                scratch_.in[k] = from.rows[mirrored(to.n_done - radius + k, height)];
            }
            blurs_[number](scratch_, n_rows, width, to.rows + to.n_done);
            to.n_done += n_rows;
        }
    }

    static constexpr int MOST_ROWS_AT_ONCE = BlurScratch<Sample>::BLOCK;

private:
    using Scratch = BlurScratch<Sample>;

    static double base_sigma(const SiftSettings& settings) {
        const double blur = settings.upsample ? 2 * CAMERA_BLUR : CAMERA_BLUR;
        return std::sqrt(std::max(settings.sigma * settings.sigma - blur * blur, LEAST_BLUR * LEAST_BLUR));
    }

    // Gaussians add by their variances: from sigma k^(i-1) to sigma k^i, with k = 2^(1 / n_layers).
    static double step_sigma(const SiftSettings& settings, int i) {
        const double before = settings.sigma * std::exp2(static_cast<double>(i - 1) / settings.n_layers);
        const double after = settings.sigma * std::exp2(static_cast<double>(i) / settings.n_layers);
        return std::sqrt(after * after - before * before);
    }

    Blur<Sample> blurs_[MAX_LEVELS];
    Scratch scratch_{};
};

// Write every second sample of the rows [first, last) of level n_layers: the base of the next octave.
template <typename Sample>
CV_STEP void thin_out(Octave<Sample>& octave, int first, int last) {
    const Level<Sample>& level = octave.levels[octave.n_levels - 3];
    const int width = octave.width / 2;
    for (int y = first + first % 2; y < std::min(last, octave.height / 2 * 2); y += 2) {
        Sample* CV_RESTRICT out = octave.next_base + static_cast<std::size_t>(y / 2) * octave.next_stride;
        const Sample* CV_RESTRICT row = level.rows[y];
        for (int x = 0; x < width; ++x) out[x] = row[2 * x];
    }
}

// Advance all levels by a band. The first octave starts from the image, the others from a known level 0.
template <typename Sample>
void advance_octave(Octave<Sample>& octave, Blurs<Sample>& blurs, const SiftImage* image, bool upsample) {
    const int goal = std::min(octave.height, (image ? octave.source : octave.levels[0]).n_done + BAND);
    if (image) {
        for (int& y = octave.source.n_done; y < goal; ++y) {
            Sample* row = octave.source.rows[y];
            upsample ? double_row(*image, y, row) : plain_row(*image, y, row);
        }
        blurs.advance(0, octave.source, octave.levels[0], octave.width, octave.height);
    } else {
        octave.levels[0].n_done = goal;
    }
    const int before = octave.levels[octave.n_levels - 3].n_done;
    for (int i = 1; i < octave.n_levels; ++i) {
        blurs.advance(i, octave.levels[i - 1], octave.levels[i], octave.width, octave.height);
    }
    if (octave.next_base) thin_out(octave, before, octave.levels[octave.n_levels - 3].n_done);
}

}  // namespace classicvision::CV_ISA
