// The scale space of one octave as a stream of rows (Lowe 2004, section 3).
//
// All levels advance together, a band of rows at a time, so that what one level writes the next one reads from cache.
// A level keeps only the last rows, in a ring, enough for the blurs, the extrema and the descriptors that follow it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "arena.h"
#include "sift.h"
#include "sift_blur.h"

namespace classicvision::CV_ISA {

constexpr int BAND = 16;        // rows by which the first level advances
constexpr int MAX_LEVELS = 64;  // n_layers + 3, and the doubled picture

constexpr double CAMERA_BLUR = 0.5;  // sigma in pixels that a picture is taken to have already (Lowe 2004, 3.3)
constexpr double LEAST_BLUR = 0.1;   // sigma in samples; a first level sharper than the picture cannot be had

struct Level {
    float** rows = nullptr;  // where each row of the octave is; only the last n_kept are valid
    int n_done = 0;          // rows computed so far
    int n_kept = 0;
};

struct Octave {
    int width = 0, height = 0;
    int n_levels = 0;             // n_layers + 3
    Level source;                 // of the first octave: the picture in samples, not blurred
    Level levels[MAX_LEVELS];     // the Gaussians
    float* sums = nullptr;        // scratch of `double_row`
    float* next_base = nullptr;   // where every second sample of level n_layers goes, for the next octave
    std::size_t next_stride = 0;
};

// Row length in floats: an odd number of cache lines, so that rows below each other do not fight for one cache set.
inline std::size_t row_stride(int width) {
    const std::size_t lines = (static_cast<std::size_t>(width) + LANES + 15) / 16;
    return 16 * (lines | 1);
}

// Let the rows of a level point into a ring of n_kept rows of `memory`.
inline void lay_out(Level& level, int height, int n_kept, float* memory, std::size_t stride) {
    level.n_done = 0;
    level.n_kept = n_kept;
    for (int y = 0; y < height; ++y) level.rows[y] = memory + static_cast<std::size_t>(y % n_kept) * stride;
}

// Write row y of the picture in samples half a pixel apart: linear interpolation, the last pixel repeated beyond
// itself. `sums` has room for a row of the picture and one item more.
CV_STEP inline void double_row(const SiftImage& image, int y, float* sums, float* out) {
    const int width = image.width;
    const std::uint8_t* above = image.gray + static_cast<std::size_t>(y / 2) * width;
    const std::uint8_t* below = y % 2 && y / 2 + 1 < image.height ? above + width : above;
    float* CV_RESTRICT sum = sums;
    for (int x = 0; x < width; ++x) sum[x] = static_cast<float>(above[x] + below[x]);
    sum[width] = sum[width - 1];
    float* CV_RESTRICT doubled = out;
    for (int x = 0; x < width; ++x) {
        doubled[2 * x] = sum[x] * 0.5f;
        doubled[2 * x + 1] = (sum[x] + sum[x + 1]) * 0.25f;
    }
}

inline void plain_row(const SiftImage& image, int y, float* out) {
    const std::uint8_t* row = image.gray + static_cast<std::size_t>(y) * image.width;
    for (int x = 0; x < image.width; ++x) out[x] = row[x];
}

// The blurs between levels and the scratch rows they share.
class Blurs {
public:
    // How many rows the last level is behind the first.
    int lag(int n_levels) const {
        int sum = 0;
        for (int i = 0; i < n_levels; ++i) sum += blurs_[i].radius;
        return sum;
    }

    static int largest_radius(const SiftSettings& settings) {
        return std::max(blur_radius(base_sigma(settings)), blur_radius(step_sigma(settings, settings.n_layers + 2)));
    }

    static std::size_t n_floats(const SiftSettings& settings, int width) {
        const std::size_t margin = largest_radius(settings) + LANES;
        return (margin + 16) * (settings.n_layers + 3) + BLOCK * scratch_stride(width, margin) +
               (2 * CHUNK + 2 * margin) * LANES;
    }

    Blurs(const SiftSettings& settings, int width, Arena& arena) {
        // The base takes grey values from [0, 255] to [0, 1] on the way, half of it in each direction.
        prepare(blurs_[0], base_sigma(settings), std::sqrt(1.0 / 255), arena);
        for (int i = 1; i < settings.n_layers + 3; ++i) prepare(blurs_[i], step_sigma(settings, i), 1.0, arena);
        const int radius = largest_radius(settings), margin = (radius + LANES - 1) / LANES * LANES;
        scratch_.margin = margin;
        scratch_.in = arena.take<const float*>(BLOCK + 2 * radius);
        float* rows = arena.take<float>(BLOCK * scratch_stride(width, margin));
        for (int k = 0; k < BLOCK; ++k) scratch_.rows[k] = rows + k * scratch_stride(width, margin) + margin;
        scratch_.turned = arena.take<float>((CHUNK + 2 * margin) * LANES);
        scratch_.blurred = arena.take<float>(CHUNK * LANES);
    }

    // Compute the rows of `to` that `from` is ready for.
    void advance(int number, const Level& from, Level& to, int width, int height) {
        const int radius = blurs_[number].radius;
        const int ready = from.n_done == height ? height : from.n_done - radius;
        while (to.n_done < ready) {
            const int n_rows = std::min(BLOCK, ready - to.n_done);
            for (int k = 0; k < n_rows + 2 * radius; ++k) {
                scratch_.in[k] = from.rows[mirrored(to.n_done - radius + k, height)];
            }
            blurs_[number](scratch_, n_rows, width, to.rows + to.n_done);
            to.n_done += n_rows;
        }
    }

private:
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

    static void prepare(Blur& blur, double sigma, double gain, Arena& arena) {
        blur.radius = blur_radius(sigma);
        blur.taps = arena.take<float>(blur.radius + 1);
        blur_taps(sigma, gain, blur.radius, blur.taps);
    }

    // Room for mirrored samples at both ends, and for the last chunk to be read whole.
    static std::size_t scratch_stride(int width, std::size_t margin) { return row_stride(width + CHUNK) + 2 * margin; }

    Blur blurs_[MAX_LEVELS];
    BlurScratch scratch_{};
};

// Write every second sample of the rows [first, last) of level n_layers: the base of the next octave.
CV_STEP inline void thin_out(Octave& octave, int first, int last) {
    const Level& level = octave.levels[octave.n_levels - 3];
    for (int y = first + first % 2; y < std::min(last, octave.height / 2 * 2); y += 2) {
        float* out = octave.next_base + static_cast<std::size_t>(y / 2) * octave.next_stride;
        const float* row = level.rows[y];
        for (int x = 0; x < octave.width / 2; ++x) out[x] = row[2 * x];
    }
}

// Advance all levels by a band. The first octave begins with the picture, the others with a level 0 that is known.
inline void advance_octave(Octave& octave, Blurs& blurs, const SiftImage* image, bool upsample) {
    const int goal = std::min(octave.height, (image ? octave.source : octave.levels[0]).n_done + BAND);
    if (image) {
        for (int& y = octave.source.n_done; y < goal; ++y) {
            float* row = octave.source.rows[y];
            upsample ? double_row(*image, y, octave.sums, row) : plain_row(*image, y, row);
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
