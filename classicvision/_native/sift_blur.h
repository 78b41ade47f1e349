// Gaussian blur of rows that come and go: vertical into scratch rows, then horizontal.
//
// The kernel is cut off at 4 sigma as OpenCV does for float images; the picture is mirrored at its border, without
// repeating the outermost sample. Symmetric taps are folded: t[j] * (a[-j] + a[+j]).
#pragma once

#include <cmath>

#include "isa.h"

namespace classicvision::CV_ISA {

constexpr int ROWS_AT_ONCE = 4;  // output rows that share the loads of their input rows

// Radius in samples of a kernel: OpenCV's round(8 sigma + 1) | 1 taps.
inline int blur_radius(double sigma) { return (static_cast<int>(std::nearbyint(sigma * 8 + 1)) | 1) / 2; }

// Fill taps[0..radius] with exp(-j^2 / (2 sigma^2)), normalised to the sum `gain` over the whole kernel.
inline void blur_taps(double sigma, double gain, int radius, float* taps) {
    double sum = 0;
    for (int j = -radius; j <= radius; ++j) sum += std::exp(-0.5 * j * j / (sigma * sigma));
    for (int j = 0; j <= radius; ++j) {
        taps[j] = static_cast<float>(gain * std::exp(-0.5 * j * j / (sigma * sigma)) / sum);
    }
}

// The sample that stands at place i of n samples mirrored at both ends.
inline int mirrored(int i, int n) {
    if (n == 1) return 0;
    while (i < 0 || i >= n) i = i < 0 ? -i : 2 * n - 2 - i;
    return i;
}

// out[k][x] = sum over j of taps[|j|] * in[k + radius + j][x] for N rows k; `in` points to N + 2 radius rows.
template <int RADIUS, int N>
void blur_down(const float* const* in, const float* taps, int width, float* const* out) {
    for (int x = 0; x < width; x += LANES) {
        Floats rows[2 * RADIUS + N];
#pragma GCC unroll 40
        for (int k = 0; k < 2 * RADIUS + N; ++k) rows[k] = load(in[k] + x);
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) {
            Floats sum = spread(taps[0]) * rows[k + RADIUS];
#pragma GCC unroll 40
            for (int j = 1; j <= RADIUS; ++j) {
                sum = fused(spread(taps[j]), rows[k + RADIUS - j] + rows[k + RADIUS + j], sum);
            }
            store(out[k] + x, sum);
        }
    }
}

// The same for one row and any radius.
inline void blur_down_any(const float* const* in, const float* taps, int radius, int width, float* out) {
    for (int x = 0; x < width; x += LANES) {
        Floats sum = spread(taps[0]) * load(in[radius] + x);
        for (int j = 1; j <= radius; ++j) {
            sum = fused(spread(taps[j]), load(in[radius - j] + x) + load(in[radius + j] + x), sum);
        }
        store(out + x, sum);
    }
}

// out[x] = sum over j of taps[|j|] * in[x + j]; `in` is readable from -radius to width + radius + LANES.
template <int RADIUS>
void blur_along(const float* in, const float* taps, int width, float* out) {
    for (int x = 0; x < width; x += LANES) {
        Floats sum = spread(taps[0]) * load(in + x);
#pragma GCC unroll 40
        for (int j = 1; j <= RADIUS; ++j) {
            sum = fused(spread(taps[j]), load(in + x - j) + load(in + x + j), sum);
        }
        store(out + x, sum);
    }
}

inline void blur_along_any(const float* in, const float* taps, int radius, int width, float* out) {
    for (int x = 0; x < width; x += LANES) {
        Floats sum = spread(taps[0]) * load(in + x);
        for (int j = 1; j <= radius; ++j) {
            sum = fused(spread(taps[j]), load(in + x - j) + load(in + x + j), sum);
        }
        store(out + x, sum);
    }
}

// One Gaussian: its taps, and scratch rows with room for `radius` mirrored samples before and after.
struct Blur {
    int radius = 0;
    float* taps = nullptr;  // radius + 1

    // Blur n_rows <= ROWS_AT_ONCE rows; `in` points to n_rows + 2 radius rows, scratch[k][0] is column 0.
    void operator()(const float* const* in, int n_rows, int width, float* const* scratch, float* const* out) const {
        switch (n_rows == ROWS_AT_ONCE ? radius : 0) {
            case 5: return blur<5>(in, width, scratch, out);
            case 6: return blur<6>(in, width, scratch, out);
            case 8: return blur<8>(in, width, scratch, out);
            case 10: return blur<10>(in, width, scratch, out);
            case 13: return blur<13>(in, width, scratch, out);
            default: break;
        }
        for (int k = 0; k < n_rows; ++k) {
            blur_down_any(in + k, taps, radius, width, scratch[k]);
            mirror_ends(scratch[k], width);
            blur_along_any(scratch[k], taps, radius, width, out[k]);
        }
    }

private:
    template <int RADIUS>
    void blur(const float* const* in, int width, float* const* scratch, float* const* out) const {
        blur_down<RADIUS, ROWS_AT_ONCE>(in, taps, width, scratch);
        for (int k = 0; k < ROWS_AT_ONCE; ++k) {
            mirror_ends(scratch[k], width);
            blur_along<RADIUS>(scratch[k], taps, width, out[k]);
        }
    }

    void mirror_ends(float* row, int width) const {
        for (int j = 1; j <= radius; ++j) {
            row[-j] = row[mirrored(-j, width)];
            row[width - 1 + j] = row[mirrored(width - 1 + j, width)];
        }
    }
};

}  // namespace classicvision::CV_ISA
