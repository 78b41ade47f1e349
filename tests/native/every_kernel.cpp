// Runs the kernels of one processor on two images, without Python, and writes what they answer as named arrays.
//
// `compare_processors.py` builds it for this machine and for another one, and compares the arrays.
//
//     every_kernel IMAGE OTHER        # binary PGM files; the arrays go to the standard output
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels.h"

namespace {

using namespace classicvision;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t N_DIMS = 128, N_NEAREST = 5, N_KEPT = 32, WORD_EVERY = 3;

struct Image {
    Bytes gray;
    int width = 0, height = 0;
};

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "every_kernel: %s\n", message.c_str());
    std::exit(1);
}

Image read_pgm(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    Image image;
    if (!file || std::fscanf(file, "P5 %d %d 255", &image.width, &image.height) != 2) {
        fail(std::string("not a binary PGM file: ") + path);
    }
    std::fgetc(file);
    image.gray.resize(static_cast<std::size_t>(image.width) * image.height);
    const std::size_t n_read = std::fread(image.gray.data(), 1, image.gray.size(), file);
    std::fclose(file);
    if (n_read != image.gray.size()) fail(std::string("the file ends too early: ") + path);
    return image;
}

// The letters are those of NumPy: f4, i4, u1 and so on.
template <typename T>
void write(const std::string& name, const char* type, const std::vector<T>& values, std::size_t width = 1) {
    std::printf("%s %s %zu %zu\n", name.c_str(), type, values.size() / width, width);
    std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

struct Keypoints {
    std::vector<float> frames;  // (n, 5)
    Bytes descriptors;          // (n, 128)

    std::size_t n() const { return frames.size() / 5; }
    const float* frame(std::size_t i) const { return frames.data() + 5 * i; }
};

SiftKeypoint* add_keypoint(void* list) {
    auto& keypoints = *static_cast<std::vector<SiftKeypoint>*>(list);
    keypoints.emplace_back();
    return &keypoints.back();
}

using FindSift = decltype(portable::find_sift_exact);

Keypoints find(const Image& image, FindSift find_sift, const std::string& name) {
    std::vector<SiftKeypoint> found;
    Arena arena;
    const SiftSettings settings{3, 1.6, 0.04, 10.0, true};
    find_sift({image.gray.data(), image.width, image.height}, settings, {&found, add_keypoint}, arena);
    Keypoints keypoints;
    for (const SiftKeypoint& one : found) {
        for (float number : {one.x, one.y, one.scale, one.angle, one.response}) keypoints.frames.push_back(number);
        keypoints.descriptors.insert(keypoints.descriptors.end(), one.descriptor, one.descriptor + N_DIMS);
    }
    write(name + "/frames", "f4", keypoints.frames, 5);
    write(name + "/descriptors", "u1", keypoints.descriptors, N_DIMS);
    return keypoints;
}

Bytes root_sift(const Bytes& descriptors, const std::string& name) {
    Bytes roots(descriptors.size());
    portable::root_bytes({descriptors.data(), descriptors.size() / N_DIMS, N_DIMS, roots.data()});
    write(name, "u1", roots, N_DIMS);
    return roots;
}

void search_words(const Bytes& descriptors, const Bytes& others, std::size_t n_kept, const std::string& name) {
    std::vector<float> words;
    for (std::size_t i = 0; i < others.size() / N_DIMS; i += WORD_EVERY) {
        const std::uint8_t* row = others.data() + i * N_DIMS;
        double sum = 0;
        for (std::size_t d = 0; d < N_DIMS; ++d) sum += row[d];
        for (std::size_t d = 0; d < N_DIMS; ++d) words.push_back(static_cast<float>(std::sqrt(row[d] / sum)));
    }
    std::vector<float> basis(N_DIMS * n_kept);  // some of the dimensions
    for (std::size_t j = 0; j < n_kept; ++j) basis[j * (N_DIMS / n_kept) * n_kept + j] = 1;
    const std::size_t n_words = words.size() / N_DIMS, n_points = descriptors.size() / N_DIMS;
    Bytes table(portable::words_table_size(n_words, N_DIMS, n_kept) + 64);
    std::uint8_t* start = table.data() + (64 - reinterpret_cast<std::uintptr_t>(table.data()) % 64) % 64;
    WordTable prepared{words.data(), n_words, N_DIMS, n_kept < N_DIMS ? basis.data() : nullptr, n_kept, start};
    portable::prepare_words(prepared);
    const Points points{Points::Kind::ROOTS, descriptors.data(), n_points, N_DIMS};
    std::vector<std::int32_t> indices(n_points * N_NEAREST), labels(n_points);
    std::vector<float> squared(n_points * N_NEAREST);
    if (portable::nearest_words({prepared, points, N_NEAREST, indices.data(), squared.data()}) != Search::DONE ||
        portable::nearest_words({prepared, points, 1, labels.data(), nullptr}) != Search::DONE) {
        fail("the words could not be searched");
    }
    for (std::int32_t& label : labels) label = label < 0 ? 0 : label;
    std::vector<double> sums(words.size());
    std::vector<std::int64_t> counts(n_words);
    portable::add_points({points, labels.data(), n_words, sums.data(), counts.data()});
    write(name + "/indices", "i4", indices, N_NEAREST);
    write(name + "/squared", "f4", squared, N_NEAREST);
    write(name + "/sums", "f8", sums, N_DIMS);
    write(name + "/counts", "i8", counts);
}

// Matches by the ratio of distances: rows of a and of b.
struct Matches {
    std::vector<std::size_t> a, b;
};

Matches match(const Bytes& a, const Bytes& b) {
    const std::size_t n_a = a.size() / N_DIMS, n_b = b.size() / N_DIMS;
    std::vector<std::int32_t> rows_a(2 * n_a), rows_b(2 * n_b);
    std::vector<float> squared_a(2 * n_a), squared_b(2 * n_b);
    Arena arena;
    portable::nearest_two(
        {a.data(), b.data(), n_a, n_b, N_DIMS, {rows_a.data(), squared_a.data()}, {rows_b.data(), squared_b.data()}},
        arena);
    write("match/rows_a", "i4", rows_a, 2);
    write("match/squared_a", "f4", squared_a, 2);
    write("match/rows_b", "i4", rows_b, 2);
    write("match/squared_b", "f4", squared_b, 2);
    Matches matches;
    for (std::size_t i = 0; i < n_a; ++i) {
        if (squared_a[2 * i] > 0.64f * squared_a[2 * i + 1]) continue;
        matches.a.push_back(i);
        matches.b.push_back(static_cast<std::size_t>(rows_a[2 * i]));
    }
    return matches;
}

// The rest of matching: agreement, moments, homography and reprojection errors.
void verify(const Keypoints& a, const Keypoints& b, const Matches& matches) {
    const std::size_t n = matches.a.size();
    std::vector<float> columns(8 * n), log_scales(n);
    std::vector<double> xy_a, xy_b, turns, ratios, angles(2 * n), scales(2 * n);
    for (std::size_t i = 0; i < n; ++i) {
        const float *from = a.frame(matches.a[i]), *to = b.frame(matches.b[i]);
        const double turn = to[3] - from[3], ratio = to[2] / from[2];
        const double own[8] = {
            from[0],        from[1],       to[0], to[1], ratio * std::cos(turn), ratio * std::sin(turn),
            std::cos(turn), std::sin(turn)};
        for (std::size_t c = 0; c < 8; ++c) columns[c * n + i] = static_cast<float>(own[c]);
        log_scales[i] = static_cast<float>(std::log(ratio));
        xy_a.insert(xy_a.end(), from, from + 2);
        xy_b.insert(xy_b.end(), to, to + 2);
        turns.push_back(turn), ratios.push_back(std::log(ratio));
        angles[i] = from[3], angles[n + i] = to[3], scales[i] = std::log(from[2]), scales[n + i] = std::log(to[2]);
    }
    Arena arena;
    std::vector<std::int32_t> counts(n), places(n), n_places(3);
    portable::count_agreeing({columns.data(), log_scales.data(), n, 5.0f, 0.1f, 0.866f, 0.4f, counts.data()}, arena);
    std::vector<double> moments(12), h{0, 1, 0, -1, 0, 300, 0, 0, 1}, errors(n), tolerances{1, 3, 9};
    portable::find_moments({xy_a.data(), xy_b.data(), n, moments.data()});
    portable::fit_homography({xy_a.data(), xy_b.data(), n, 20, 1e-9, h.data()});
    const Expected expected{h.data(), turns[0], 1.0, ratios[0], 0.5};
    portable::find_errors({xy_a.data(), xy_b.data(), turns.data(), ratios.data(), n, expected, errors.data()});
    const std::vector<std::int32_t> shifts{0, 1, 7};
    std::vector<std::int64_t> paired(3);
    portable::count_paired({xy_a.data(), xy_b.data(), angles.data(), scales.data(), n, shifts.data(), 3, false,
                            expected, tolerances.data(), 3, paired.data()});
    for (std::size_t i = 0; i < n; ++i) places[i] = static_cast<std::int32_t>(i / 2);
    portable::count_places({errors.data(), places.data(), n, tolerances.data(), 3, n_places.data()}, arena);
    write("agreement", "i4", counts);
    write("moments", "f8", moments, 2);
    write("homography", "f8", h, 3);
    write("reprojection/errors", "f8", errors);
    write("reprojection/paired", "i8", paired);
    write("reprojection/places", "i4", n_places);
}

void describe_patches(const Image& image) {
    const DenseSettings settings{4, 6, 9, 6.0, 1.5, 0.005};
    const std::size_t n = static_cast<std::size_t>(count_patches(image.width, settings)) *
                          static_cast<std::size_t>(count_patches(image.height, settings));
    std::vector<float> xy(2 * n), response(n);
    Bytes descriptors(N_DIMS * n);
    DensePatches patches{xy.data(), response.data(), descriptors.data(), 0};
    Arena arena;
    portable::describe_dense({image.gray.data(), image.width, image.height}, settings, patches, arena);
    xy.resize(2 * patches.n), response.resize(patches.n), descriptors.resize(N_DIMS * patches.n);
    write("dense/xy", "f4", xy, 2);
    write("dense/response", "f4", response);
    write("dense/descriptors", "u1", descriptors, N_DIMS);
}

}  // namespace

int main(int n_arguments, char** arguments) {
    if (n_arguments != 3) fail("two images are expected");
    const Image image = read_pgm(arguments[1]), other = read_pgm(arguments[2]);
    const Keypoints a = find(image, portable::find_sift_exact, "sift/exact");
    const Keypoints b = find(other, portable::find_sift_exact, "sift/other");
    find(image, portable::find_sift_fast, "sift/fast");
    const Bytes roots_a = root_sift(a.descriptors, "roots/a"), roots_b = root_sift(b.descriptors, "roots/b");
    search_words(a.descriptors, b.descriptors, N_DIMS, "words");
    search_words(a.descriptors, b.descriptors, N_KEPT, "words-basis");
    verify(a, b, match(roots_a, roots_b));
    describe_patches(image);
    return 0;
}
