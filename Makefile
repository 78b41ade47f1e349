# Everything a developer runs; `.ci/run` does the same in empty environments.

PYTHON ?= python

.PHONY: check style types test coverage textures

check: style types test

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
