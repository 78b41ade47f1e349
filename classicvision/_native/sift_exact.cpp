// SIFT in float32 samples.
#include "kernels.h"
#include "sift_finder.h"

namespace classicvision::CV_ISA {

void find_sift_exact(const SiftImage& image, const SiftSettings& settings, const SiftSink& sink, Arena& arena) {
    Finder<float>(image, settings, sink, arena).run();
}

}  // namespace classicvision::CV_ISA
