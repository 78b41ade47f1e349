// The table of the words: centred words in few directions, as panels of bytes, and the lengths of what that drops.
#pragma once

#include <cfloat>
#include <cmath>
#include <memory>

#include "words.h"
#include "words_product.h"

namespace classicvision::CV_ISA {
namespace {

constexpr std::size_t ALIGNMENT = 64;
constexpr std::size_t WIDEST = 16;  // rows are padded to whole vectors of any instruction set
constexpr std::size_t SET = 64;     // words whose lowest score is kept; tables are padded to whole sets
constexpr std::size_t SET_PANELS = SET / PANEL;
static_assert(SET % PANEL == 0, "a set is cut into whole panels");

constexpr std::size_t rounded_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

struct Header {
    std::uint32_t layout;  // of this instruction set
    std::uint32_t n_dims;
    std::uint64_t n_words;
    std::uint32_t n_kept;
    float step;           // the value of one level of a word
    float longest;        // the largest |w'| and |a^|
    float longest_rest;   // the largest |r|
    float longest_error;  // the largest |B r|
    float skew;           // of the basis: |B B^T - 1|
};

constexpr std::uint32_t LAYOUT = 0x77650000u + static_cast<std::uint32_t>(PANEL * 4 + GROUP + IS_QUANTISED);

// Offsets of the parts of a table; all but the header are arrays.
struct Parts {
    std::size_t centre, basis, norms, rests, panels, size;  // offsets in bytes
    std::size_t n_groups, n_panels;
    std::size_t width;  // of a row of the basis
};

Parts parts_of(std::size_t n_words, std::size_t n_dims, std::size_t n_kept) {
    Parts parts;
    parts.n_groups = rounded_up(n_kept, GROUP) / GROUP;
    parts.n_panels = rounded_up(n_words, SET) / PANEL;
    parts.width = rounded_up(n_kept, WIDEST);
    parts.centre = rounded_up(sizeof(Header), ALIGNMENT);
    parts.basis = parts.centre + rounded_up(n_dims * sizeof(float), ALIGNMENT);
    parts.norms = parts.basis + (n_kept < n_dims ? n_dims * parts.width * sizeof(float) : 0);
    parts.rests = parts.norms + rounded_up(parts.n_panels * PANEL * sizeof(float), ALIGNMENT);
    parts.panels = parts.rests + rounded_up(parts.n_panels * PANEL * sizeof(float), ALIGNMENT);
    parts.size = parts.panels + parts.n_panels * PANEL * parts.n_groups * GROUP * sizeof(WordItem);
    return parts;
}

// A square root rounded up.
inline float at_least_root(double square) { return static_cast<float>(std::sqrt(square) * (1 + 0x1p-20)); }

// Words on their way into a table, in float64.
class Preparation {
public:
    Preparation(const WordTable& table, const Parts& parts)
        : table_(table),
          parts_(parts),
          has_basis_(table.n_kept < table.n_dims),
          word_(new double[table.n_dims]),
          kept_(new double[table.n_kept]) {}

    void find_centre() {
        std::unique_ptr<double[]> sum(new double[table_.n_dims]());
        for (std::size_t k = 0; k < table_.n_words; ++k) {
            for (std::size_t d = 0; d < table_.n_dims; ++d) sum[d] += table_.words[k * table_.n_dims + d];
        }
        float* centre = part(parts_.centre);
        for (std::size_t d = 0; d < table_.n_dims; ++d) {
            centre[d] = static_cast<float>(sum[d] / static_cast<double>(table_.n_words));
        }
    }

    // Copy the basis, and return how far it is from orthonormal.
    double place_basis() {
        if (!has_basis_) return 0;
        for (std::size_t d = 0; d < table_.n_dims; ++d) {
            std::memcpy(part(parts_.basis) + d * parts_.width, table_.basis + d * table_.n_kept,
                        table_.n_kept * sizeof(float));
        }
        double skew = 0;
        std::unique_ptr<double[]> products(new double[table_.n_kept]);
        for (std::size_t i = 0; i < table_.n_kept; ++i) {
            for (std::size_t j = 0; j < table_.n_kept; ++j) products[j] = i == j ? -1 : 0;
            for (std::size_t d = 0; d < table_.n_dims; ++d) {
                const double factor = direction(d)[i];
                for (std::size_t j = 0; j < table_.n_kept; ++j) products[j] += factor * direction(d)[j];
            }
            for (std::size_t j = 0; j < table_.n_kept; ++j) skew += products[j] * products[j];
        }
        return skew;
    }

    // The step at which the largest number of the words is at the last level.
    float find_step() {
        double largest = 0;
        for (std::size_t k = 0; k < table_.n_words; ++k) {
            take(k);
            for (std::size_t j = 0; j < table_.n_kept; ++j) largest = std::fmax(largest, std::fabs(kept_[j]));
        }
        const float step = IS_QUANTISED ? static_cast<float>(largest / WORD_LEVELS * (1 + 0x1p-20)) : 1.0f;
        return step > FLT_MIN ? step : 1.0f;
    }

    // Store word k in its panel, and update the maxima of squared lengths for the header.
    void place(std::size_t k, float step, double* longest, double* longest_rest, double* longest_error) {
        take(k);
        double length = 0, kept_length = 0, error = 0;
        for (std::size_t d = 0; d < table_.n_dims; ++d) length += word_[d] * word_[d];
        part(parts_.norms)[k] = static_cast<float>(length);
        WordItem* panel = reinterpret_cast<WordItem*>(table_.bytes + parts_.panels) +
                          k / PANEL * PANEL * parts_.n_groups * GROUP + k % PANEL * GROUP;
        for (std::size_t j = 0; j < table_.n_kept; ++j) {
            const double level = IS_QUANTISED ? std::nearbyint(kept_[j] / step) : static_cast<float>(kept_[j]);
            panel[j / GROUP * PANEL * GROUP + j % GROUP] = static_cast<WordItem>(level + WORD_ZERO);
            kept_[j] = level * step;
            kept_length += kept_[j] * kept_[j];
        }
        const double rest = leave_rest(&error);
        part(parts_.rests)[k] = at_least_root(rest);
        *longest = std::fmax(*longest, std::fmax(length, kept_length));
        *longest_rest = std::fmax(*longest_rest, rest);
        *longest_error = std::fmax(*longest_error, error);
    }

private:
    float* part(std::size_t offset) const { return reinterpret_cast<float*>(table_.bytes + offset); }
    const float* direction(std::size_t d) const { return part(parts_.basis) + d * parts_.width; }

    // w' of word k, and a = B w'.
    void take(std::size_t k) {
        const float* centre = part(parts_.centre);
        for (std::size_t d = 0; d < table_.n_dims; ++d) {
            word_[d] = static_cast<double>(table_.words[k * table_.n_dims + d]) - centre[d];
        }
        project(kept_.get());
    }

    void project(double* kept) const {
        for (std::size_t j = 0; j < table_.n_kept; ++j) kept[j] = has_basis_ ? 0 : word_[j];
        if (!has_basis_) return;
        for (std::size_t d = 0; d < table_.n_dims; ++d) {
            for (std::size_t j = 0; j < table_.n_kept; ++j) kept[j] += word_[d] * direction(d)[j];
        }
    }

    // Replace w' by r = w' - B^T a^; returns |r|^2 and, in `error`, |B r|^2.
    double leave_rest(double* error) {
        double rest = 0;
        for (std::size_t d = 0; d < table_.n_dims; ++d) {
            if (has_basis_) {
                for (std::size_t j = 0; j < table_.n_kept; ++j) word_[d] -= kept_[j] * direction(d)[j];
            } else {
                word_[d] -= kept_[d];
            }
            rest += word_[d] * word_[d];
        }
        project(kept_.get());
        for (std::size_t j = 0; j < table_.n_kept; ++j) *error += kept_[j] * kept_[j];
        return rest;
    }

    const WordTable& table_;
    const Parts& parts_;
    const bool has_basis_;
    std::unique_ptr<double[]> word_, kept_;
};

}  // namespace
}  // namespace classicvision::CV_ISA
