// Nearest words and means for Python: all lengths are checked here.
#include <cmath>
#include <memory>

#include "binding.h"
#include "kernels.h"
#include "words.h"

namespace classicvision {
namespace {

void require_sizes(std::size_t n_words, std::size_t n_dims, std::size_t n_kept) {
    require(1 <= n_words && n_words <= MOST_WORDS, "words must be from 1 to 2^24");
    require(1 <= n_dims && n_dims <= MOST_DIMENSIONS, "words must have from 1 to 1024 dimensions");
    require(1 <= n_kept && n_kept <= n_dims, "n_kept must be from 1 to the number of dimensions");
}

// Points of float32 or uint8, checked and held until the end of the scope.
class PointsArray {
public:
    PointsArray(PyObject* object, bool are_roots) {
        if (holds_bytes(object)) {
            bytes_.reset(new Array<const std::uint8_t>(object, "points", 2));
        } else {
            require(!are_roots, "RootSIFT is taken of points in uint8");
            floats_.reset(new Array<const float>(object, "points", 2));
        }
        are_roots_ = are_roots;
    }

    Points points() const {
        if (floats_) return {Points::Kind::FLOATS, floats_->data(), floats_->size(0), floats_->size(1)};
        const Points::Kind kind = are_roots_ ? Points::Kind::ROOTS : Points::Kind::BYTES;
        return {kind, bytes_->data(), bytes_->size(0), bytes_->size(1)};
    }

    void require_width(std::size_t n_dims) const {
        if (floats_) floats_->require(1, n_dims);
        if (bytes_) bytes_->require(1, n_dims);
    }

private:
    static bool holds_bytes(PyObject* object) {
        Py_buffer view;
        if (PyObject_GetBuffer(object, &view, PyBUF_FORMAT | PyBUF_STRIDES)) throw PythonErrorSet();
        const bool result = !view.format || std::string(view.format) == "B";
        PyBuffer_Release(&view);
        return result;
    }

    std::unique_ptr<Array<const float>> floats_;
    std::unique_ptr<Array<const std::uint8_t>> bytes_;
    bool are_roots_ = false;
};

// Take words (K, D) and the bytes of their table.
template <typename Bytes>
WordTable table_of(const Array<const float>& words, std::size_t n_kept, const Array<Bytes>& bytes) {
    require_sizes(words.size(0), words.size(1), n_kept);
    bytes.require(0, kernels().words_table_size(words.size(0), words.size(1), n_kept));
    require(reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(double) == 0,
            "table must start at a multiple of 8");
    // A search only reads the table; `prepare_words` has it writable.
    return {words.data(), words.size(0), words.size(1), nullptr, n_kept, const_cast<std::uint8_t*>(bytes.data())};
}

PyObject* search(const PointsArray& points, PyObject* words_object, std::size_t n_kept, PyObject* table_object,
                 PyObject* indices_object, PyObject* squared_object) {
    const Array<const float> words(words_object, "words", 2);
    const Array<const std::uint8_t> bytes(table_object, "table", 1);
    const Array<std::int32_t> indices(indices_object, "indices", 2);
    std::unique_ptr<Array<float>> squared;
    if (squared_object != Py_None) squared.reset(new Array<float>(squared_object, "squared_distances", 2));
    const WordTable table = table_of(words, n_kept, bytes);
    points.require_width(table.n_dims);
    indices.require(0, points.points().n_points);
    const std::size_t m = indices.size(1);
    require(1 <= m && m <= MOST_NEAREST && m <= table.n_words, "m must be from 1 to 16 and to the number of words");
    if (squared) {
        squared->require(0, indices.size(0));
        squared->require(1, m);
    }
    Search result;
    {
        const WithoutLock without_lock;
        result =
            kernels().nearest_words({table, points.points(), m, indices.data(), squared ? squared->data() : nullptr});
    }
    require(result != Search::NOT_FINITE, "descriptors hold numbers that are not finite, or not below 1e+15");
    require(result != Search::NOT_READY, "table was not made from these words by this instruction set");
    Py_RETURN_NONE;
}

}  // namespace
}  // namespace classicvision

using namespace classicvision;

PyObject* method_words_table_size(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        Py_ssize_t n_words, n_dims, n_kept;
        parse(arguments, "nnn", &n_words, &n_dims, &n_kept);
        require(n_words >= 0 && n_dims >= 0 && n_kept >= 0, "sizes must not be negative");
        const std::size_t sizes[] = {static_cast<std::size_t>(n_words), static_cast<std::size_t>(n_dims),
                                     static_cast<std::size_t>(n_kept)};
        require_sizes(sizes[0], sizes[1], sizes[2]);
        return PyLong_FromSize_t(kernels().words_table_size(sizes[0], sizes[1], sizes[2]));
    });
}

PyObject* method_prepare_words(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *words_object, *basis_object, *table_object;
        parse(arguments, "OOO", &words_object, &basis_object, &table_object);
        const Array<const float> words(words_object, "words", 2);
        std::unique_ptr<Array<const float>> basis;
        if (basis_object != Py_None) {
            basis.reset(new Array<const float>(basis_object, "basis", 2));
            basis->require(0, words.size(1));
            require(basis->size(1) < words.size(1), "basis must have fewer columns than rows");
            for (std::size_t i = 0; i < basis->size(0) * basis->size(1); ++i) {
                require(std::fabs(basis->data()[i]) <= 2, "basis must have columns of length 1");
            }
        }
        const Array<std::uint8_t> bytes(table_object, "table", 1);
        WordTable table = table_of(words, basis ? basis->size(1) : words.size(1), bytes);
        if (basis) table.basis = basis->data();
        {
            const WithoutLock without_lock;
            kernels().prepare_words(table);
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_nearest_words(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *points, *words, *table, *indices, *squared;
        int are_roots;
        Py_ssize_t n_kept;
        parse(arguments, "OpOnOOO", &points, &are_roots, &words, &n_kept, &table, &indices, &squared);
        require(n_kept >= 0, "sizes must not be negative");
        return search({points, are_roots != 0}, words, static_cast<std::size_t>(n_kept), table, indices, squared);
    });
}

PyObject* method_add_points(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *points_object, *labels_object, *sums_object, *counts_object;
        int are_roots;
        parse(arguments, "OpOOO", &points_object, &are_roots, &labels_object, &sums_object, &counts_object);
        const PointsArray held(points_object, are_roots != 0);
        const Points points = held.points();
        const Array<const std::int32_t> labels(labels_object, "labels", 1);
        const Array<double> sums(sums_object, "sums", 2);
        const Array<std::int64_t> counts(counts_object, "counts", 1);
        require(1 <= points.n_dims && points.n_dims <= MOST_DIMENSIONS, "points must have from 1 to 1024 dimensions");
        labels.require(0, points.n_points);
        sums.require(1, points.n_dims);
        counts.require(0, sums.size(0));
        {
            const WithoutLock without_lock;
            for (std::size_t i = 0; i < points.n_points; ++i) {
                const std::int32_t label = labels.data()[i];
                require(0 <= label && static_cast<std::size_t>(label) < sums.size(0), "a label names no word");
            }
            kernels().add_points({points, labels.data(), sums.size(0), sums.data(), counts.data()});
        }
        Py_RETURN_NONE;
    });
}
