// Gaussian blur of a block of rows of 16-bit samples: vertical into scratch rows, then horizontal.
//
// The kernel is cut off at 3 sigma and widened to keep its variance. Taps are integers that sum to 2^14. A pass
// sums exactly and rounds once, halves up, so the result is the same on every instruction set. Two neighbouring samples
// are weighted by one instruction (`pair_product`), and the same loads serve an even and an odd output: taps (t0, t1),
// (t2, t3), ..., (tn, 0) for the one and (0, t0), (t1, t2), ... for the other.
#pragma once

#include "arena.h"
#include "sift_gaussian.h"

namespace classicvision::CV_ISA {

constexpr int TAP_BITS = 14;
constexpr int TAP_SUM = 1 << TAP_BITS;

// The taps of one Gaussian by pairs, radius + 1 of each.
struct PairedTaps {
    std::int32_t* even;
    std::int32_t* odd;
};

CV_INLINE Ints half_a_unit() { return spread_as<Ints>(std::int32_t{TAP_SUM / 2}); }

// Round the sums at even and odd places and interleave them.
CV_INLINE Ints rounded(Ints even, Ints odd) {
    return joined(shifted_down(even, TAP_BITS), shifted_up(odd, 16 - TAP_BITS));
}

// Blur N rows down, N even; `in` points to N + 2 RADIUS rows.
template <int RADIUS, int N>
CV_STEP void blur_shorts_down(const std::int16_t* const* in, PairedTaps taps, int, int width,
                              std::int16_t* const* out) {
    for (int x = 0; x < width; x += SHORT_LANES) {
        Ints even[N], odd[N];  // sums at even and at odd columns
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) even[k] = odd[k] = half_a_unit();
#pragma GCC unroll 40
        for (int p = 0; p < RADIUS + N / 2; ++p) {
            const Ints above = load<Ints>(in[2 * p] + x), below = load<Ints>(in[2 * p + 1] + x);
            const Ints at_even = joined(above, shifted_up(below, 16)), at_odd = joined(shifted_down(above, 16), below);
#pragma GCC unroll 8
            for (int k = 0; k < N; ++k) {
                const int m = p - k / 2;
                if (m < 0 || m > RADIUS) continue;
                const Ints tap = spread_as<Ints>(k % 2 ? taps.odd[m] : taps.even[m]);
                even[k] = pair_product(even[k], at_even, tap);
                odd[k] = pair_product(odd[k], at_odd, tap);
            }
        }
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) store(out[k] + x, rounded(even[k], odd[k]));
    }
}

// The same for one row and a radius known only at run time.
CV_STEP inline void blur_shorts_down_any(const std::int16_t* const* in, PairedTaps taps, int radius, int width,
                                         std::int16_t* out) {
    for (int x = 0; x < width; x += SHORT_LANES) {
        Ints even = half_a_unit(), odd = even;
        for (int p = 0; p <= radius; ++p) {
            const int next = p < radius ? 2 * p + 1 : 2 * p;  // the tap after the last is 0
            const Ints above = load<Ints>(in[2 * p] + x), below = load<Ints>(in[next] + x);
            const Ints tap = spread_as<Ints>(taps.even[p]);
            even = pair_product(even, joined(above, shifted_up(below, 16)), tap);
            odd = pair_product(odd, joined(shifted_down(above, 16), below), tap);
        }
        store(out + x, rounded(even, odd));
    }
}

// Blur N vectors of a row along it; `in` points to the sample `radius` before the first one.
template <int RADIUS, int N>
CV_INLINE void weigh_along(const std::int16_t* in, PairedTaps taps, int any_radius, std::int16_t* out) {
    const int radius = RADIUS ? RADIUS : any_radius;
    Ints even[N], odd[N];
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) even[k] = odd[k] = half_a_unit();
#pragma GCC unroll 16
    for (int p = 0; p <= radius; ++p) {
        const Ints even_tap = spread_as<Ints>(taps.even[p]), odd_tap = spread_as<Ints>(taps.odd[p]);
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) {
            const Ints samples = load<Ints>(in + k * SHORT_LANES + 2 * p);
            even[k] = pair_product(even[k], samples, even_tap);
            odd[k] = pair_product(odd[k], samples, odd_tap);
        }
    }
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) store(out + k * SHORT_LANES, rounded(even[k], odd[k]));
}

constexpr int ALONG_AT_ONCE = 4;  // vectors that share the loads of their taps

template <int RADIUS>
CV_STEP void blur_shorts_along(const std::int16_t* in, PairedTaps taps, int radius, int width, std::int16_t* out) {
    int x = 0;
    for (; x + (ALONG_AT_ONCE - 1) * SHORT_LANES < width; x += ALONG_AT_ONCE * SHORT_LANES) {
        weigh_along<RADIUS, ALONG_AT_ONCE>(in + x, taps, radius, out + x);
    }
    for (; x < width; x += SHORT_LANES) weigh_along<RADIUS, 1>(in + x, taps, radius, out + x);
}

template <>
struct BlurScratch<std::int16_t> {
    static constexpr int BLOCK = LANES == 16 ? 8 : 4;  // rows that are blurred together: as many as registers allow

    const std::int16_t** in;    // BLOCK + 2 radius rows
    std::int16_t* rows[BLOCK];  // column 0 of each; readable from -radius to a vector beyond the mirrored samples

    static std::size_t n_bytes(std::size_t width, std::size_t radius) {
        return BLOCK * stride(width, radius) * sizeof(std::int16_t);
    }

    void take(std::size_t width, std::size_t radius, Arena& arena) {
        std::int16_t* first = arena.take<std::int16_t>(BLOCK * stride(width, radius));
        for (std::int16_t*& row : rows) row = first + margin(radius), first += stride(width, radius);
    }

private:
    static std::size_t margin(std::size_t radius) { return (radius + 31) / 32 * 32; }
    static std::size_t stride(std::size_t width, std::size_t radius) {
        return row_stride<std::int16_t>(width + SHORT_LANES + 2) + 2 * margin(radius);
    }
};

template <>
class Blur<std::int16_t> {
public:
    int radius = 0;

    static std::size_t n_bytes(std::size_t radius) { return 2 * (radius + 1) * sizeof(std::int32_t); }

    // The taps are rounded, and the middle one takes the remainder: they always sum to TAP_SUM.
    void prepare(double sigma, double, Arena& arena) {
        radius = static_cast<int>(std::ceil(3 * sigma));
        sigma = widened(sigma, radius);
        taps_ = {arena.take<std::int32_t>(radius + 1), arena.take<std::int32_t>(radius + 1)};
        const double unit = TAP_SUM / gaussian_sum(sigma, radius);
        int middle = TAP_SUM;
        for (int j = 1; j <= radius; ++j) middle -= 2 * tap(sigma, unit, j);
        const auto at = [&](int i) {  // tap i of 2 radius + 1, and 0 beyond
            return i < 0 || i > 2 * radius ? 0 : i == radius ? middle : tap(sigma, unit, i - radius);
        };
        for (int p = 0; p <= radius; ++p) {
            taps_.even[p] = at(2 * p) | at(2 * p + 1) << 16;
            taps_.odd[p] = at(2 * p - 1) | at(2 * p) << 16;
        }
    }

    // Blur n_rows <= BLOCK rows into `out`; scratch.in has been filled with n_rows + 2 radius rows.
    void operator()(const BlurScratch<std::int16_t>& scratch, int n_rows, int width, std::int16_t* const* out) const {
        switch (radius) {  // those of the default settings are compiled with their radius
            case 4: return blur<4>(scratch, n_rows, width, out);
            case 5: return blur<5>(scratch, n_rows, width, out);
            case 6: return blur<6>(scratch, n_rows, width, out);
            case 8: return blur<8>(scratch, n_rows, width, out);
            case 10: return blur<10>(scratch, n_rows, width, out);
            default: return blur<0>(scratch, n_rows, width, out);
        }
    }

private:
    using Scratch = BlurScratch<std::int16_t>;

    static int tap(double sigma, double unit, int j) {
        return static_cast<int>(std::nearbyint(unit * gaussian(sigma, j)));
    }

    template <int RADIUS>
    void blur(const Scratch& scratch, int n_rows, int width, std::int16_t* const* out) const {
        if (RADIUS && n_rows == Scratch::BLOCK) {
            blur_shorts_down<RADIUS, Scratch::BLOCK>(scratch.in, taps_, radius, width, scratch.rows);
        } else {
            for (int k = 0; k < n_rows; ++k) {
                blur_shorts_down_any(scratch.in + k, taps_, radius, width, scratch.rows[k]);
            }
        }
        for (int k = 0; k < n_rows; ++k) {
            mirror_ends(scratch.rows[k], width, radius);
            blur_shorts_along<RADIUS>(scratch.rows[k] - radius, taps_, radius, width, out[k]);
        }
    }

    PairedTaps taps_{};
};

}  // namespace classicvision::CV_ISA
