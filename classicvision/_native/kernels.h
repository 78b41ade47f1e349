// The table of kernels, which are compiled once per instruction set, and of the methods that Python sees.
//
// A kernel is a plain function in namespace classicvision::CV_ISA. Adding one touches three places:
//   1. its own source, and the header that declares its structs; setup.py finds every source;
//   2. this table: a line in CV_KERNELS, and one in CV_METHODS for the method;
//   3. a bind_*.cpp file: `PyObject* method_NAME(PyObject* module, PyObject* arguments)`, with its types in
//   _kernels.pyi.
#pragma once

#include "dense.h"
#include "hamming.h"
#include "match.h"
#include "mixture.h"
#include "sift.h"
#include "words.h"

#define CV_KERNELS(KERNEL) \
    KERNEL(int, lanes, ()) \
    KERNEL(void, find_sift_exact, (const SiftImage&, const SiftSettings&, const SiftSink&, Arena&)) \
    KERNEL(void, find_sift_fast, (const SiftImage&, const SiftSettings&, const SiftSink&, Arena&)) \
    KERNEL(void, describe_dense, (const DenseImage&, const DenseSettings&, DensePatches&, Arena&)) \
    KERNEL(std::size_t, words_table_size, (std::size_t n_words, std::size_t n_dims, std::size_t n_kept)) \
    KERNEL(void, prepare_words, (const WordTable& table)) \
    KERNEL(Search, nearest_words, (const NearestWords& search)) \
    KERNEL(void, add_points, (const AddPoints& task)) \
    KERNEL(void, find_near_postings, (const HammingSearch& search, const HammingSink& sink)) \
    KERNEL(void, root_bytes, (const RootBytes& task)) \
    KERNEL(void, nearest_two, (const NearestTwo& task, Arena&)) \
    KERNEL(void, count_agreeing, (const CountAgreeing& task, Arena&)) \
    KERNEL(void, fit_homography, (const FitHomography& task)) \
    KERNEL(void, find_moments, (const FindMoments& task)) \
    KERNEL(void, find_errors, (const FindErrors& task)) \
    KERNEL(void, count_paired, (const CountPaired& task)) \
    KERNEL(void, count_places, (const CountPlaces& task, Arena&)) \
    KERNEL(int, mixture_panel, ()) \
    KERNEL(int, mixture_most_factor, ()) \
    KERNEL(void, project_points, (const ProjectPoints& task)) \
    KERNEL(double, add_moments, (const AddMoments& task, Arena&))

#define CV_METHODS(METHOD) \
    METHOD(instruction_set) \
    METHOD(lanes) \
    METHOD(find_sift) \
    METHOD(describe_dense) \
    METHOD(words_table_size) \
    METHOD(prepare_words) \
    METHOD(nearest_words) \
    METHOD(add_points) \
    METHOD(find_near_postings) \
    METHOD(find_largest_agreements) \
    METHOD(root_bytes) \
    METHOD(nearest_two) \
    METHOD(count_agreeing) \
    METHOD(fit_homography) \
    METHOD(find_moments) \
    METHOD(find_errors) \
    METHOD(count_paired) \
    METHOD(count_places) \
    METHOD(mixture_panel) \
    METHOD(mixture_most_factor) \
    METHOD(project_points) \
    METHOD(add_moments) \
    METHOD(add_descriptor_moments)

namespace classicvision {

#define CV_POINTER(result, name, arguments) result(*name) arguments;
struct Kernels {
    const char* instruction_set;
    CV_KERNELS(CV_POINTER)
};
#undef CV_POINTER

#define CV_DECLARE(result, name, arguments) result name arguments;
namespace portable {
CV_KERNELS(CV_DECLARE)
}
namespace v3 {
CV_KERNELS(CV_DECLARE)
}
namespace v4 {
CV_KERNELS(CV_DECLARE)
}
#undef CV_DECLARE

// The kernels of the best instruction set that this CPU and this build support, or of the one that the environment
// variable CLASSICVISION_ISA names. Chosen once, on the first call. Throws std::invalid_argument, with a message for
// the user, if the named one is not available.
const Kernels& kernels();

}  // namespace classicvision
