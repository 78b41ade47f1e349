// Projections and mixtures for Python: all lengths are checked here.
#include <cmath>

#include "arena.h"
#include "binding.h"
#include "kernels.h"
#include "mixture.h"

namespace classicvision {
namespace {

void require(bool fact, const char* message) {
    if (!fact) throw std::invalid_argument(message);
}

std::size_t padded(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// The arrays of a mixture, held until the end of the scope.
class MixtureArrays {
public:
    explicit MixtureArrays(PyObject* const* objects)
        : roots_(objects[0], "roots", 2),
          shifts_(objects[1], "shifts", 2),
          are_far_(objects[2], "are_far", 1),
          log_peaks_(objects[3], "log_peaks", 1),
          to_levels_(objects[4], "to_levels", 2),
          factors_(objects[5], "factors", 4),
          starts_(objects[6], "starts", 1),
          columns_(objects[7], "columns", 2),
          inverses_(objects[8], "inverses", 1) {}

    Mixture checked(std::size_t n_dims) const {
        const std::size_t n_components = roots_.size(0), panel = static_cast<std::size_t>(kernels().mixture_panel());
        const std::size_t n_padded = padded(n_dims, static_cast<std::size_t>(kernels().lanes()));
        require(1 <= n_components && n_components <= MOST_COMPONENTS, "there must be from 1 to 4096 components");
        require(1 <= n_dims && n_dims <= MOST_MIXTURE_DIMENSIONS, "points must have from 1 to 512 dimensions");
        const std::size_t n_columns = padded(n_components, panel), n_quads = (n_dims + 1) / 2;
        roots_.require(1, n_padded);
        shifts_.require(0, n_components), shifts_.require(1, n_padded);
        are_far_.require(0, n_components);
        log_peaks_.require(0, n_components);
        to_levels_.require(0, 4), to_levels_.require(1, n_padded);
        factors_.require(0, n_columns / panel), factors_.require(1, n_quads);
        factors_.require(2, panel), factors_.require(3, 4);
        starts_.require(0, n_columns);
        columns_.require(0, 3), columns_.require(1, n_columns);
        inverses_.require(0, 2);
        const float* inverses = inverses_.data();
        return {n_components,      n_dims,   roots_.data(),     shifts_.data(),  are_far_.data(), log_peaks_.data(),
                n_padded,          to_levels_.data(), factors_.data(), n_columns / panel, n_quads, starts_.data(),
                columns_.data(),   inverses[0],       inverses[1]};
    }

private:
    Array<const float> roots_, shifts_;
    Array<const std::uint8_t> are_far_;
    Array<const float> log_peaks_, to_levels_;
    Array<const std::int8_t> factors_;
    Array<const std::int32_t> starts_;
    Array<const float> columns_, inverses_;
};

}  // namespace
}  // namespace classicvision

using namespace classicvision;

PyObject* method_mixture_panel(PyObject*, PyObject*) {
    return guarded([] { return PyLong_FromLong(kernels().mixture_panel()); });
}

PyObject* method_mixture_most_factor(PyObject*, PyObject*) {
    return guarded([] { return PyLong_FromLong(kernels().mixture_most_factor()); });
}

PyObject* method_project_points(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *bytes_object, *basis_object, *steps_object, *offset_object, *points_object;
        int are_roots;
        Py_ssize_t n_out;
        if (!PyArg_ParseTuple(arguments, "OpOOOnO", &bytes_object, &are_roots, &basis_object, &steps_object,
                              &offset_object, &n_out, &points_object)) {
            return nullptr;
        }
        const Array<const std::uint8_t> bytes(bytes_object, "descriptors", 2);
        const Array<const std::int16_t> basis(basis_object, "basis", 3);
        const Array<const float> steps(steps_object, "steps", 1), offset(offset_object, "offset", 1);
        const Array<float> points(points_object, "points", 2);
        const std::size_t n_padded = basis.size(1);
        const std::size_t lanes = static_cast<std::size_t>(kernels().lanes());
        require(1 <= bytes.size(1) && bytes.size(1) <= MOST_DESCRIPTOR_BYTES,
                "descriptors must have from 1 to 1024 dimensions");
        require(n_padded > 0 && n_padded % lanes == 0, "basis must be padded to whole vectors");
        basis.require(0, padded(bytes.size(1), 2 * lanes) / 2);
        basis.require(2, 2);
        steps.require(0, n_padded);
        offset.require(0, n_padded);
        points.require(0, bytes.size(0));
        require(n_out >= 0 && static_cast<std::size_t>(n_out) <= n_padded &&
                    static_cast<std::size_t>(n_out) <= points.size(1),
                "points have no room for the projections");
        {
            const WithoutLock others_run;
            kernels().project_points({bytes.data(), bytes.size(0), bytes.size(1), are_roots != 0, basis.data(),
                                      basis.size(0), n_padded, steps.data(), offset.data(), points.data(),
                                      static_cast<std::size_t>(n_out), points.size(1)});
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_add_moments(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *points_object, *arrays[9], *sums[3];
        double least_share;
        if (!PyArg_ParseTuple(arguments, "OOOOOOOOOOdOOO", &points_object, &arrays[0], &arrays[1], &arrays[2],
                              &arrays[3], &arrays[4], &arrays[5], &arrays[6], &arrays[7], &arrays[8], &least_share,
                              &sums[0], &sums[1], &sums[2])) {
            return nullptr;
        }
        const Array<const float> points(points_object, "points", 2);
        const MixtureArrays held(arrays);
        const Mixture mixture = held.checked(points.size(1));
        const Array<double> zeroth(sums[0], "zeroth", 1), first(sums[1], "first", 2), second(sums[2], "second", 2);
        zeroth.require(0, mixture.n_components);
        first.require(0, mixture.n_components), first.require(1, mixture.n_dims);
        second.require(0, mixture.n_components), second.require(1, mixture.n_dims);
        require(1e-30 <= least_share && least_share <= 1, "least_share must be from 1e-30 to 1");
        double log_likelihood;
        {
            thread_local Arena arena;  // working memory of this thread, kept for its next points
            const WithoutLock others_run;
            log_likelihood = kernels().add_moments({mixture, points.data(), points.size(0),
                                                    static_cast<float>(least_share),
                                                    static_cast<float>(std::log(least_share)), zeroth.data(),
                                                    first.data(), second.data()},
                                                   arena);
        }
        return PyFloat_FromDouble(log_likelihood);
    });
}
