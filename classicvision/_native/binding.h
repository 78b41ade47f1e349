// What the bind_*.cpp files share: arrays through the buffer protocol, errors, and the interpreter's lock.
//
// A method checks every array (item type, dimensions, contiguity, length) before a pointer is taken, releases the
// interpreter's lock while a kernel runs, and lets no C++ exception escape.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "arena.h"

namespace classicvision {

// A Python error is already set.
struct PythonErrorSet {};

// The format letters of the buffer protocol for the item types that kernels take.
template <typename T>
struct Format;
template <>
struct Format<std::int8_t> {
    static constexpr const char* LETTERS = "b";
};
template <>
struct Format<std::uint8_t> {
    static constexpr const char* LETTERS = "B";
};
template <>
struct Format<std::uint16_t> {
    static constexpr const char* LETTERS = "H";
};
template <>
struct Format<std::int16_t> {
    static constexpr const char* LETTERS = "h";
};
template <>
struct Format<std::int32_t> {
    static constexpr const char* LETTERS = "il";
};
template <>
struct Format<std::int64_t> {
    static constexpr const char* LETTERS = "lq";
};
template <>
struct Format<float> {
    static constexpr const char* LETTERS = "f";
};
template <>
struct Format<double> {
    static constexpr const char* LETTERS = "d";
};

// A C-contiguous array of T with a fixed number of dimensions, held until the end of its scope. T is const for a
// read-only array.
template <typename T>
class Array {
public:
    Array(PyObject* object, const char* name, int n_dimensions) : name_(name) {
        const int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (std::is_const<T>::value ? 0 : PyBUF_WRITABLE);
        if (PyObject_GetBuffer(object, &view_, flags)) throw PythonErrorSet();
        if (view_.ndim != n_dimensions)
            refuse("has " + std::to_string(view_.ndim) + " dimensions; expected " + std::to_string(n_dimensions));
        if (view_.itemsize != sizeof(T) || !is_format_good()) {
            refuse("has items of format '" + std::string(view_.format ? view_.format : "B") + "'; expected one of '" +
                   Format<Item>::LETTERS + "'");
        }
    }
    ~Array() { PyBuffer_Release(&view_); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;

    T* data() const { return static_cast<T*>(view_.buf); }
    std::size_t size(int dimension) const { return static_cast<std::size_t>(view_.shape[dimension]); }

    // Throw unless one dimension has this length.
    void require(int dimension, std::size_t length) const {
        if (size(dimension) == length) return;
        throw std::invalid_argument(std::string(name_) + " has length " + std::to_string(size(dimension)) +
                                    " along axis " + std::to_string(dimension) + "; expected " +
                                    std::to_string(length));
    }

private:
    using Item = std::remove_const_t<T>;

    bool is_format_good() const {
        const std::string format = view_.format ? view_.format : "B";
        return format.size() == 1 && std::string(Format<Item>::LETTERS).find(format) != std::string::npos;
    }

    // The destructor does not run for an object whose constructor throws.
    [[noreturn]] void refuse(const std::string& reason) {
        PyBuffer_Release(&view_);
        throw std::invalid_argument(std::string(name_) + " " + reason);
    }

    const char* name_;
    Py_buffer view_{};
};

// Releases the interpreter's lock until the end of the scope.
class WithoutLock {
public:
    WithoutLock() : state_(PyEval_SaveThread()) {}
    ~WithoutLock() { PyEval_RestoreThread(state_); }
    WithoutLock(const WithoutLock&) = delete;
    WithoutLock& operator=(const WithoutLock&) = delete;

private:
    PyThreadState* state_;
};

// Throw, with a message for the user, unless a fact holds.
inline void require(bool fact, const char* message) {
    if (!fact) throw std::invalid_argument(message);
}

// Take the arguments of a method, as PyArg_ParseTuple does.
template <typename... Targets>
void parse(PyObject* arguments, const char* format, Targets*... targets) {
    if (!PyArg_ParseTuple(arguments, format, targets...)) throw PythonErrorSet();
}

// The working memory of this thread, kept for its next call.
inline Arena& arena_of_thread() {
    thread_local Arena arena;
    return arena;
}

// Return what `body` returns; a C++ exception becomes a Python error.
template <typename Body>
PyObject* guarded(Body body) noexcept {
    try {
        return body();
    } catch (const PythonErrorSet&) {
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::length_error&) {
        PyErr_NoMemory();
    } catch (const std::invalid_argument& error) {
        PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

}  // namespace classicvision
