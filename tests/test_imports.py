"""What an import costs: each layer loads only the libraries that it needs, in a fresh interpreter."""

import subprocess
import sys

import pytest

LIBRARIES = {"PIL", "click", "cv2", "jinja2", "joblib", "matplotlib", "numpy", "onnxruntime", "skimage", "sklearn"}


def loaded_by(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return LIBRARIES & {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("module", "libraries"),
    [
        ("classicvision", set()),
        ("classicvision.errors", set()),
        ("classicvision.config", set()),
        ("classicvision.archive", {"numpy"}),
        ("classicvision.cache", {"numpy"}),
        ("classicvision.features.local", {"numpy"}),
        ("classicvision.cli", {"click"}),
    ],
)
def test_a_module_loads_only_these_libraries(module, libraries):
    assert loaded_by(module) == libraries


@pytest.mark.parametrize("module", ["classicvision.classify.classifier", "classicvision.workflows"])
def test_predicting_loads_no_library_that_only_training_and_plotting_need(module):
    assert loaded_by(module).isdisjoint({"jinja2", "matplotlib", "onnxruntime", "skimage", "sklearn"})
