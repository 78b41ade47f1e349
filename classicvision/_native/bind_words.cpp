// Nearest words and means for Python: all lengths are checked here.
#include <memory>

#include "binding.h"
#include "kernels.h"
#include "words.h"

namespace classicvision {
namespace {

void require(bool fact, const char* message) {
    if (!fact) throw std::invalid_argument(message);
}

void require_sizes(std::size_t n_words, std::size_t n_dims) {
    require(1 <= n_words && n_words <= MOST_WORDS, "words must be from 1 to 2^24");
    require(1 <= n_dims && n_dims <= MOST_DIMENSIONS, "words must have from 1 to 1024 dimensions");
}

// Take words (K, D) and the bytes of their table.
template <typename Bytes>
WordTable table_of(const Array<const float>& words, const Array<Bytes>& bytes) {
    require_sizes(words.size(0), words.size(1));
    bytes.require(0, kernels().words_table_size(words.size(0), words.size(1)));
    require(reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(double) == 0, "table must start at a multiple of 8");
    // A search only reads the table, a preparation has it writable.
    return {words.data(), words.size(0), words.size(1), const_cast<std::uint8_t*>(bytes.data())};
}

PyObject* search(PyObject* points_object, PyObject* words_object, PyObject* table_object, PyObject* indices_object,
                 PyObject* squared_object) {
    const Array<const float> points(points_object, "points", 2), words(words_object, "words", 2);
    const Array<const std::uint8_t> bytes(table_object, "table", 1);
    const Array<std::int32_t> indices(indices_object, "indices", 2);
    std::unique_ptr<Array<float>> squared;
    if (squared_object != Py_None) squared.reset(new Array<float>(squared_object, "squared_distances", 2));
    const WordTable table = table_of(words, bytes);
    points.require(1, table.n_dims);
    indices.require(0, points.size(0));
    const std::size_t m = indices.size(1);
    require(1 <= m && m <= MOST_NEAREST && m <= table.n_words, "m must be from 1 to 16 and to the number of words");
    if (squared) {
        squared->require(0, points.size(0));
        squared->require(1, m);
    }
    Search result;
    {
        WithoutLock others_run;
        result = kernels().nearest_words(
            {table, points.data(), points.size(0), m, indices.data(), squared ? squared->data() : nullptr});
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
        Py_ssize_t n_words, n_dims;
        if (!PyArg_ParseTuple(arguments, "nn", &n_words, &n_dims)) return nullptr;
        require(n_words >= 0 && n_dims >= 0, "sizes must not be negative");
        require_sizes(static_cast<std::size_t>(n_words), static_cast<std::size_t>(n_dims));
        return PyLong_FromSize_t(
            kernels().words_table_size(static_cast<std::size_t>(n_words), static_cast<std::size_t>(n_dims)));
    });
}

PyObject* method_prepare_words(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *words_object, *table_object;
        if (!PyArg_ParseTuple(arguments, "OO", &words_object, &table_object)) return nullptr;
        const Array<const float> words(words_object, "words", 2);
        const Array<std::uint8_t> bytes(table_object, "table", 1);
        const WordTable table = table_of(words, bytes);
        {
            WithoutLock others_run;
            kernels().prepare_words(table);
        }
        Py_RETURN_NONE;
    });
}

PyObject* method_nearest_words(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *points, *words, *table, *indices, *squared;
        if (!PyArg_ParseTuple(arguments, "OOOOO", &points, &words, &table, &indices, &squared)) return nullptr;
        return search(points, words, table, indices, squared);
    });
}

PyObject* method_add_points(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *points_object, *labels_object, *sums_object, *counts_object;
        if (!PyArg_ParseTuple(arguments, "OOOO", &points_object, &labels_object, &sums_object, &counts_object)) {
            return nullptr;
        }
        const Array<const float> points(points_object, "points", 2);
        const Array<const std::int32_t> labels(labels_object, "labels", 1);
        const Array<double> sums(sums_object, "sums", 2);
        const Array<std::int64_t> counts(counts_object, "counts", 1);
        labels.require(0, points.size(0));
        sums.require(1, points.size(1));
        counts.require(0, sums.size(0));
        {
            WithoutLock others_run;
            for (std::size_t i = 0; i < points.size(0); ++i) {
                const std::int32_t label = labels.data()[i];
                require(0 <= label && static_cast<std::size_t>(label) < sums.size(0), "a label names no word");
            }
            kernels().add_points({points.data(), points.size(0), points.size(1), labels.data(), sums.size(0),
                                  sums.data(), counts.data()});
        }
        Py_RETURN_NONE;
    });
}
