// Nearest words and means: what the binding passes to the kernels in words.cpp and word_sums.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace classicvision {

constexpr std::size_t MOST_NEAREST = 16;       // words that one search can return for a point
constexpr std::size_t MOST_DIMENSIONS = 1024;  // 127 * 127 * 1024 < 2^24: sums of byte products stay exact in float32
constexpr std::size_t MOST_WORDS = std::size_t{1} << 24;

// Points (n_points, n_dims): float32, bytes, or bytes whose RootSIFT is meant.
struct Points {
    enum class Kind { FLOATS, BYTES, ROOTS };
    Kind kind;
    const void* data;  // of float if kind is FLOATS, else of std::uint8_t
    std::size_t n_points;
    std::size_t n_dims;
};

// K words in D dimensions, prepared for searching by prepare_words.
struct WordTable {
    const float* words;  // (n_words, n_dims), finite
    std::size_t n_words;
    std::size_t n_dims;
    const float* basis;  // (n_dims, n_kept), columns nearly orthonormal; read by prepare_words alone
    std::size_t
        n_kept;  // directions that are compared in bytes; n_dims, without a basis, for the dimensions themselves
    std::uint8_t* bytes;  // words_table_size(n_words, n_dims, n_kept) of them; fastest at a multiple of 64
};

struct NearestWords {
    WordTable table;
    Points points;
    std::size_t m;             // from 1 to MOST_NEAREST and to n_words
    std::int32_t* indices;     // (n_points, m)
    float* squared_distances;  // (n_points, m), or null if not wanted
};

enum class Search {
    DONE,        // except rows that hold -1: too many words at nearly equal distances for the candidates
    NOT_FINITE,  // a point holds a number that is not finite or not below LARGEST
    NOT_READY,   // the table was not made for these words by this instruction set
};

constexpr float LARGEST = 1e15f;  // squared distances of larger numbers overflow float32

struct AddPoints {
    Points points;
    const std::int32_t* labels;  // (n_points,), each from 0 to n_words - 1
    std::size_t n_words;
    double* sums;          // (n_words, n_dims), added to
    std::int64_t* counts;  // (n_words,), added to
};

}  // namespace classicvision
