// How wide the vectors of an instruction set are: the smallest kernel, and what `classicvision doctor` shows.
#include "isa.h"
#include "kernels.h"

namespace classicvision::CV_ISA {

int lanes() { return LANES; }

}  // namespace classicvision::CV_ISA
