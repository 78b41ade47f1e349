// Hamming embedding (Jegou, Douze and Schmid 2008, section 4): the postings of a word with a signature close to the
// query's.
#include "isa.h"
#include "kernels.h"

namespace classicvision::CV_ISA {
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
