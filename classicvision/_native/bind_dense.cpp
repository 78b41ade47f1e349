// Dense SIFT for Python: checks, and arrays to fill.
#include <cmath>

#include "binding.h"
#include "kernels.h"

namespace classicvision {
namespace {

constexpr int MAX_SIDE = 1 << 20;  // pixels; positions are counted in int
constexpr std::size_t DESCRIPTOR_SIZE = 128;

DenseImage checked_image(const Array<const std::uint8_t>& gray) {
    if (gray.size(0) < 1 || gray.size(1) < 1 || gray.size(0) > MAX_SIDE || gray.size(1) > MAX_SIDE) {
        throw std::invalid_argument("gray must have from 1 to 1048576 rows and columns");
    }
    return {gray.data(), static_cast<int>(gray.size(1)), static_cast<int>(gray.size(0))};
}

// The settings class checks them with better messages; this protects the kernel from any other caller.
void check_ranges(const DenseSettings& settings) {
    const bool is_good = settings.step >= 1 && settings.step <= MAX_SIDE && settings.bin_size >= 1 &&
                         settings.bin_size <= MAX_BIN_SIZE && settings.first >= 0 && settings.first <= MAX_SIDE &&
                         settings.magnification >= 0.5 && std::isfinite(settings.magnification) &&
                         settings.window >= 0.01 && std::isfinite(settings.window) && settings.contrast >= 0 &&
                         settings.contrast <= 1;
    if (!is_good) throw std::invalid_argument("a setting of dense SIFT is out of its range");
}

}  // namespace
}  // namespace classicvision

using namespace classicvision;

PyObject* method_describe_dense(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *gray_object, *xy_object, *response_object, *descriptors_object;
        DenseSettings settings;
        parse(arguments, "OiiidddOOO", &gray_object, &settings.step, &settings.bin_size, &settings.first,
              &settings.magnification, &settings.window, &settings.contrast, &xy_object, &response_object,
              &descriptors_object);
        check_ranges(settings);
        const Array<const std::uint8_t> gray(gray_object, "gray", 2);
        const DenseImage image = checked_image(gray);
        const Array<float> xy(xy_object, "xy", 2), response(response_object, "response", 1);
        const Array<std::uint8_t> descriptors(descriptors_object, "descriptors", 2);
        const std::size_t n_patches = static_cast<std::size_t>(count_patches(image.width, settings)) *
                                      static_cast<std::size_t>(count_patches(image.height, settings));
        xy.require(0, n_patches), xy.require(1, 2);
        response.require(0, n_patches);
        descriptors.require(0, n_patches), descriptors.require(1, DESCRIPTOR_SIZE);
        DensePatches patches{xy.data(), response.data(), descriptors.data(), 0};
        {
            const WithoutLock without_lock;
            kernels().describe_dense(image, settings, patches, arena_of_thread());
        }
        return PyLong_FromSize_t(patches.n);
    });
}
