# Everything a developer runs. `make check` is what continuous integration holds a change to.

PYTHON ?= python

.PHONY: check kernels style types test coverage textures

check: style types test

# The compiled kernels, beside their sources.
kernels:
	$(PYTHON) setup.py -q build_ext --inplace

style:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest

coverage:
	$(PYTHON) -m pytest -n 2 --cov --cov-report=term

textures:
	$(PYTHON) data/make_textures.py
