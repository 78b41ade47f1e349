# Everything a developer runs; `.ci/run` does the same in empty environments.

PYTHON ?= python

.PHONY: check kernels sanitize style types test coverage docs samples

check: style types test

# The compiled kernels, beside their sources.
kernels:
	$(PYTHON) setup.py -q build_ext --inplace

# The tests of the kernels, and random input, in a build of its own that stops at the first wrong access or overflow.
SANITIZER = -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1
SANITIZER_LIBRARIES = $(foreach name,asan ubsan stdc++,$(shell g++ -print-file-name=lib$(name).so))
SANITIZED = build/sanitize
FUZZ_ROUNDS ?= 1000
RUN_SANITIZED = cd $(SANITIZED) && ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(SANITIZER_LIBRARIES)"

sanitize:
	CLASSICVISION_CXXFLAGS="$(SANITIZER)" $(PYTHON) setup.py -q build -t build/sanitize-objects --build-lib $(SANITIZED)
	$(RUN_SANITIZED) $(PYTHON) -m pytest -q -p no:cacheprovider -c ../../setup.cfg --rootdir ../.. ../../tests/native
	$(RUN_SANITIZED) PYTHONPATH=. $(PYTHON) ../../tests/native/fuzz.py --rounds $(FUZZ_ROUNDS)

style:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest

coverage:
	$(PYTHON) -m pytest -n 2 --cov --cov-report=term

# The site, in site/index.html. A warning is an error: a name without a page, a link to nowhere. Nothing is fetched.
docs:
	rm -rf docs/api  # the page of a name that is gone would stay
	$(PYTHON) -m sphinx -W --keep-going -q -E -b html docs site

samples:
	$(PYTHON) data/make_textures.py
	$(PYTHON) data/make_copies.py
