// Hamming embedding (Jegou, Douze and Schmid 2008, section 4): of the postings of a word, those whose signature is near.
#include "isa.h"
#include "kernels.h"

namespace classicvision::CV_ISA {
namespace {

CV_INLINE int count_bits(std::uint64_t bits) {
#if defined(__POPCNT__)
    return __builtin_popcountll(bits);
#else
    // Sums of 2, 4 and 8 bits side by side, and the bytes added by a product (Warren 2012, section 5-1).
    bits -= (bits >> 1) & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + ((bits >> 2) & 0x3333333333333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return static_cast<int>((bits * 0x0101010101010101u) >> 56);
#endif
}

}  // namespace

void find_near_postings(const HammingSearch& search, const HammingSink& sink) {
    for (std::size_t i = 0; i < search.n_queries; ++i) {
        const auto query = static_cast<std::uint64_t>(search.queries[i]);
        const std::int64_t end = search.offsets[search.words[i] + 1];
        for (std::int64_t at = search.offsets[search.words[i]]; at < end; ++at) {
            const int distance = count_bits(query ^ static_cast<std::uint64_t>(search.signatures[at]));
            if (distance <= search.limit) {
                sink.add(sink.list, at, static_cast<std::int32_t>(i), static_cast<std::uint8_t>(distance));
            }
        }
    }
}

}  // namespace classicvision::CV_ISA
