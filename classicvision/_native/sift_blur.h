// Gaussian blur of a block of rows: vertical into scratch rows, then horizontal.
//
// The horizontal pass transposes tiles of the scratch rows, so that a vector holds one column of LANES rows. Then both
// passes sum whole aligned vectors, and neighbouring outputs share their loads.
//
// The kernel is cut off at 4 sigma as OpenCV does for float images; the image is mirrored at its border, without
// repeating the outermost sample. Symmetric taps are folded: t[j] * (a[-j] + a[+j]).
#pragma once

#include "arena.h"
#include "sift_gaussian.h"

namespace classicvision::CV_ISA {

constexpr int AT_ONCE = 4;        // outputs that share the loads of their inputs
constexpr int CHUNK = 4 * LANES;  // columns that are transposed at a time

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

// The same for one output and a radius known only at run time.
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
        weigh<RADIUS, N>(
            taps, [=](int k) { return load(in[k] + x); }, [=](int k, Floats sum) { store(out[k] + x, sum); });
    }
}

CV_STEP inline void blur_down_any(const float* const* in, const float* taps, int radius, int width, float* const* out) {
    for (int x = 0; x < width; x += LANES) {
        store(*out + x, weigh_any(taps, radius, [=](int k) { return load(in[k] + x); }));
    }
}

// Blur along columns of transposed samples: `in` points to the first of n + 2 radius vectors, `out` to n.
template <int RADIUS>
CV_STEP void blur_transposed(const float* in, const float* taps, int, int n, float* out) {
    for (int x = 0; x < n; x += AT_ONCE) {
        weigh<RADIUS, AT_ONCE>(
            taps, [=](int k) { return load(in + (x + k) * LANES); },
            [=](int k, Floats sum) { store(out + (x + k) * LANES, sum); });
    }
}

CV_STEP inline void blur_transposed_any(const float* in, const float* taps, int radius, int n, float* out) {
    for (int x = 0; x < n; ++x) {
        store(out + x * LANES, weigh_any(taps, radius, [=](int k) { return load(in + (x + k) * LANES); }));
    }
}

// Blur one row along itself, without transposing; `in` points to the sample RADIUS before the first. The sums are the
// same.
template <int RADIUS>
CV_STEP void blur_along(const float* in, const float* taps, int width, float* out) {
    for (int x = 0; x < width; x += LANES) {
        weigh<RADIUS, 1>(taps, [=](int k) { return load(in + x + k); }, [=](int, Floats sum) { store(out + x, sum); });
    }
}

template <>
struct BlurScratch<float> {
    static constexpr int BLOCK = LANES;  // rows that are blurred together: as many as a transposed vector holds

    const float** in;    // BLOCK + 2 radius rows
    float* rows[BLOCK];  // column 0 of each; readable from -radius to one chunk beyond the mirrored samples
    float* transposed;   // CHUNK + 2 radius vectors
    float* blurred;      // CHUNK vectors

    static std::size_t n_bytes(std::size_t width, std::size_t radius) {
        return (BLOCK * stride(width, radius) + 2 * (CHUNK + radius + LANES) * LANES) * sizeof(float);
    }

    void take(std::size_t width, std::size_t radius, Arena& arena) {
        float* first = arena.take<float>(BLOCK * stride(width, radius));
        for (float*& row : rows) row = first + margin(radius), first += stride(width, radius);
        transposed = arena.take<float>((CHUNK + 2 * radius + LANES) * LANES);
        blurred = arena.take<float>(CHUNK * LANES);
    }

private:
    static std::size_t margin(std::size_t radius) { return (radius + LANES - 1) / LANES * LANES; }
    static std::size_t stride(std::size_t width, std::size_t radius) {
        return row_stride<float>(width + CHUNK) + 2 * margin(radius);
    }
};

template <>
class Blur<float> {
public:
    int radius = 0;

    static std::size_t n_bytes(std::size_t radius) { return (radius + 1) * sizeof(float); }

    // A kernel whose taps have the sum `gain`.
    void prepare(double sigma, double gain, Arena& arena) {
        radius = blur_radius(sigma);
        taps_ = arena.take<float>(radius + 1);
        const double sum = gaussian_sum(sigma, radius);
        for (int j = 0; j <= radius; ++j) taps_[j] = static_cast<float>(gain * gaussian(sigma, j) / sum);
    }

    // Blur n_rows <= BLOCK rows into `out`; scratch.in has been filled with n_rows + 2 radius rows.
    void operator()(const BlurScratch<float>& scratch, int n_rows, int width, float* const* out) const {
        switch (radius) {  // those of the default settings, sparse and dense, are compiled with their radius
            case 2: return blur_narrow<2>(scratch, n_rows, width, out);
            case 4: return blur_narrow<4>(scratch, n_rows, width, out);
            case 5: return blur_narrow<5>(scratch, n_rows, width, out);
            case 6: return blur_narrow<6>(scratch, n_rows, width, out);
            case 7: return blur(blur_down<7, AT_ONCE>, blur_transposed<7>, scratch, n_rows, width, out);
            case 8: return blur(blur_down<8, AT_ONCE>, blur_transposed<8>, scratch, n_rows, width, out);
            case 10: return blur(blur_down<10, AT_ONCE>, blur_transposed<10>, scratch, n_rows, width, out);
            case 13: return blur(blur_down<13, AT_ONCE>, blur_transposed<13>, scratch, n_rows, width, out);
            default: return blur(nullptr, blur_transposed_any, scratch, n_rows, width, out);
        }
    }

private:
    using Scratch = BlurScratch<float>;
    using Down = void (*)(const float* const*, const float*, int, int, float* const*);
    using Along = void (*)(const float*, const float*, int, int, float*);

    // Into the scratch rows, with mirrored ends.
    void blur_rows_down(Down down, const Scratch& scratch, int n_rows, int width) const {
        int done = 0;
        for (; down && done + AT_ONCE <= n_rows; done += AT_ONCE) {
            down(scratch.in + done, taps_, radius, width, scratch.rows + done);
        }
        for (; done < n_rows; ++done) blur_down_any(scratch.in + done, taps_, radius, width, scratch.rows + done);
        for (int k = 0; k < n_rows; ++k) mirror_ends(scratch.rows[k], width, radius);
    }

    // With few taps, transposing costs more than loads across cache lines.
    template <int RADIUS>
    void blur_narrow(const Scratch& scratch, int n_rows, int width, float* const* out) const {
        blur_rows_down(blur_down<RADIUS, AT_ONCE>, scratch, n_rows, width);
        for (int k = 0; k < n_rows; ++k) blur_along<RADIUS>(scratch.rows[k] - RADIUS, taps_, width, out[k]);
    }

    void blur(Down down, Along along, const Scratch& scratch, int n_rows, int width, float* const* out) const {
        blur_rows_down(down, scratch, n_rows, width);
        // The last columns transposed for one chunk, within the radius of its end, start the next one.
        transpose_columns(scratch, -radius, 2 * radius, scratch.transposed);
        for (int x = 0; x < width; x += CHUNK) {
            transpose_columns(scratch, x + radius, CHUNK, scratch.transposed + 2 * radius * LANES);
            along(scratch.transposed, taps_, radius, CHUNK, scratch.blurred);
            transpose_back(scratch.blurred, x, n_rows, width, out);
            std::memmove(scratch.transposed, scratch.transposed + CHUNK * LANES, sizeof(float) * 2 * radius * LANES);
        }
    }

    // Transpose the columns [first, first + n) of the scratch rows; up to LANES - 1 more are written.
    CV_STEP static void transpose_columns(const Scratch& scratch, int first, int n, float* out) {
        for (int x = 0; x < n; x += LANES) {
            Floats tile[LANES];
            for (int k = 0; k < LANES; ++k) tile[k] = load(scratch.rows[k] + first + x);
            transpose(tile);
            for (int k = 0; k < LANES; ++k) store(out + (x + k) * LANES, tile[k]);
        }
    }

    CV_STEP static void transpose_back(const float* in, int first, int n_rows, int width, float* const* out) {
        for (int x = 0; x < CHUNK && first + x < width; x += LANES) {
            Floats tile[LANES];
            for (int k = 0; k < LANES; ++k) tile[k] = load(in + (x + k) * LANES);
            transpose(tile);
            if (n_rows == LANES) {  // the usual case: a constant count is unrolled
                for (int k = 0; k < LANES; ++k) store(out[k] + first + x, tile[k]);
            } else {
                for (int k = 0; k < n_rows; ++k) store(out[k] + first + x, tile[k]);
            }
        }
    }

    float* taps_ = nullptr;  // radius + 1
};

}  // namespace classicvision::CV_ISA
