// Matching keypoints: what the binding passes to the kernels in root_sift.cpp, nearest_two.cpp, agreement.cpp,
// homography.cpp and reprojection.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace classicvision {

constexpr std::size_t MOST_MATCH_DIMENSIONS = 256;  // 256 * 255^2 < 2^24: float32 holds every squared distance exactly
constexpr std::size_t MOST_MATCHED = std::size_t{1} << 24;  // float32 holds every row number exactly
constexpr float NO_DISTANCE = 16777216.0f;                  // 2^24, more than any squared distance

// The two nearest neighbours of each descriptor in the other image. Of equal distances the smaller row comes first.
struct Neighbours {
    std::int32_t* rows;  // (n, 2), -1 if missing
    float* squared;      // (n, 2) squared distances, integers; NO_DISTANCE if missing
};

struct NearestTwo {
    const std::uint8_t* a;  // (n_a, n_dims)
    const std::uint8_t* b;  // (n_b, n_dims)
    std::size_t n_a, n_b, n_dims;
    Neighbours of_a, of_b;
};

struct RootBytes {
    const std::uint8_t* descriptors;  // (n, n_dims)
    std::size_t n, n_dims;
    std::uint8_t* roots;  // (n, n_dims)
};

// Matches as hypotheses: each determines a similarity b = s a + t, which is tested against all matches.
struct CountAgreeing {
    const float* columns;    // (8, n): xa, ya, xb, yb, re s, im s, angle of s as cosine and sine
    const float* log_scale;  // (n,) log |s|
    std::size_t n;
    float tip, cone, least_cosine, most_log_scale;
    std::int32_t* counts;  // (n,)
};

struct FitHomography {
    const double* a;  // (n, 2)
    const double* b;  // (n, 2)
    std::size_t n;    // at least 1
    int n_steps;      // at most
    double settled;   // stop after a step that reduces the squared error by a smaller fraction
    double* h;        // (9,) the initial homography, with h33 not 0; replaced by the fit
};

// What the least-squares similarity and affinity are computed from.
struct FindMoments {
    const double* a;  // (n, 2)
    const double* b;  // (n, 2)
    std::size_t n;    // at least 1
    double* moments;  // (6, 2) means of a and of b; from these, the sums of products of a and a, and of a and b
};

// What a transform predicts of a match: its position, and the rotation and scale between its frames.
struct Expected {
    const double* to_from_from;  // (9,)
    double turn, most_turn;      // radians
    double log_ratio, most_log_ratio;
};

struct FindErrors {
    const double* from;       // (n, 2)
    const double* to;         // (n, 2)
    const double* turn;       // (n,) radians
    const double* log_ratio;  // (n,)
    std::size_t n;
    Expected expected;
    double* errors;  // (n,) distances; infinite where the frames do not agree
};

// Keypoint i of a paired with the partner of match i + shift, cyclically, for each shift.
struct CountPaired {
    const double* a;          // (n, 2)
    const double* b;          // (n, 2)
    const double* angle;      // (2, n) in a and in b
    const double* log_scale;  // (2, n)
    std::size_t n;
    const std::int32_t* shifts;  // (n_shifts,) at least 0
    std::size_t n_shifts;
    bool from_b;  // the transform takes b to a
    Expected expected;
    const double* tolerances;  // (n_tolerances,)
    std::size_t n_tolerances;
    std::int64_t* counts;  // (n_tolerances,) pairs with errors up to each tolerance
};

struct CountPlaces {
    const double* errors;        // (n,)
    const std::int32_t* places;  // (n,) each at least 0 and below n
    std::size_t n;
    const double* tolerances;  // (n_tolerances,) ascending
    std::size_t n_tolerances;
    std::int32_t* counts;  // (n_tolerances,) places that hold an error up to each tolerance
};

}  // namespace classicvision
