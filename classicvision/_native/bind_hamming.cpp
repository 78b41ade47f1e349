// The search of postings for Python. Lengths, words and offsets are checked here.
#include <vector>

#include "binding.h"
#include "image_votes.h"
#include "kernels.h"

namespace classicvision {
namespace {

struct Found {
    std::vector<std::int64_t> postings;
    std::vector<std::int32_t> queries;
    std::vector<std::uint8_t> distances;
};

void add(void* list, std::int64_t posting, std::int32_t query, std::uint8_t distance) {
    Found& found = *static_cast<Found*>(list);
    found.postings.push_back(posting);
    found.queries.push_back(query);
    found.distances.push_back(distance);
}

// Offsets come from a file. Only the lists that the query needs are checked: they must lie within the signatures.
void require_lists(const HammingSearch& search, std::size_t n_words, std::size_t n_postings) {
    for (std::size_t i = 0; i < search.n_queries; ++i) {
        const std::int32_t word = search.words[i];
        if (word < 0 || static_cast<std::size_t>(word) >= n_words) throw std::invalid_argument("a word has no list");
        const std::int64_t begin = search.offsets[word], end = search.offsets[word + 1];
        if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > n_postings) {
            throw std::invalid_argument("the list of a word lies outside the postings");
        }
    }
}

template <typename T>
PyObject* bytes_of(const std::vector<T>& values) {
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(values.data()),
                                     static_cast<Py_ssize_t>(values.size() * sizeof(T)));
}

PyObject* search_postings(PyObject* offsets_object, PyObject* signatures_object, PyObject* words_object,
                          PyObject* queries_object, int limit) {
    const Array<const std::int64_t> offsets(offsets_object, "offsets", 1);
    const Array<const std::int64_t> signatures(signatures_object, "signatures", 1);
    const Array<const std::int32_t> words(words_object, "words", 1);
    const Array<const std::int64_t> queries(queries_object, "queries", 1);
    if (offsets.size(0) < 1) throw std::invalid_argument("offsets must have at least one item");
    queries.require(0, words.size(0));
    const HammingSearch search{offsets.data(), signatures.data(), words.data(), queries.data(), words.size(0), limit};
    Found found;
    {
        const WithoutLock without_lock;
        require_lists(search, offsets.size(0) - 1, signatures.size(0));
        kernels().find_near_postings(search, {&found, add});
    }
    return Py_BuildValue("(NNN)", bytes_of(found.postings), bytes_of(found.queries), bytes_of(found.distances));
}

// Arrays of postings, and of a query's keypoints; `largest` is written.
PyObject* search_votes(PyObject* const (&objects)[11], int limit) {
    const Array<const std::int64_t> offsets(objects[0], "offsets", 1);
    const Array<const std::int64_t> signatures(objects[1], "signatures", 1);
    const Array<const std::uint16_t> rows(objects[2], "rows", 1);
    const Array<const std::uint8_t> angles(objects[3], "angles", 1);
    const Array<const std::uint8_t> scales(objects[4], "scales", 1);
    const Array<const std::int32_t> words(objects[5], "words", 1);
    const Array<const std::int64_t> queries(objects[6], "queries", 1);
    const Array<const std::uint8_t> query_angles(objects[7], "query_angles", 1);
    const Array<const std::uint8_t> query_scales(objects[8], "query_scales", 1);
    const Array<const float> weights(objects[9], "weights", 1);
    const Array<double> largest(objects[10], "largest", 1);
    if (offsets.size(0) < 1) throw std::invalid_argument("offsets must have at least one item");
    rows.require(0, signatures.size(0));
    angles.require(0, signatures.size(0));
    scales.require(0, signatures.size(0));
    queries.require(0, words.size(0));
    query_angles.require(0, words.size(0));
    query_scales.require(0, words.size(0));
    weights.require(0, words.size(0));
    const HammingSearch near{offsets.data(), signatures.data(), words.data(), queries.data(), words.size(0), limit};
    const VoteSearch search{near,           rows.data(),         angles.data(),
                            scales.data(),  query_angles.data(), query_scales.data(),
                            weights.data(), largest.size(0)};
    {
        const WithoutLock without_lock;
        require_lists(near, offsets.size(0) - 1, signatures.size(0));
        if (!find_largest_agreements(search, largest.data())) {
            throw std::invalid_argument("a posting names no image");
        }
    }
    Py_RETURN_NONE;
}

}  // namespace
}  // namespace classicvision

using namespace classicvision;

PyObject* method_find_near_postings(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject *offsets, *signatures, *words, *queries;
        int limit;
        parse(arguments, "OOOOi", &offsets, &signatures, &words, &queries, &limit);
        return search_postings(offsets, signatures, words, queries, limit);
    });
}

PyObject* method_find_largest_agreements(PyObject*, PyObject* arguments) {
    return guarded([&]() -> PyObject* {
        PyObject* of[11];
        int limit;
        parse(arguments, "OOOOOOOOOOOi", &of[0], &of[1], &of[2], &of[3], &of[4], &of[5], &of[6], &of[7], &of[8], &of[9],
              &of[10], &limit);
        return search_votes(of, limit);
    });
}
