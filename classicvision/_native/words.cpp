// The m words nearest to each point, exactly: bytes choose the candidates, float64 decides among them.
//
// Squared distances are compared as |w|^2 - 2 p.w, the distance less |p|^2, which is the same for all words. Distances do
// not change if the mean c of the words is subtracted from both sides; what is left is short, and quantises well. With
// p' = p - c = p^ + e_p and w' = w - c = w^ + e_w, where p^ and w^ are bytes times a step, Cauchy and Schwarz give
//
//     |p'.w' - p^.w^| = |e_p.w^ + p'.e_w| <= |e_p| |w^| + |p'| |e_w|                                               (1)
//
// and the lengths of the errors e_p and e_w are measured, not assumed. So a word whose score lies above the m-th best
// by more than twice that error cannot be among the m nearest. Of 1000 words of RootSIFT, 2.5 survive.
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "isa.h"
#include "kernels.h"
#include "words.h"

namespace classicvision::CV_ISA {
namespace {

// --- The product of a tile of points and a panel of words, in bytes or, where the CPU multiplies no bytes, in float32.

template <typename To, typename From>
CV_INLINE To bits_of(From value) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To result;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

#if defined(__AVX2__)

typedef std::int8_t PointItem;
typedef std::uint8_t WordItem;  // w + WORD_ZERO
constexpr std::size_t GROUP = 4;  // dimensions that one instruction multiplies and adds
constexpr int POINT_LEVELS = 127;

#if defined(__AVX512VNNI__)
constexpr int WORD_LEVELS = 127;
constexpr std::size_t TILE_POINTS = 6, TILE_VECTORS = 4;
typedef __m512i Sums;
CV_INLINE Sums sums_from(std::int32_t start) { return _mm512_set1_epi32(start); }
CV_INLINE Sums load_words(const WordItem* from) { return _mm512_loadu_si512(from); }
CV_INLINE Sums add_products(Sums sums, Sums words, Sums point) {
#if defined(__GNUC__)  // GCC 12 copies the sums for the intrinsic and runs out of registers
    asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(words), "v"(point));
    return sums;
#else
    return _mm512_dpbusd_epi32(sums, words, point);
#endif
}
#else
constexpr int WORD_LEVELS = 63;  // vpmaddubsw saturates: 2 * (63 + 64) * 127 < 2^15
constexpr std::size_t TILE_POINTS = 4, TILE_VECTORS = 2;
typedef __m256i Sums;
CV_INLINE Sums sums_from(std::int32_t start) { return _mm256_set1_epi32(start); }
CV_INLINE Sums load_words(const WordItem* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
CV_INLINE Sums add_products(Sums sums, Sums words, Sums point) {
    const Sums pairs = _mm256_maddubs_epi16(words, point);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#endif

constexpr int WORD_ZERO = WORD_LEVELS + 1;
CV_INLINE Sums spread_point(const PointItem* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return sums_from(four);
}
CV_INLINE Floats finished(Sums sums) { return to_floats(bits_of<Ints>(sums)); }
CV_INLINE void store_items(PointItem* to, Floats levels) {
    const Ints values = to_ints(levels);
#if CV_VECTOR_TYPES
    typedef std::int8_t Bytes __attribute__((vector_size(LANES)));
    const Bytes bytes = __builtin_convertvector(values, Bytes);
    std::memcpy(to, &bytes, sizeof bytes);
#else
    for (int lane = 0; lane < LANES; ++lane) to[lane] = static_cast<PointItem>(values[lane]);
#endif
}
// The nearest whole number of a value from -2^22 to 2^22: adding 1.5 * 2^23 leaves float32 no digits behind the point.
CV_INLINE Floats rounded(Floats values) { return (values + spread(0x1.8p23f)) - spread(0x1.8p23f); }

#else

typedef float PointItem;
typedef float WordItem;
constexpr std::size_t GROUP = 1;
constexpr int POINT_LEVELS = 0, WORD_LEVELS = 0, WORD_ZERO = 0;  // nothing is rounded to levels
constexpr std::size_t TILE_POINTS = 4, TILE_VECTORS = 2;
typedef Floats Sums;
CV_INLINE Sums sums_from(std::int32_t) { return spread(0.0f); }
CV_INLINE Sums load_words(const WordItem* from) { return load(from); }
CV_INLINE Sums add_products(Sums sums, Sums words, Sums point) { return fused(words, point, sums); }
CV_INLINE Sums spread_point(const PointItem* from) { return spread(*from); }
CV_INLINE Floats finished(Sums sums) { return sums; }
CV_INLINE void store_items(PointItem* to, Floats levels) { store(to, levels); }
CV_INLINE Floats rounded(Floats values) { return values; }

#endif

constexpr bool IS_QUANTISED = WORD_LEVELS > 0;
constexpr unsigned EVERY_LANE = (1u << LANES) - 1;
constexpr std::size_t PANEL = TILE_VECTORS * LANES;  // words that are searched side by side
constexpr std::size_t BLOCK = 12;                    // points that are searched together: few, so that their scores stay in the L1 cache
constexpr std::size_t CHUNK_PANELS = 1024 / PANEL;   // panels that are searched before the limits are drawn
constexpr std::size_t CANDIDATES = 64;               // words kept for one point until float64 decides
static_assert(BLOCK % TILE_POINTS == 0, "a block is cut into whole tiles");

// --- The table of the words

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
void place_word(const WordTable& table, std::size_t k, const float* centre, float step, const Parts& parts, double* norm,
                double* error) {
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

// --- A block of points

struct Block {
    // The 16 more keep the rows from meeting in the same places of a cache.
    float scores[BLOCK][CHUNK_PANELS * PANEL + 16];  // of the words in a chunk: the squared distance less |p'|^2
    float lowest[BLOCK][CHUNK_PANELS + 1][LANES];    // the lowest score of each lane in each panel
    float scale[BLOCK];         // a product of bytes times it is 2 p^.w^
    float margin[BLOCK];        // twice the bound of the error of a score
    float limit[BLOCK];         // words of a larger score are not among the m nearest
    std::int32_t start[BLOCK];  // what takes WORD_ZERO out of the products
    std::int32_t n_candidates[BLOCK];  // -1: more than there is room for
    float best[BLOCK][MOST_NEAREST];   // the m smallest scores so far, in order
    std::int32_t candidate[BLOCK][CANDIDATES];
    float score[BLOCK][CANDIDATES];
};

CV_INLINE unsigned at_most(Floats values, Floats limit) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(bits_of<__m512>(values), bits_of<__m512>(limit), _CMP_LE_OQ);
#elif defined(__AVX2__)
    return static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(bits_of<__m256>(values), bits_of<__m256>(limit), _CMP_LE_OQ)));
#else
    unsigned mask = 0;
    for (int lane = 0; lane < LANES; ++lane) mask |= static_cast<unsigned>(values[lane] <= limit[lane]) << lane;
    return mask;
#endif
}

CV_INLINE unsigned lowest_bit(unsigned mask) {
#if defined(__GNUC__)
    return static_cast<unsigned>(__builtin_ctz(mask));
#else
    unsigned bit = 0;
    while (!(mask >> bit & 1)) ++bit;
    return bit;
#endif
}

CV_INLINE float largest_lane(Floats values) {
    float lanes[LANES];
    store(lanes, values);
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) lanes[i] = lanes[i + n] > lanes[i] ? lanes[i + n] : lanes[i];
    }
    return lanes[0];
}

CV_INLINE float sum_of_lanes(Floats values) {
    float lanes[LANES];
    store(lanes, values);
    for (int n = LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) lanes[i] += lanes[i + n];
    }
    return lanes[0];
}

// Lanes from memory that holds only n of them; the others are zero.
CV_INLINE Floats load_first(const float* from, std::size_t n) {
    if (n >= LANES) return load(from);
    float lanes[LANES] = {};
    std::memcpy(lanes, from, n * sizeof *lanes);
    return load(lanes);
}

// p' of one point, with zeros up to a whole vector; returns its largest number, and infinity if a number of the point is
// not finite or too large.
CV_INLINE float subtract_centre(const float* point, std::size_t n_dims, const float* centre, float* rest) {
    Floats largest = spread(0.0f), limit = spread(LARGEST);
    unsigned n_bad = 0;
    for (std::size_t d = 0; d < n_dims; d += LANES) {
        const Floats value = load_first(point + d, n_dims - d);
        n_bad |= ~at_most(magnitude(value), limit) & EVERY_LANE;  // NaN is not at most anything
        const Floats difference = value - load(centre + d);
        largest = larger(magnitude(difference), largest);
        store(rest + d, difference);
    }
    return n_bad ? std::numeric_limits<float>::infinity() : largest_lane(largest);
}

// Bring one point into a block; returns false for numbers that are not finite or too large.
CV_STEP bool place_point(const float* point, std::size_t n_dims, const float* centre, const Header& header, Block* block,
                 std::size_t row, PointItem* items) {
    float rest[MOST_DIMENSIONS];
    const float largest = subtract_centre(point, n_dims, centre, rest);
    if (!(largest < FLT_MAX)) return false;
    const float step = IS_QUANTISED && largest > FLT_MIN * 128 ? largest / POINT_LEVELS : 1.0f;
    const Floats per_step = spread(1.0f / step), steps = spread(step);
    Floats total = spread(0.0f), norms = total, errors = total;
    for (std::size_t d = 0; d < n_dims; d += LANES) {
        const Floats value = load(rest + d), level = rounded(value * per_step);
        const Floats left = value - level * steps;
        total = total + level;  // whole numbers below 2^24: exact
        norms = fused(value, value, norms);
        errors = fused(left, left, errors);
        store_items(items + d, level);
    }
    // Equation (1), and Higham (2002), section 3.1, for what float32 rounds on the way: a dot product of D terms errs by
    // less than gamma |p'| |w'|; the 24 covers the steps, the norms and the sums. The last term is for denormal numbers.
    const float gamma = (static_cast<float>(n_dims) + 24) * 0x1p-24f;
    const float length = std::sqrt(sum_of_lanes(norms)), longest = header.longest + header.longest_error;
    const float bound = 2 * (std::sqrt(sum_of_lanes(errors)) * longest + length * header.longest_error) +
                        gamma * longest * (2 * length + longest) + 1e-35f;
    block->scale[row] = 2 * step * header.step;
    block->margin[row] = 2 * bound * (1 + 2 * gamma);
    block->start[row] = IS_QUANTISED ? -WORD_ZERO * static_cast<std::int32_t>(sum_of_lanes(total)) : 0;
    return true;
}

CV_INLINE void lower_limit(Block* block, std::size_t row, float mth_score) {
    const float limit = mth_score + block->margin[row];
    block->limit[row] = limit < block->limit[row] ? limit : block->limit[row];
}

// Note the score of a word; the m-th best score so far sets the limit.
CV_INLINE void note(Block* block, std::size_t row, std::int32_t word, float score, std::size_t m) {
    float* best = block->best[row];
    if (score < best[m - 1]) {
        std::size_t place = m - 1;
        for (; place > 0 && best[place - 1] > score; --place) best[place] = best[place - 1];
        best[place] = score;
        lower_limit(block, row, best[m - 1]);
    }
    std::int32_t& n = block->n_candidates[row];
    if (n == static_cast<std::int32_t>(CANDIDATES)) {  // make room: the limit has fallen since
        n = 0;
        for (std::size_t i = 0; i < CANDIDATES; ++i) {
            if (block->score[row][i] > block->limit[row]) continue;
            block->candidate[row][n] = block->candidate[row][i];
            block->score[row][n++] = block->score[row][i];
        }
    }
    if (n == static_cast<std::int32_t>(CANDIDATES)) {  // no word of this point is near any more
        n = -1;
        block->limit[row] = -FLT_MAX;
        return;
    }
    if (score > block->limit[row]) return;
    block->candidate[row][n] = word;
    block->score[row][n++] = score;
}

// Score a tile of points against a panel of words, which is number `place` of its chunk.
CV_STEP void score_tile(Block* block, std::size_t first_row, const PointItem* points, std::size_t width,
                          std::size_t n_groups, const WordItem* panel, const float* norms, std::size_t place) {
    Sums sums[TILE_POINTS][TILE_VECTORS];
    for (std::size_t p = 0; p < TILE_POINTS; ++p) {
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[p][v] = sums_from(block->start[first_row + p]);
    }
    for (std::size_t g = 0; g < n_groups; ++g) {
        Sums words[TILE_VECTORS];
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) words[v] = load_words(panel + (g * PANEL + v * LANES) * GROUP);
        for (std::size_t p = 0; p < TILE_POINTS; ++p) {
            const Sums point = spread_point(points + p * width + g * GROUP);
            for (std::size_t v = 0; v < TILE_VECTORS; ++v) sums[p][v] = add_products(sums[p][v], words[v], point);
        }
    }
    for (std::size_t p = 0; p < TILE_POINTS; ++p) {
        const std::size_t row = first_row + p;
        const Floats scale = spread(-block->scale[row]);
        Floats lowest;
        for (std::size_t v = 0; v < TILE_VECTORS; ++v) {
            const Floats score = fused(finished(sums[p][v]), scale, load(norms + v * LANES));
            store(block->scores[row] + place * PANEL + v * LANES, score);
            lowest = v == 0 ? score : smaller(score, lowest);
        }
        store(block->lowest[row][place], lowest);
    }
}

// The m-th smallest lane; FLT_MAX if there are fewer lanes.
CV_INLINE float mth_lane(Floats values, std::size_t m) {
    if (m == 1) return -largest_lane(spread(0.0f) - values);
    if (m > LANES) return FLT_MAX;
    float lanes[LANES];
    store(lanes, values);
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = i + 1; j < LANES; ++j) {
            const float a = lanes[i], b = lanes[j];
            lanes[i] = a < b ? a : b;
            lanes[j] = a < b ? b : a;
        }
    }
    return lanes[m - 1];
}

// Note the words of a chunk that can be among the m nearest to one point.
CV_STEP void look_through(Block* block, std::size_t row, std::size_t n_panels, std::int32_t first_word, std::size_t m) {
    Floats lowest = load(block->lowest[row][0]);
    for (std::size_t i = 1; i < n_panels; ++i) lowest = smaller(load(block->lowest[row][i]), lowest);
    // The lowest scores of the lanes belong to different words, so the m-th of them is no less than the m-th of all.
    lower_limit(block, row, mth_lane(lowest, m));
    for (std::size_t i = 0; i < n_panels; ++i) {
        if (!at_most(load(block->lowest[row][i]), spread(block->limit[row]))) continue;
        for (std::size_t v = i * PANEL; v < (i + 1) * PANEL; v += LANES) {
            const float* scores = block->scores[row] + v;
            unsigned near = at_most(load(scores), spread(block->limit[row]));
            for (; near; near &= near - 1) {
                const std::size_t lane = lowest_bit(near);
                note(block, row, first_word + static_cast<std::int32_t>(v + lane), scores[lane], m);
            }
        }
    }
}

// The squared distance in float64. The order of the sum is part of the result: it is the same on every instruction set.
double squared_distance(const float* a, const float* b, std::size_t n_dims) {
    double sum[8] = {};
    std::size_t d = 0;
#if defined(__AVX512F__)
    __m512d sums = _mm512_setzero_pd();
    for (; d + 8 <= n_dims; d += 8) {
        const __m512d difference =
            _mm512_sub_pd(_mm512_cvtps_pd(_mm256_loadu_ps(a + d)), _mm512_cvtps_pd(_mm256_loadu_ps(b + d)));
        sums = _mm512_add_pd(sums, _mm512_mul_pd(difference, difference));
    }
    _mm512_storeu_pd(sum, sums);
#else
    for (; d + 8 <= n_dims; d += 8) {
        for (std::size_t i = 0; i < 8; ++i) {
            const double difference = static_cast<double>(a[d + i]) - static_cast<double>(b[d + i]);
            sum[i] += difference * difference;
        }
    }
#endif
    double rest = 0;
    for (; d < n_dims; ++d) {
        const double difference = static_cast<double>(a[d]) - static_cast<double>(b[d]);
        rest += difference * difference;
    }
    return (((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))) + rest;
}

// Order the candidates of one point by distance and then by index, and write the first m.
CV_STEP void decide(const NearestWords& search, const Block& block, std::size_t row, std::size_t point) {
    std::int32_t* indices = search.indices + point * search.m;
    if (block.n_candidates[row] < 0) {
        indices[0] = -1;
        return;
    }
    if (block.n_candidates[row] == 1 && !search.squared_distances) {
        indices[0] = block.candidate[row][0];
        return;
    }
    double distances[MOST_NEAREST];
    std::size_t n = 0;
    const std::size_t n_dims = search.table.n_dims;
    for (std::int32_t i = 0; i < block.n_candidates[row]; ++i) {
        if (block.score[row][i] > block.limit[row]) continue;
        const std::int32_t word = block.candidate[row][i];
        const double distance =
            squared_distance(search.points + point * n_dims, search.table.words + word * n_dims, n_dims);
        // Candidates come in the order of their indices, so an equal distance goes behind.
        std::size_t place = n < search.m ? n++ : search.m;
        if (place == search.m) {
            if (!(distance < distances[place - 1])) continue;
            --place;
        }
        for (; place > 0 && distances[place - 1] > distance; --place) {
            distances[place] = distances[place - 1];
            indices[place] = indices[place - 1];
        }
        distances[place] = distance;
        indices[place] = word;
    }
    if (!search.squared_distances) return;
    for (std::size_t i = 0; i < search.m; ++i) {
        search.squared_distances[point * search.m + i] = static_cast<float>(distances[i]);
    }
}

// Rows of a block that are no points find nothing.
void clear(Block* block, std::size_t n_rows, std::size_t m) {
    for (std::size_t row = 0; row < BLOCK; ++row) {
        block->limit[row] = row < n_rows ? FLT_MAX : -FLT_MAX;
        block->n_candidates[row] = 0;
        for (std::size_t i = 0; i < m; ++i) block->best[row][i] = FLT_MAX;
    }
}

}  // namespace

std::size_t words_table_size(std::size_t n_words, std::size_t n_dims) { return parts_of(n_words, n_dims).size; }

void prepare_words(const WordTable& table) {
    const Parts parts = parts_of(table.n_words, table.n_dims);
    std::memset(table.bytes, 0, parts.size);
    float* centre = reinterpret_cast<float*>(table.bytes + parts.centre);
    float* norms = reinterpret_cast<float*>(table.bytes + parts.norms);
    find_centre(table, centre);
    Header header{LAYOUT, static_cast<std::uint32_t>(table.n_dims), table.n_words, find_step(table, centre), 0, 0};
    double longest = 0, longest_error = 0;
    for (std::size_t k = 0; k < table.n_words; ++k) {
        double norm, error;
        place_word(table, k, centre, header.step, parts, &norm, &error);
        norms[k] = static_cast<float>(norm);
        longest = norm > longest ? norm : longest;
        longest_error = error > longest_error ? error : longest_error;
    }
    // Beyond the last word nothing is near.
    for (std::size_t k = table.n_words; k < parts.n_panels * PANEL; ++k) norms[k] = std::numeric_limits<float>::infinity();
    header.longest = static_cast<float>(std::sqrt(longest) * (1 + 0x1p-20));
    header.longest_error = static_cast<float>(std::sqrt(longest_error) * (1 + 0x1p-20));
    std::memcpy(table.bytes, &header, sizeof header);
}

Search nearest_words(const NearestWords& search) {
    const std::size_t n_dims = search.table.n_dims;
    const Parts parts = parts_of(search.table.n_words, n_dims);
    Header header;
    std::memcpy(&header, search.table.bytes, sizeof header);
    if (header.layout != LAYOUT || header.n_dims != n_dims || header.n_words != search.table.n_words) {
        return Search::NOT_READY;
    }
    const float* centre = reinterpret_cast<const float*>(search.table.bytes + parts.centre);
    const float* norms = reinterpret_cast<const float*>(search.table.bytes + parts.norms);
    const WordItem* panels = reinterpret_cast<const WordItem*>(search.table.bytes + parts.panels);
    const std::size_t width = rounded_up(n_dims, LANES);
    std::unique_ptr<Block> block(new Block);
    std::unique_ptr<PointItem[]> items(new PointItem[BLOCK * width]());
    for (std::size_t first = 0; first < search.n_points; first += BLOCK) {
        const std::size_t n_rows = search.n_points - first < BLOCK ? search.n_points - first : BLOCK;
        clear(block.get(), n_rows, search.m);
        for (std::size_t row = 0; row < n_rows; ++row) {
            const float* point = search.points + (first + row) * n_dims;
            if (!place_point(point, n_dims, centre, header, block.get(), row, items.get() + row * width)) {
                return Search::NOT_FINITE;
            }
        }
        for (std::size_t panel = 0; panel < parts.n_panels; panel += CHUNK_PANELS) {
            const std::size_t left = parts.n_panels - panel, n_panels = left < CHUNK_PANELS ? left : CHUNK_PANELS;
            for (std::size_t i = 0; i < n_panels; ++i) {
                for (std::size_t row = 0; row < n_rows; row += TILE_POINTS) {
                    score_tile(block.get(), row, items.get() + row * width, width, parts.n_groups,
                               panels + (panel + i) * PANEL * parts.n_groups * GROUP, norms + (panel + i) * PANEL, i);
                }
            }
            for (std::size_t row = 0; row < n_rows; ++row) {
                look_through(block.get(), row, n_panels, static_cast<std::int32_t>(panel * PANEL), search.m);
            }
        }
        for (std::size_t row = 0; row < n_rows; ++row) decide(search, *block, row, first + row);
    }
    return Search::DONE;
}

}  // namespace classicvision::CV_ISA
