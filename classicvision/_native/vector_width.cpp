// The width of the vectors: the smallest kernel.
#include "isa.h"
#include "kernels.h"

namespace classicvision::CV_ISA {

int lanes() { return LANES; }

}  // namespace classicvision::CV_ISA
