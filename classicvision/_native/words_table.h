// The table of the words: panels of words less their centre, rounded to bytes, with the squares of their lengths.
#pragma once

#include <cfloat>
#include <cmath>
#include <memory>

#include "words.h"
#include "words_product.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t ALIGNMENT = 64;

constexpr std::size_t rounded_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

struct Header {
    std::uint32_t layout;  // of this instruction set
    std::uint32_t n_dims;
    std::uint64_t n_words;
    float step;           // what one level of a word is worth
    float longest;        // the largest |w'|
    float longest_error;  // the largest |e_w|
};

constexpr std::uint32_t LAYOUT = 0x77640000u + static_cast<std::uint32_t>(PANEL * 4 + GROUP + IS_QUANTISED);

// Where the parts of a table stand in its bytes; all but the header are arrays.
struct Parts {
    std::size_t centre, norms, panels, size;  // offsets in bytes
    std::size_t n_groups, n_panels;
};

Parts parts_of(std::size_t n_words, std::size_t n_dims) {
    Parts parts;
    parts.n_groups = rounded_up(n_dims, GROUP) / GROUP;
    parts.n_panels = rounded_up(n_words, PANEL) / PANEL;
    parts.centre = rounded_up(sizeof(Header), ALIGNMENT);
    parts.norms = parts.centre + rounded_up(n_dims * sizeof(float), ALIGNMENT);
    parts.panels = parts.norms + rounded_up(parts.n_panels * PANEL * sizeof(float), ALIGNMENT);
    parts.size = parts.panels + parts.n_panels * PANEL * parts.n_groups * GROUP * sizeof(WordItem);
    return parts;
}

void find_centre(const WordTable& table, float* centre) {
    std::unique_ptr<double[]> sum(new double[table.n_dims]());
    for (std::size_t k = 0; k < table.n_words; ++k) {
        for (std::size_t d = 0; d < table.n_dims; ++d) sum[d] += table.words[k * table.n_dims + d];
    }
    for (std::size_t d = 0; d < table.n_dims; ++d) centre[d] = static_cast<float>(sum[d] / table.n_words);
}

// The step that brings the largest number of the words, less their centre, to the last level.
float find_step(const WordTable& table, const float* centre) {
    float largest = 0;
    for (std::size_t k = 0; k < table.n_words; ++k) {
        for (std::size_t d = 0; d < table.n_dims; ++d) {
            const float size = std::fabs(table.words[k * table.n_dims + d] - centre[d]);
            largest = size > largest ? size : largest;
        }
    }
    const float step = IS_QUANTISED ? largest / WORD_LEVELS : 1.0f;
    return step > FLT_MIN ? step : 1.0f;
}

// Put word k into its panel, and return |w'|^2 and |e_w|^2.
void place_word(const WordTable& table, std::size_t k, const float* centre, float step, const Parts& parts,
                double* norm, double* error) {
    WordItem* panel = reinterpret_cast<WordItem*>(table.bytes + parts.panels) +
                      k / PANEL * PANEL * parts.n_groups * GROUP + k % PANEL * GROUP;
    *norm = *error = 0;
    for (std::size_t d = 0; d < table.n_dims; ++d) {
        const double value = static_cast<double>(table.words[k * table.n_dims + d]) - centre[d];
        const double level = IS_QUANTISED ? std::nearbyint(value / step) : static_cast<float>(value);
        panel[d / GROUP * PANEL * GROUP + d % GROUP] = static_cast<WordItem>(level + WORD_ZERO);
        const double rest = value - level * step;
        *norm += value * value;
        *error += rest * rest;
    }
}

}  // namespace
}  // namespace classicvision::CV_ISA
