// Gaussian blur of a block of rows: vertical into scratch rows, then horizontal.
//
// The horizontal pass turns tiles of the scratch rows, so that a vector holds one column of LANES rows. Then both
// passes are sums of whole aligned vectors, and neighbouring outputs share their loads.
//
// The kernel is cut off at 4 sigma as OpenCV does for float images; the picture is mirrored at its border, without
// repeating the outermost sample. Symmetric taps are folded: t[j] * (a[-j] + a[+j]).
#pragma once

#include <cmath>

#include "isa.h"

namespace classicvision::CV_ISA {

constexpr int BLOCK = LANES;     // rows that are blurred together: as many as a turned vector holds
constexpr int AT_ONCE = 4;             // outputs that share the loads of their inputs
constexpr int CHUNK = 4 * LANES; // columns that are turned at a time

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

// N sums of 2 RADIUS + 1 vectors: out(k) = sum over j of taps[|j|] * in(k + RADIUS + j). Taps go outwards, so each step
// loads one vector at either end, and only 2 N of them are needed at a time.
template <int RADIUS, int N, typename In, typename Out>
CV_INLINE void weigh(const float* taps, In in, Out out) {
    Floats values[2 * RADIUS + N], sums[N];
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) {
        values[RADIUS + k] = in(RADIUS + k);
        sums[k] = spread(taps[0]) * values[RADIUS + k];
    }
#pragma GCC unroll 40
    for (int j = 1; j <= RADIUS; ++j) {
        values[RADIUS - j] = in(RADIUS - j);
        values[RADIUS + N - 1 + j] = in(RADIUS + N - 1 + j);
        const Floats tap = spread(taps[j]);
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) {
            sums[k] = fused(tap, values[RADIUS + k - j] + values[RADIUS + k + j], sums[k]);
        }
    }
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) out(k, sums[k]);
}

// The same for one output and a radius that is known only now.
template <typename In>
CV_INLINE Floats weigh_any(const float* taps, int radius, In in) {
    Floats sum = spread(taps[0]) * in(radius);
    for (int j = 1; j <= radius; ++j) sum = fused(spread(taps[j]), in(radius - j) + in(radius + j), sum);
    return sum;
}

// Blur down: `in` points to N + 2 radius rows, `out` to N.
template <int RADIUS, int N>
CV_STEP void blur_down(const float* const* in, const float* taps, int, int width, float* const* out) {
    for (int x = 0; x < width; x += LANES) {
        weigh<RADIUS, N>(taps, [=](int k) { return load(in[k] + x); },
                         [=](int k, Floats sum) { store(out[k] + x, sum); });
    }
}

CV_STEP inline void blur_down_any(const float* const* in, const float* taps, int radius, int width, float* const* out) {
    for (int x = 0; x < width; x += LANES) {
        store(*out + x, weigh_any(taps, radius, [=](int k) { return load(in[k] + x); }));
    }
}

// Blur along columns of turned samples: `in` points to the first of n + 2 radius vectors, `out` to n.
template <int RADIUS>
CV_STEP void blur_turned(const float* in, const float* taps, int, int n, float* out) {
    for (int x = 0; x < n; x += AT_ONCE) {
        weigh<RADIUS, AT_ONCE>(taps, [=](int k) { return load(in + (x + k) * LANES); },
                               [=](int k, Floats sum) { store(out + (x + k) * LANES, sum); });
    }
}

CV_STEP inline void blur_turned_any(const float* in, const float* taps, int radius, int n, float* out) {
    for (int x = 0; x < n; ++x) {
        store(out + x * LANES, weigh_any(taps, radius, [=](int k) { return load(in + (x + k) * LANES); }));
    }
}

// Scratch of the blurs. A scratch row is readable from -margin to width + margin + LANES, for the mirrored samples.
struct BlurScratch {
    const float** in;      // BLOCK + 2 radius rows
    float* rows[BLOCK];    // column 0 of each
    float* turned;         // CHUNK + 2 margin vectors
    float* blurred;        // CHUNK vectors
    int margin;            // the largest radius, rounded up to LANES
};

// One Gaussian.
struct Blur {
    int radius = 0;
    float* taps = nullptr;  // radius + 1

    // Blur n_rows <= BLOCK rows into `out`; scratch.in has been filled with n_rows + 2 radius rows.
    void operator()(const BlurScratch& scratch, int n_rows, int width, float* const* out) const {
        switch (radius) {  // those of the default settings, sparse and dense, are compiled with their radius
            case 2: return blur(blur_down<2, AT_ONCE>, blur_turned<2>, scratch, n_rows, width, out);
            case 4: return blur(blur_down<4, AT_ONCE>, blur_turned<4>, scratch, n_rows, width, out);
            case 5: return blur(blur_down<5, AT_ONCE>, blur_turned<5>, scratch, n_rows, width, out);
            case 6: return blur(blur_down<6, AT_ONCE>, blur_turned<6>, scratch, n_rows, width, out);
            case 7: return blur(blur_down<7, AT_ONCE>, blur_turned<7>, scratch, n_rows, width, out);
            case 8: return blur(blur_down<8, AT_ONCE>, blur_turned<8>, scratch, n_rows, width, out);
            case 10: return blur(blur_down<10, AT_ONCE>, blur_turned<10>, scratch, n_rows, width, out);
            case 13: return blur(blur_down<13, AT_ONCE>, blur_turned<13>, scratch, n_rows, width, out);
            default: return blur(nullptr, blur_turned_any, scratch, n_rows, width, out);
        }
    }

private:
    using Down = void (*)(const float* const*, const float*, int, int, float* const*);
    using Along = void (*)(const float*, const float*, int, int, float*);

    void blur(Down down, Along along, const BlurScratch& scratch, int n_rows, int width, float* const* out) const {
        int done = 0;
        for (; down && done + AT_ONCE <= n_rows; done += AT_ONCE) {
            down(scratch.in + done, taps, radius, width, scratch.rows + done);
        }
        for (; done < n_rows; ++done) blur_down_any(scratch.in + done, taps, radius, width, scratch.rows + done);
        for (int k = 0; k < n_rows; ++k) mirror_ends(scratch.rows[k], width);
        const int margin = scratch.margin;
        turn(scratch, -margin, 2 * margin, scratch.turned);
        for (int x = 0; x < width; x += CHUNK) {
            turn(scratch, x + margin, CHUNK, scratch.turned + 2 * margin * LANES);
            along(scratch.turned + (margin - radius) * LANES, taps, radius, CHUNK, scratch.blurred);
            turn_back(scratch.blurred, x, n_rows, width, out);
            std::memmove(scratch.turned, scratch.turned + CHUNK * LANES, sizeof(float) * 2 * margin * LANES);
        }
    }

    // Turn the columns [first, first + n) of the scratch rows into vectors.
    static void turn(const BlurScratch& scratch, int first, int n, float* out) {
        for (int x = 0; x < n; x += LANES) {
            Floats tile[LANES];
            for (int k = 0; k < LANES; ++k) tile[k] = load(scratch.rows[k] + first + x);
            transpose(tile);
            for (int k = 0; k < LANES; ++k) store(out + (x + k) * LANES, tile[k]);
        }
    }

    static void turn_back(const float* in, int first, int n_rows, int width, float* const* out) {
        for (int x = 0; x < CHUNK && first + x < width; x += LANES) {
            Floats tile[LANES];
            for (int k = 0; k < LANES; ++k) tile[k] = load(in + (x + k) * LANES);
            transpose(tile);
            for (int k = 0; k < n_rows; ++k) store(out[k] + first + x, tile[k]);
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
