// Dense SIFT: rows of the image stream through blur, votes, sums and cells to the patches.
//
// Down the columns and along the rows, sums are needed only at "lines": positions spaced by a common divisor of step
// and cell size, counted from the centre of the first cell.
#include "dense.h"

#include <numeric>

#include "dense_descriptor.h"
#include "kernels.h"

namespace classicvision::CV_ISA {
namespace {

// Along x or along y: where the cells are, in lines.
struct Lines {
    int n_patches;
    int gap;    // pixels from one line to the next
    int step;   // from one patch to the next
    int reach;  // side of a cell
    int last;   // centre of the last cell

    Lines(int length, const DenseSettings& settings) : n_patches(count_patches(length, settings)) {
        gap = n_patches > 1 ? std::gcd(settings.step, settings.bin_size) : settings.bin_size;
        step = n_patches > 1 ? settings.step / gap : 1;
        reach = settings.bin_size / gap;
        last = (n_patches - 1) * step + (N_CELLS - 1) * reach;
    }

    bool has_cell(int line) const {
        for (int k = 0; k < N_CELLS; ++k) {
            const int from_first = line - k * reach;
            if (from_first >= 0 && from_first % step == 0 && from_first / step < n_patches) return true;
        }
        return false;
    }
};

// Fractional bits of a vote, and bits dropped from the sums down a column, so that 32 bits are enough.
struct Bits {
    int n_vote = 9, n_lost = 0;

    explicit Bits(int bin_size) {
        constexpr double LARGEST_VOTE = 361;  // grey levels: the slope in a corner of the image
        const double square = static_cast<double>(bin_size) * bin_size;
        while (LARGEST_VOTE * square * std::ldexp(1.0, n_vote) >= std::ldexp(1.0, 32)) --n_vote;
        while (LARGEST_VOTE * square * square * std::ldexp(1.0, n_vote - n_lost) >= std::ldexp(1.0, 31)) ++n_lost;
    }
};

double blur_sigma(const DenseSettings& settings) {
    const double wanted = settings.bin_size / settings.magnification;
    return std::sqrt(std::max(wanted * wanted - CAMERA_BLUR * CAMERA_BLUR, LEAST_BLUR * LEAST_BLUR));
}

// The rows of the image, blurred, as floats: only the last ones, in a ring.
class BlurredRows {
public:
    BlurredRows(const DenseImage& image, double sigma, int n_kept, Arena& arena)
        : image_(image), is_blurred_(sigma > LEAST_BLUR), n_kept_(n_kept + BLOCK) {
        blur_.radius = is_blurred_ ? blur_radius(sigma) : 0;
        rows_ = arena.take<float>(stride() * n_kept_) + MARGIN;
        beyond_ = arena.take<float>(stride()) + MARGIN;
        if (!is_blurred_) return;
        source_ = arena.take<float>(stride() * n_source_rows()) + MARGIN;
        blur_.prepare(sigma, 1.0, arena);
        scratch_.in = arena.take<const float*>(BLOCK + 2 * blur_.radius);
        scratch_.take(image.width, blur_.radius, arena);
    }

    static std::size_t n_bytes(const DenseImage& image, double sigma, int n_kept) {
        const std::size_t radius = blur_radius(sigma), row = row_stride<float>(image.width + MARGIN) + MARGIN;
        const std::size_t n_rows = n_kept + BLOCK + 1 + 2 * radius + 2 * BLOCK;
        return n_rows * row * sizeof(float) + Blur<float>::n_bytes(radius) + Scratch::n_bytes(image.width, radius) +
               (BLOCK + 2 * radius) * sizeof(float*) + 8 * Arena::ALIGNMENT;
    }

    // The three rows that the gradients of row y need. Rows are requested in order, from 0.
    RowTriple around(int y) {
        while (n_done_ < std::min(y + 2, image_.height)) go_on();
        const int end = image_.height - 1;
        if (y == 0) return {extrapolated(row(0), row(1)), row(0), row(1)};
        return {row(y - 1), row(y), y == end ? extrapolated(row(y), row(y - 1)) : row(y + 1)};
    }

private:
    using Scratch = BlurScratch<float>;
    static constexpr int BLOCK = Scratch::BLOCK;
    static constexpr int MARGIN = 16;  // keeps rows aligned

    std::size_t stride() const { return row_stride<float>(image_.width + MARGIN) + MARGIN; }
    int n_source_rows() const { return 2 * blur_.radius + 2 * BLOCK; }
    float* row(int y) const { return rows_ + (y % n_kept_) * stride(); }
    float* source(int y) const { return source_ + (y % n_source_rows()) * stride(); }

    void go_on() {
        if (is_blurred_) {
            blur_block();
        } else {
            convert(n_done_, row(n_done_));
            finish(row(n_done_++));
        }
    }

    void blur_block() {
        const int n_rows = std::min(BLOCK, image_.height - n_done_);
        for (const int end = std::min(image_.height, n_done_ + n_rows + blur_.radius); n_read_ < end; ++n_read_) {
            convert(n_read_, source(n_read_));
        }
        for (int k = 0; k < n_rows + 2 * blur_.radius; ++k) {
            scratch_.in[k] = source(mirrored(n_done_ - blur_.radius + k, image_.height));
        }
        float* out[BLOCK];
        for (int k = 0; k < n_rows; ++k) out[k] = row(n_done_ + k);
        blur_(scratch_, n_rows, image_.width, out);
        for (int k = 0; k < n_rows; ++k) finish(row(n_done_++));
    }

    CV_STEP void convert(int y, float* out) const {
        const std::uint8_t* pixels = image_.gray + static_cast<std::size_t>(y) * image_.width;
        for (int x = 0; x < image_.width; ++x) out[x] = pixels[x];
    }

    // Extrapolate, so that at the ends of a row the central difference is twice the one-sided one.
    void finish(float* row) const {
        const int width = image_.width;
        row[-1] = 2 * row[0] - row[1];
        row[width] = 2 * row[width - 1] - row[width - 2];
        for (int x = width + 1; x <= width + LANES; ++x) row[x] = 0.0f;
    }

    // The row beyond the first or the last one.
    const float* extrapolated(const float* outermost, const float* next) {
        for (int x = 0; x < image_.width + LANES; ++x) beyond_[x] = 2 * outermost[x] - next[x];
        return beyond_;
    }

    const DenseImage& image_;
    const bool is_blurred_;
    const int n_kept_;
    Blur<float> blur_;
    Scratch scratch_{};
    float *rows_ = nullptr, *beyond_ = nullptr, *source_ = nullptr;
    int n_done_ = 0, n_read_ = 0;
};

// The state of one call.
class Describer {
public:
    Describer(const DenseImage& image, const DenseSettings& settings, DensePatches& patches, Arena& arena)
        : image_(image),
          settings_(settings),
          patches_(patches),
          arena_(arena),
          across_(image.width, settings),
          down_(image.height, settings),
          bits_(settings.bin_size),
          scale_(bits_.n_vote),
          window_(settings.bin_size, settings.window) {}

    void run() {
        if (!across_.n_patches || !down_.n_patches) return;
        const double sigma = blur_sigma(settings_);
        arena_.reserve(n_bytes(sigma));
        take_memory();
        BlurredRows rows(image_, sigma, down_.gap + 2, arena_);
        for (int line = 1 - down_.reach; line <= down_.last + down_.reach; ++line) {
            go_on_to(line, rows);
            const int cell = line - down_.reach;
            if (cell >= 0 && down_.has_cell(cell)) collect_cells(cell);
            const int patch = cell - (N_CELLS - 1) * down_.reach;
            if (patch >= 0 && patch % down_.step == 0) describe_row(patch / down_.step);
        }
    }

private:
    std::size_t n_columns() const { return (image_.width + LANES - 1) / LANES * LANES; }
    std::size_t n_sums() const { return n_columns() * N_DIRECTIONS; }
    std::size_t margin() const { return static_cast<std::size_t>(settings_.bin_size); }  // places beyond the image
    std::size_t n_places() const { return n_sums() + 2 * margin() * N_DIRECTIONS; }
    int n_kept_sums() const { return 2 * down_.reach + 1; }
    int n_kept_cells() const { return (N_CELLS - 1) * down_.reach + 1; }
    int n_lines() const { return across_.last + 2 * across_.reach + 1; }
    std::size_t cell_stride() const { return static_cast<std::size_t>(across_.last + 1) * N_DIRECTIONS; }

    std::size_t n_bytes(double sigma) const {
        const std::size_t numbers =
            n_sums() * (n_kept_sums() + 1) + n_places() + n_lines() * N_DIRECTIONS + cell_stride() * n_kept_cells();
        return numbers * sizeof(float) + down_.gap * sizeof(RowTriple) +
               BlurredRows::n_bytes(image_, sigma, down_.gap + 2) + 16 * Arena::ALIGNMENT;
    }

    void take_memory() {
        once_ = arena_.take<std::uint32_t>(n_sums());
        sums_ = arena_.take<std::uint32_t>(n_sums() * n_kept_sums());
        places_ = arena_.take<std::uint32_t>(n_places()) + margin() * N_DIRECTIONS;
        lines_ = arena_.take<std::uint32_t>(static_cast<std::size_t>(n_lines()) * N_DIRECTIONS);
        cells_ = arena_.take<float>(cell_stride() * n_kept_cells());
        triples_ = arena_.take<RowTriple>(down_.gap);
        std::fill_n(once_, n_sums(), 0u);
        std::fill_n(sums_at(-down_.reach), n_sums(), 0u);
    }

    std::uint32_t* sums_at(int line) const { return sums_ + (line + down_.reach) % n_kept_sums() * n_sums(); }
    float* cells_at(int line) const { return cells_ + line % n_kept_cells() * cell_stride(); }

    // Add the rows between the previous line and this one. Beyond the image, the outermost votes are repeated.
    void go_on_to(int line, BlurredRows& rows) {
        const int end = settings_.first + line * down_.gap;
        for (int i = 0; i < down_.gap; ++i) {
            triples_[i] = rows.around(std::clamp(end - down_.gap + i, 0, image_.height - 1));
        }
        const std::uint32_t* before = sums_at(line - 1);
        std::uint32_t* after = sums_at(line);
        for (int i = 0; i < down_.gap; i += MAX_VOTES, before = after) {
            const int n_rows = std::min(MAX_VOTES, down_.gap - i);
            add_rows(triples_ + i, n_rows, image_.width, scale_, once_, before, after);
        }
    }

    void collect_cells(int line) {
        const auto collect = bits_.n_lost ? collect_down<true> : collect_down<false>;
        collect(sums_at(line - down_.reach), sums_at(line), sums_at(line + down_.reach), image_.width, bits_.n_lost,
                places_);
        extend(places_, image_.width, settings_.bin_size);
        const std::ptrdiff_t begin = static_cast<std::ptrdiff_t>(settings_.first - settings_.bin_size) * N_DIRECTIONS;
        sum_along(places_ + begin, across_.gap, n_lines(), lines_);
        collect_along(lines_, across_.last + 1, across_.reach, cells_at(line));
    }

    CV_STEP void describe_row(int number) {
        const float* rows[N_CELLS];
        for (int k = 0; k < N_CELLS; ++k) rows[k] = cells_at(number * down_.step + k * down_.reach);
        // From sums to the mean slope of a pixel, grey in [0, 1].
        const double area = static_cast<double>(settings_.bin_size) * settings_.bin_size;
        const float unit = static_cast<float>(std::ldexp(1 / (area * area * 255), bits_.n_lost - bits_.n_vote));
        const float least = static_cast<float>(settings_.contrast / unit);
        const float x = static_cast<float>(settings_.first + 0.5 * (N_CELLS - 1) * settings_.bin_size);
        const float step = static_cast<float>(settings_.step), y = x + static_cast<float>(number) * step;
        const std::size_t pitch = static_cast<std::size_t>(across_.reach) * N_DIRECTIONS;
        const std::size_t gap = static_cast<std::size_t>(across_.step) * N_DIRECTIONS;
        DensePatches to = patches_;
        for (int begin = 0; begin < across_.n_patches; begin += LANES) {
            const int n_here = std::min(LANES, across_.n_patches - begin);
            pitch == N_DIRECTIONS ? batch_.take<true>(rows, n_here, gap, pitch, window_)
                                  : batch_.take<false>(rows, n_here, gap, pitch, window_);
            batch_.normalise();
            for (int i = 0; i < n_here; ++i) {
                if (!(batch_.norm[i] >= least)) continue;
                store_descriptor(batch_.values[i], spread(batch_.scale[i]), to.descriptors + to.n * DESCRIPTOR);
                to.xy[2 * to.n] = x + static_cast<float>(begin + i) * step;
                to.xy[2 * to.n + 1] = y;
                to.response[to.n++] = batch_.norm[i] * unit;
            }
            for (const float*& row : rows) row += LANES * gap;
        }
        patches_.n = to.n;
    }

    const DenseImage& image_;
    const DenseSettings& settings_;
    DensePatches& patches_;
    Arena& arena_;
    const Lines across_, down_;
    const Bits bits_;
    const VoteScale scale_;
    const Window window_;
    Batch batch_;
    std::uint32_t *once_ = nullptr, *sums_ = nullptr, *places_ = nullptr, *lines_ = nullptr;
    float* cells_ = nullptr;
    RowTriple* triples_ = nullptr;
};

}  // namespace

void describe_dense(const DenseImage& image, const DenseSettings& settings, DensePatches& patches, Arena& arena) {
    Describer(image, settings, patches, arena).run();
}

}  // namespace classicvision::CV_ISA
