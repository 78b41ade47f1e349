// SIFT in either precision: float32 samples, or int16 samples that are half the memory and twice as many a vector.
#include "sift.h"

#include "kernels.h"
#include "sift_finder.h"

namespace classicvision::CV_ISA {

void find_sift(const SiftImage& image, const SiftSettings& settings, const SiftSink& sink, Arena& arena) {
    if (settings.precision == SiftPrecision::fast) {
        Finder<std::int16_t>(image, settings, sink, arena).run();
    } else {
        Finder<float>(image, settings, sink, arena).run();
    }
}

}  // namespace classicvision::CV_ISA
