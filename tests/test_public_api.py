"""The public names."""

import subprocess
import sys

import pytest

import classicvision

HEAVY = ("cv2", "sklearn", "matplotlib", "skimage", "joblib", "PIL", "jinja2", "tifffile")


@pytest.mark.parametrize("name", classicvision.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    value = getattr(classicvision, name)
    if callable(value):
        assert value.__doc__


def test_the_list_of_names_is_sorted_as_ruff_sorts_it_and_has_no_repeats():
    names = classicvision.__all__
    assert len(set(names)) == len(names)
    assert set(classicvision._MODULE_OF) | set(classicvision._MODULES) | {"__version__"} == set(names)
    assert dir(classicvision) == sorted(names)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Surf'"):
        classicvision.Surf  # noqa: B018


def test_help_loads_nothing_heavy_not_even_numpy():
    code = (
        "import sys; from classicvision.cli import cli;"
        "cli.main(['--help'], standalone_mode=False);"
        f"sys.exit(any(m in sys.modules for m in {(*HEAVY, 'numpy')!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
