// SIFT for Python: checks, sorting, and the result as bytes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "binding.h"
#include "kernels.h"

namespace classicvision {
namespace {

constexpr int MAX_SIDE = 1 << 20;  // pixels; octaves are counted in int
constexpr int N_FRAME = 5;         // x, y, scale, angle, response

SiftKeypoint* add(void* list) {
    auto& keypoints = *static_cast<std::vector<SiftKeypoint>*>(list);
    keypoints.emplace_back();
    return &keypoints.back();
}

// Strongest first; equal responses by x, y, scale and angle.
bool comes_before(const SiftKeypoint* a, const SiftKeypoint* b) {
    return std::make_tuple(-a->response, a->x, a->y, a->scale, a->angle) <
           std::make_tuple(-b->response, b->x, b->y, b->scale, b->angle);
}

SiftImage checked_image(const Array<const std::uint8_t>& gray) {
    if (gray.size(0) < 1 || gray.size(1) < 1 || gray.size(0) > MAX_SIDE || gray.size(1) > MAX_SIDE) {
        throw std::invalid_argument("gray must have from 1 to 1048576 rows and columns");
    }
    return {gray.data(), static_cast<int>(gray.size(1)), static_cast<int>(gray.size(0))};
}

// The settings class checks them with better messages; this protects the kernel from any other caller.
void check(const SiftSettings& settings) {
    const bool is_good = settings.n_layers >= 1 && settings.n_layers <= 60 && settings.sigma > 0 &&
                         settings.sigma <= 100 && settings.contrast >= 0 && settings.contrast <= 1 &&
                         settings.edge_ratio >= 1 && std::isfinite(settings.edge_ratio);
    if (!is_good) throw std::invalid_argument("a setting of SIFT is out of its range");
}

std::vector<SiftKeypoint> find(const SiftImage& image, const SiftSettings& settings, bool is_fast) {
    std::vector<SiftKeypoint> keypoints;
    const WithoutLock without_lock;
    const auto find_sift = is_fast ? kernels().find_sift_fast : kernels().find_sift_exact;
    find_sift(image, settings, {&keypoints, add}, arena_of_thread());
    return keypoints;
}

// Return (n x 5 float32, n x 128 uint8) as two bytes objects.
PyObject* to_bytes(const std::vector<SiftKeypoint>& keypoints) {
    std::vector<const SiftKeypoint*> order;
    order.reserve(keypoints.size());
    for (const SiftKeypoint& keypoint : keypoints) order.push_back(&keypoint);
    std::sort(order.begin(), order.end(), comes_before);
    constexpr std::size_t width = sizeof(SiftKeypoint::descriptor);
    const auto n = static_cast<Py_ssize_t>(order.size());
    PyObject* frames = PyBytes_FromStringAndSize(nullptr, n * static_cast<Py_ssize_t>(sizeof(float) * N_FRAME));
    PyObject* descriptors = PyBytes_FromStringAndSize(nullptr, n * static_cast<Py_ssize_t>(width));
    for (std::size_t i = 0; frames && descriptors && i < order.size(); ++i) {
        const SiftKeypoint& keypoint = *order[i];
        const float frame[N_FRAME] = {keypoint.x, keypoint.y, keypoint.scale, keypoint.angle, keypoint.response};
        std::memcpy(PyBytes_AsString(frames) + i * sizeof frame, frame, sizeof frame);
        std::memcpy(PyBytes_AsString(descriptors) + i * width, keypoint.descriptor, width);
    }
    return Py_BuildValue("(NN)", frames, descriptors);  // an error if one of them is null; takes both references
}

}  // namespace
}  // namespace classicvision

using namespace classicvision;

PyObject* method_find_sift(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject* gray_object;
        SiftSettings settings;
        int upsample, fast;
        parse(arguments, "Oidddpp", &gray_object, &settings.n_layers, &settings.sigma, &settings.contrast,
              &settings.edge_ratio, &upsample, &fast);
        settings.upsample = upsample != 0;
        check(settings);
        const Array<const std::uint8_t> gray(gray_object, "gray", 2);
        return to_bytes(find(checked_image(gray), settings, fast != 0));
    });
}
