// Matching for Python: all lengths are checked here.
#include "binding.h"
#include "kernels.h"
#include "match.h"

namespace classicvision {
namespace {

// The two arrays of one direction, (n, 2) each.
struct Found {
    Array<std::int32_t> rows;
    Array<float> squared;

    Found(PyObject* rows_object, PyObject* squared_object, std::size_t n)
        : rows(rows_object, "rows", 2), squared(squared_object, "squared", 2) {
        rows.require(0, n);
        rows.require(1, 2);
        squared.require(0, n);
        squared.require(1, 2);
    }
    Neighbours neighbours() const { return {rows.data(), squared.data()}; }
};

}  // namespace
}  // namespace classicvision

using namespace classicvision;

PyObject* method_nearest_two(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *a_object, *b_object, *rows_a, *squared_a, *rows_b, *squared_b;
        parse(arguments, "OOOOOO", &a_object, &b_object, &rows_a, &squared_a, &rows_b, &squared_b);
        const Array<const std::uint8_t> a(a_object, "a", 2), b(b_object, "b", 2);
        b.require(1, a.size(1));
        require(a.size(1) <= MOST_MATCH_DIMENSIONS, "descriptors must have at most 256 numbers");
        require(a.size(0) < MOST_MATCHED && b.size(0) < MOST_MATCHED, "there must be fewer than 2^24 descriptors");
        const Found of_a(rows_a, squared_a, a.size(0)), of_b(rows_b, squared_b, b.size(0));
        {
            const WithoutLock without_lock;
            kernels().nearest_two(
                {a.data(), b.data(), a.size(0), b.size(0), a.size(1), of_a.neighbours(), of_b.neighbours()},
                arena_of_thread());
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_root_bytes(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *descriptors_object, *roots_object;
        parse(arguments, "OO", &descriptors_object, &roots_object);
        const Array<const std::uint8_t> descriptors(descriptors_object, "descriptors", 2);
        const Array<std::uint8_t> roots(roots_object, "roots", 2);
        roots.require(0, descriptors.size(0));
        roots.require(1, descriptors.size(1));
        require(descriptors.size(1) <= MOST_MATCHED, "descriptors must have at most 2^24 numbers");
        {
            const WithoutLock without_lock;
            kernels().root_bytes({descriptors.data(), descriptors.size(0), descriptors.size(1), roots.data()});
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_count_agreeing(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *columns_object, *log_scale_object, *counts_object;
        float tip, cone, least_cosine, most_log_scale;
        parse(arguments, "OOffffO", &columns_object, &log_scale_object, &tip, &cone, &least_cosine, &most_log_scale,
              &counts_object);
        const Array<const float> columns(columns_object, "columns", 2), log_scale(log_scale_object, "log_scale", 1);
        const Array<std::int32_t> counts(counts_object, "counts", 1);
        columns.require(0, 8);
        columns.require(1, counts.size(0));
        log_scale.require(0, counts.size(0));
        {
            const WithoutLock without_lock;
            kernels().count_agreeing({columns.data(), log_scale.data(), counts.size(0), tip, cone, least_cosine,
                                      most_log_scale, counts.data()},
                                     arena_of_thread());
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_fit_homography(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *a_object, *b_object, *h_object;
        int n_steps;
        double settled;
        parse(arguments, "OOidO", &a_object, &b_object, &n_steps, &settled, &h_object);
        const Array<const double> a(a_object, "a", 2), b(b_object, "b", 2);
        const Array<double> h(h_object, "h", 2);
        a.require(1, 2);
        b.require(0, a.size(0));
        b.require(1, 2);
        h.require(0, 3);
        h.require(1, 3);
        require(a.size(0) > 0, "there must be points to fit to");
        {
            const WithoutLock without_lock;
            kernels().fit_homography({a.data(), b.data(), a.size(0), n_steps, settled, h.data()});
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_find_moments(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *a_object, *b_object, *moments_object;
        parse(arguments, "OOO", &a_object, &b_object, &moments_object);
        const Array<const double> a(a_object, "a", 2), b(b_object, "b", 2);
        const Array<double> moments(moments_object, "moments", 2);
        a.require(1, 2);
        b.require(0, a.size(0));
        b.require(1, 2);
        moments.require(0, 6);
        moments.require(1, 2);
        require(a.size(0) > 0, "there must be points to fit to");
        {
            const WithoutLock without_lock;
            kernels().find_moments({a.data(), b.data(), a.size(0), moments.data()});
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_find_errors(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *from_object, *to_object, *turn_object, *ratio_object, *h_object, *errors_object;
        double turn, most_turn, ratio, most_ratio;
        parse(arguments, "OOOOOddddO", &from_object, &to_object, &turn_object, &ratio_object, &h_object, &turn,
              &most_turn, &ratio, &most_ratio, &errors_object);
        const Array<const double> from(from_object, "from", 2), to(to_object, "to", 2);
        const Array<const double> turns(turn_object, "turn", 1), ratios(ratio_object, "log_ratio", 1);
        const Array<const double> h(h_object, "transform", 2);
        const Array<double> errors(errors_object, "errors", 1);
        const std::size_t n = errors.size(0);
        for (const Array<const double>* points : {&from, &to}) {
            points->require(0, n);
            points->require(1, 2);
        }
        turns.require(0, n);
        ratios.require(0, n);
        h.require(0, 3);
        h.require(1, 3);
        {
            const WithoutLock without_lock;
            kernels().find_errors({from.data(),
                                   to.data(),
                                   turns.data(),
                                   ratios.data(),
                                   n,
                                   {h.data(), turn, most_turn, ratio, most_ratio},
                                   errors.data()});
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_count_paired(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *a_object, *b_object, *angle_object, *scale_object, *shifts_object, *h_object;
        PyObject *tolerances_object, *counts_object;
        int from_b;
        double turn, most_turn, ratio, most_ratio;
        parse(arguments, "OOOOOpOddddOO", &a_object, &b_object, &angle_object, &scale_object, &shifts_object, &from_b,
              &h_object, &turn, &most_turn, &ratio, &most_ratio, &tolerances_object, &counts_object);
        const Array<const double> a(a_object, "a", 2), b(b_object, "b", 2);
        const Array<const double> angle(angle_object, "angle", 2), log_scale(scale_object, "log_scale", 2);
        const Array<const std::int32_t> shifts(shifts_object, "shifts", 1);
        const Array<const double> h(h_object, "transform", 2), tolerances(tolerances_object, "tolerances", 1);
        const Array<std::int64_t> counts(counts_object, "counts", 1);
        const std::size_t n = a.size(0);
        b.require(0, n);
        for (const Array<const double>* points : {&a, &b}) points->require(1, 2);
        for (const Array<const double>* frames : {&angle, &log_scale}) {
            frames->require(0, 2);
            frames->require(1, n);
        }
        h.require(0, 3);
        h.require(1, 3);
        counts.require(0, tolerances.size(0));
        for (std::size_t i = 0; i < shifts.size(0); ++i) require(shifts.data()[i] >= 0, "shifts must be at least 0");
        require(n > 0, "there must be matches to pair again");
        {
            const WithoutLock without_lock;
            kernels().count_paired({a.data(),
                                    b.data(),
                                    angle.data(),
                                    log_scale.data(),
                                    n,
                                    shifts.data(),
                                    shifts.size(0),
                                    from_b != 0,
                                    {h.data(), turn, most_turn, ratio, most_ratio},
                                    tolerances.data(),
                                    tolerances.size(0),
                                    counts.data()});
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_count_places(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *errors_object, *places_object, *tolerances_object, *counts_object;
        parse(arguments, "OOOO", &errors_object, &places_object, &tolerances_object, &counts_object);
        const Array<const double> errors(errors_object, "errors", 1), tolerances(tolerances_object, "tolerances", 1);
        const Array<const std::int32_t> places(places_object, "places", 1);
        const Array<std::int32_t> counts(counts_object, "counts", 1);
        const std::size_t n = errors.size(0);
        places.require(0, n);
        counts.require(0, tolerances.size(0));
        for (std::size_t i = 0; i < n; ++i) {
            require(places.data()[i] >= 0 && static_cast<std::size_t>(places.data()[i]) < n,
                    "places must be numbered from 0, below the number of matches");
        }
        {
            const WithoutLock without_lock;
            kernels().count_places(
                {errors.data(), places.data(), n, tolerances.data(), tolerances.size(0), counts.data()},
                arena_of_thread());
        }
        Py_RETURN_NONE;
    });
}
