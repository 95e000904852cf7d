# Every target sets up all it needs first: Debian packages (as root; else it prints the command), a virtual
# environment in .venv, and this project in it.

SHELL  := /bin/sh
VENV   ?= .venv
PY     := $(VENV)/bin/python
export SCANOUT_VENV := $(VENV)

WINDOW_PACKAGES := libgl1 libegl1 libgl1-mesa-dri libfreetype6 libfontconfig1
TEST_PACKAGES   := libpixman-1-0 linux-libc-dev patch
REAL_PACKAGES   := $(TEST_PACKAGES) $(WINDOW_PACKAGES) gcc libc6-dev libdrm-dev libdrm-tests xvfb xdotool \
                   x11-apps qemu-system-x86 qemu-system-gui mmdebstrap uidmap chromium
KERNEL_PACKAGES := gcc libc6-dev make flex bison bc patch xz-utils binutils

# The UML kernel: $SCANOUT_UML_KERNEL, else the one built before, else one built now.
KERNEL = $(VENV)/bin/scanout kernel path >/dev/null 2>&1 || \
         { .ci/setup test,window $(KERNEL_PACKAGES) && $(VENV)/bin/scanout kernel build; }

# All targets together; the inputs that reach something are kept in build/fuzz.
SECONDS ?= 60

.PHONY: demo test test-real test-igt test-examples fuzz check docs bench clean help

help:
	@echo "make demo       see it: simulated guests on a screen (a window where there is a display, else demo.png)"
	@echo "make test       the tests"
	@echo "make test-real  real guests: a UML kernel, QEMU, real windows"
	@echo "make test-igt   IGT's tests of DRM and KMS in a UML kernel, with what is expected of them"
	@echo "make test-examples  the example projects, with the built wheel in an environment of their own"
	@echo "make fuzz       hostile inputs, guided by coverage, for SECONDS=60 (RUNS=1000 for each target: repeatable)"
	@echo "make check      types, style, architecture, coverage of virtio/, the wheel"
	@echo "make docs       the documents, into build/docs; a warning is an error"
	@echo "make bench      the benchmarks, each against its peer"

demo:
	@.ci/setup window $(if $(DISPLAY)$(WAYLAND_DISPLAY),$(WINDOW_PACKAGES))
	@$(VENV)/bin/scanout demo $(DEMO)

test:
	@.ci/setup test $(TEST_PACKAGES)
	$(PY) -m pytest -n auto $(PYTEST)

test-real:
	@.ci/setup test,window $(REAL_PACKAGES)
	@$(KERNEL)
	$(PY) -m pytest -m real $(PYTEST)

test-igt:
	@.ci/setup test $(TEST_PACKAGES) gcc libc6-dev mmdebstrap
	@$(KERNEL)
	SCANOUT_IGT_ROOT=$$(.ci/igt-root) $(PY) -m pytest -m "real or not real" tests/igt $(PYTEST)

test-examples:
	@.ci/setup check $(REAL_PACKAGES)
	.ci/examples $(VENV) $(PYTEST)

fuzz:
	@.ci/setup test,fuzz
	$(PY) -m pytest -q tests/fuzz
	$(PY) -m tests.fuzz $(if $(RUNS),--runs $(RUNS),--seconds $(SECONDS)) $(FUZZ)

check:
	@.ci/setup test,window,check
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	for example in tests/examples/*-author; do \
	    (cd $$example && MYPYPATH=$(CURDIR) $(abspath $(VENV))/bin/mypy --config-file $(CURDIR)/pyproject.toml .) || exit; done
	$(PY) -m pytest -q tests/test_public_names.py
	$(PY) -m coverage run --source=virtio -m pytest -q tests/virtio
	$(PY) -m coverage report --fail-under=95
	.ci/wheel $(VENV)

docs:
	@.ci/setup docs
	$(VENV)/bin/sphinx-build -W --keep-going -E -q -b html docs build/docs
	@echo "docs: read build/docs/index.html"

bench:
	@.ci/setup window $(REAL_PACKAGES)
	$(VENV)/bin/scanout bench $(BENCH)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .coverage demo.png
