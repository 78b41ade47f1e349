// SIFT in int16 samples: half the memory, and twice as many samples per vector.
#include "kernels.h"
#include "sift_finder.h"

namespace classicvision::CV_ISA {

void find_sift_fast(const SiftImage& image, const SiftSettings& settings, const SiftSink& sink, Arena& arena) {
    Finder<std::int16_t>(image, settings, sink, arena).run();
}

}  // namespace classicvision::CV_ISA
