// The extension module classicvision._native._kernels: its methods, and the two about the instruction set.
#include "binding.h"
#include "kernels.h"

#define CV_DECLARE(name) PyObject* method_##name(PyObject* module, PyObject* arguments);
CV_METHODS(CV_DECLARE)
#undef CV_DECLARE

using classicvision::guarded;
using classicvision::kernels;

PyObject* method_instruction_set(PyObject*, PyObject*) {
    return guarded([] { return PyUnicode_FromString(kernels().instruction_set); });
}

PyObject* method_lanes(PyObject*, PyObject*) {
    return guarded([] { return PyLong_FromLong(kernels().lanes()); });
}

namespace {

#define CV_ENTRY(name) {#name, method_##name, METH_VARARGS, nullptr},
PyMethodDef METHODS[] = {CV_METHODS(CV_ENTRY){nullptr, nullptr, 0, nullptr}};
#undef CV_ENTRY

// Choose the instruction set, so that one that cannot be had is an error of the import.
int execute(PyObject*) {
    PyObject* done = guarded([] {
        kernels();
        return PyLong_FromLong(0);
    });
    Py_XDECREF(done);
    return done ? 0 : -1;
}

PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)}, {0, nullptr}};
PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_kernels", nullptr, 0, METHODS, SLOTS, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__kernels() { return PyModuleDef_Init(&MODULE); }
