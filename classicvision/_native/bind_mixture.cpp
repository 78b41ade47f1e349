// Projections and mixtures for Python: all lengths are checked here.
#include <cmath>

#include "binding.h"
#include "kernels.h"
#include "mixture.h"

namespace classicvision {
namespace {

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
        return {n_components,      n_dims,         roots_.data(),     shifts_.data(),  are_far_.data(),
                log_peaks_.data(), n_padded,       to_levels_.data(), factors_.data(), n_columns / panel,
                n_quads,           starts_.data(), columns_.data(),   inverses[0],     inverses[1]};
    }

private:
    Array<const float> roots_, shifts_;
    Array<const std::uint8_t> are_far_;
    Array<const float> log_peaks_, to_levels_;
    Array<const std::int8_t> factors_;
    Array<const std::int32_t> starts_;
    Array<const float> columns_, inverses_;
};

// The arrays of a projection, held until the end of the scope.
class ProjectionArrays {
public:
    explicit ProjectionArrays(PyObject* const* objects)
        : levels_(objects[0], "levels", 1),
          basis_(objects[1], "basis", 3),
          steps_(objects[2], "steps", 1),
          offset_(objects[3], "offset", 1),
          scales_(objects[4], "scales", 1) {}

    Projection checked(std::size_t n_dims, bool are_roots, Py_ssize_t n_out) const {
        const std::size_t lanes = static_cast<std::size_t>(kernels().lanes());
        require(1 <= n_dims && n_dims <= MOST_DESCRIPTOR_BYTES, "descriptors must have from 1 to 1024 dimensions");
        require(1 <= n_out && static_cast<std::size_t>(n_out) + scales_.size(0) <= MOST_POINT_NUMBERS,
                "points must have from 1 to 1024 numbers");
        const std::size_t n_padded = padded(static_cast<std::size_t>(n_out), lanes);
        levels_.require(0, 256);
        basis_.require(0, padded(n_dims, 2 * lanes) / 2), basis_.require(1, n_padded), basis_.require(2, 2);
        steps_.require(0, n_padded);
        offset_.require(0, n_padded);
        return {n_dims,         levels_.data(), are_roots,
                basis_.data(),  basis_.size(0), n_padded,
                steps_.data(),  offset_.data(), static_cast<std::size_t>(n_out),
                scales_.data(), scales_.size(0)};
    }

private:
    Array<const std::int16_t> levels_, basis_;
    Array<const float> steps_, offset_, scales_;
};

// Descriptors and their places, held until the end of the scope.
class DescriptorArrays {
public:
    DescriptorArrays(PyObject* bytes, PyObject* places)
        : bytes_(bytes, "descriptors", 2), places_(places, "places", 2) {}

    std::size_t n_dims() const { return bytes_.size(1); }

    Descriptors checked(const Projection& projection) const {
        places_.require(0, bytes_.size(0)), places_.require(1, projection.n_places);
        return {bytes_.data(), places_.data(), bytes_.size(0)};
    }

private:
    Array<const std::uint8_t> bytes_;
    Array<const float> places_;
};

// The arrays that moments are added to, held until the end of the scope.
class SumArrays {
public:
    explicit SumArrays(PyObject* const* objects)
        : zeroth_(objects[0], "zeroth", 1), first_(objects[1], "first", 2), second_(objects[2], "second", 2) {}

    // Add the moments of the points under the mixture, and return the log likelihood.
    double add(AddMoments task, double least_share) const {
        const Mixture& mixture = task.mixture;
        zeroth_.require(0, mixture.n_components);
        first_.require(0, mixture.n_components), first_.require(1, mixture.n_dims);
        second_.require(0, mixture.n_components), second_.require(1, mixture.n_dims);
        require(1e-30 <= least_share && least_share <= 1, "least_share must be from 1e-30 to 1");
        task.least_share = static_cast<float>(least_share);
        task.log_least_share = static_cast<float>(std::log(least_share));
        task.zeroth = zeroth_.data(), task.first = first_.data(), task.second = second_.data();
        const WithoutLock without_lock;
        return kernels().add_moments(task, arena_of_thread());
    }

private:
    Array<double> zeroth_, first_, second_;
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
        PyObject *descriptors, *places, *arrays[5], *points_object;
        int are_roots;
        Py_ssize_t n_out;
        parse(arguments, "OO(OOOOOpn)O", &descriptors, &places, &arrays[0], &arrays[1], &arrays[2], &arrays[3],
              &arrays[4], &are_roots, &n_out, &points_object);
        const DescriptorArrays described(descriptors, places);
        const ProjectionArrays held(arrays);
        const Projection projection = held.checked(described.n_dims(), are_roots != 0, n_out);
        const Descriptors checked = described.checked(projection);
        const Array<float> points(points_object, "points", 2);
        points.require(0, checked.n), points.require(1, projection.n_numbers());
        {
            const WithoutLock without_lock;
            kernels().project_points({projection, checked, points.data()});
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_add_moments(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *points_object, *arrays[9], *sums[3];
        double least_share;
        parse(arguments, "O(OOOOOOOOO)dOOO", &points_object, &arrays[0], &arrays[1], &arrays[2], &arrays[3], &arrays[4],
              &arrays[5], &arrays[6], &arrays[7], &arrays[8], &least_share, &sums[0], &sums[1], &sums[2]);
        const Array<const float> points(points_object, "points", 2);
        const MixtureArrays held(arrays);
        AddMoments task{};
        task.mixture = held.checked(points.size(1));
        task.n_points = points.size(0);
        task.points = points.data();
        return PyFloat_FromDouble(SumArrays(sums).add(task, least_share));
    });
}

PyObject* method_add_descriptor_moments(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *descriptors, *places, *of_projection[5], *arrays[9], *sums[3];
        int are_roots;
        Py_ssize_t n_out;
        double least_share;
        parse(arguments, "OO(OOOOOpn)(OOOOOOOOO)dOOO", &descriptors, &places, &of_projection[0], &of_projection[1],
              &of_projection[2], &of_projection[3], &of_projection[4], &are_roots, &n_out, &arrays[0], &arrays[1],
              &arrays[2], &arrays[3], &arrays[4], &arrays[5], &arrays[6], &arrays[7], &arrays[8], &least_share,
              &sums[0], &sums[1], &sums[2]);
        const DescriptorArrays described(descriptors, places);
        const ProjectionArrays held_projection(of_projection);
        const MixtureArrays held(arrays);
        AddMoments task{};
        task.projection = held_projection.checked(described.n_dims(), are_roots != 0, n_out);
        task.descriptors = described.checked(task.projection);
        task.mixture = held.checked(task.projection.n_numbers());
        task.n_points = task.descriptors.n;
        return PyFloat_FromDouble(SumArrays(sums).add(task, least_share));
    });
}
