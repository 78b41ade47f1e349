// What most instruction sets have no instruction for: loops over lanes. Included by the files of those targets.
#pragma once

namespace classicvision::CV_ISA {

// One number from all lanes.

CV_INLINE float largest_lane(Floats values) {
    float lanes[LANES];
    store(lanes, values);
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) lanes[i] = lanes[i + n] > lanes[i] ? lanes[i + n] : lanes[i];
    }
    return lanes[0];
}
CV_INLINE std::int32_t smallest_lane(Ints values, int* first) {  // and the first lane that is as small
    *first = 0;
    for (int lane = 1; lane < LANES; ++lane) *first = values[lane] < values[*first] ? lane : *first;
    return values[*first];
}
CV_INLINE float sum_of_lanes(Floats values) {
    float lanes[LANES];
    store(lanes, values);
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) lanes[i] += lanes[i + n];
    }
    return lanes[0];
}
CV_INLINE std::int32_t sum_of_lanes(Ints values) {
    std::int32_t sum = 0;
    for (int lane = 0; lane < LANES; ++lane) sum += values[lane];
    return sum;
}
CV_INLINE void store_sums_of_lanes(float* to, const Floats (&vectors)[4]) {
    for (int i = 0; i < 4; ++i) to[i] = sum_of_lanes(vectors[i]);
}

// Add the squared differences of n numbers, a multiple of 8, in float64: number i to sum i modulo 8.
CV_INLINE void add_squared_differences(const float* a, const float* b, std::size_t n, double (&sums)[8]) {
    for (std::size_t i = 0; i < n; i += 8) {
        for (std::size_t k = 0; k < 8; ++k) {
            const double difference = static_cast<double>(a[i + k]) - static_cast<double>(b[i + k]);
            sums[k] += difference * difference;
        }
    }
}

// Lanes from memory that holds only n of them; the others are zero.
CV_INLINE Floats load_first(const float* from, std::size_t n) {
    if (n >= LANES) return load(from);
    float lanes[LANES] = {};
    std::memcpy(lanes, from, n * sizeof *lanes);
    return load(lanes);
}

// The first n lanes, all of them if there are fewer, to memory that has room for no more.
CV_INLINE void store_first(float* to, Floats values, std::size_t n) {
    if (n >= LANES) return store(to, values);
    float lanes[LANES];
    store(lanes, values);
    std::memcpy(to, lanes, n * sizeof *lanes);
}

// Write the lanes whose bits are set, one after another, and return how many; all LANES places may be written.
template <typename T, typename V>
CV_INLINE std::size_t store_chosen(T* to, V values, unsigned mask) {
    std::size_t n = 0;
    for (int lane = 0; lane < LANES; ++lane) {
        to[n] = values[lane];
        n += mask >> lane & 1;
    }
    return n;
}

// Write the entries of a table of 256 at SHORT_LANES bytes.
CV_INLINE void look_up(const std::int16_t* table, const std::uint8_t* bytes, std::int16_t* to) {
    for (int i = 0; i < 2 * LANES; ++i) to[i] = table[bytes[i]];
}

}  // namespace classicvision::CV_ISA
