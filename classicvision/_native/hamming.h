// Postings near a query: lists of 64-bit signatures, one per word, searched by Hamming distance.
#pragma once

#include <cstddef>
#include <cstdint>

namespace classicvision {

// Receives the pairs found: in the order of the queries, then of the postings.
struct HammingSink {
    void* list;
    void (*add)(void* list, std::int64_t posting, std::int32_t query, std::uint8_t distance);
};

// List w holds the signatures from offsets[w] to offsets[w + 1]. Query i is compared with the list of words[i].
struct HammingSearch {
    const std::int64_t* offsets;  // (n_words + 1,), ascending, the last at most the number of signatures
    const std::int64_t* signatures;
    const std::int32_t* words;  // (n_queries,), each below n_words
    const std::int64_t* queries;
    std::size_t n_queries;
    int limit;  // largest number of bits in which a pair may differ
};

}  // namespace classicvision
