# What a developer runs. `.ci/run` runs the same targets in empty environments.

PYTHON ?= python

.PHONY: check kernels sanitize style types test coverage docs dist image samples \
	release-notes release mutants

check: style types test

# The compiled kernels, next to their sources.
kernels:
	$(PYTHON) setup.py -q build_ext --inplace

# The tests of the kernels, and random input, in a separate build that stops at the first wrong access or overflow.
SANITIZER = -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1
SANITIZER_LIBRARIES = $(foreach name,asan ubsan stdc++,$(shell g++ -print-file-name=lib$(name).so))
SANITIZED = build/sanitize
FUZZ_ROUNDS ?= 1000
RUN_SANITIZED = cd $(SANITIZED) && ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(SANITIZER_LIBRARIES)"

sanitize:
	CLASSICVISION_CXXFLAGS="$(SANITIZER)" $(PYTHON) setup.py -q build -t build/sanitize-objects --build-lib $(SANITIZED)
	$(RUN_SANITIZED) $(PYTHON) -m pytest -q -p no:cacheprovider -c ../../setup.cfg --rootdir ../.. ../../tests/native
	$(RUN_SANITIZED) PYTHONPATH=. $(PYTHON) ../../tests/native/fuzz.py --rounds $(FUZZ_ROUNDS)

# The hooks of .pre-commit-config.yaml on every file that git knows. Some of them fix what they find, and fail once.
style:
	$(PYTHON) -m pre_commit run --all-files --show-diff-on-failure

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -n auto

coverage:
	$(PYTHON) -m pytest -n auto --cov --cov-report=term

# The site, in site/index.html. A warning is an error: a name without a page, a link to nowhere. Nothing is fetched.
docs:
	rm -rf docs/api  # the page of a name that is gone would stay
	$(PYTHON) -m sphinx -W --keep-going -q -E -b html docs site

# The source distribution, and the wheel that is built from it, in dist/.
dist:
	rm -rf dist
	$(PYTHON) -m build

# The container image, by docker or whatever builder CONTAINER names: podman, nerdctl.
CONTAINER ?= docker

image:
	$(CONTAINER) build --tag classicvision .

samples:
	$(PYTHON) data/make_textures.py
	$(PYTHON) data/make_copies.py

# The two halves of a release, which the tag TAG starts on GitHub: see .github/workflows/release.yml.
release-notes:
	$(PYTHON) .ci/release_notes.py $(TAG) > release-notes.md

release:
	gh release create $(TAG) --verify-tag --title "classicvision $(TAG:v%=%)" --notes-file dist/release-notes.md \
		dist/*.whl dist/*.tar.gz

# Changes in the code that no test sees: 300 of them, about an hour on two cores. Not a part of `check`.
mutants:
	$(PYTHON) tests/mutants.py
