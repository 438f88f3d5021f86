# `make demo` and `make test` each need only Python 3.11 or newer: they make .venv and install what
# constraints.txt pins. Another interpreter: `make test PYTHON=python3.12`.

PYTHON ?= python3
WORKERS ?= 2

BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: help demo test slow bench check lint types packaging pins clean

help:
	@echo "make demo       learn, score and inspect deep generative models on handwritten digits"
	@echo "make test       the test suite, doctests included"
	@echo "make slow       the tests that take minutes"
	@echo "make bench      milliseconds a training step: by hand, Pyro, NumPyro, dgmppl (half an hour)"
	@echo "make check      lint, format, types, direction of imports, packaging"
	@echo "make pins       write constraints.txt anew from a clean environment"
	@echo "make clean      remove caches and builds (not .venv)"

demo: $(INSTALLED)
	$(BIN)/dgmppl demo

test: $(INSTALLED)
	$(PYTEST) -n $(WORKERS) -q

slow: $(INSTALLED)
	$(PYTEST) -m slow || test $$? -eq 5 # 5: there are none

bench: $(INSTALLED)
	$(PIP) install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python tests/benchmarks/bench.py --folder tests/benchmarks

check: lint types packaging

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

packaging: $(INSTALLED)
	$(PYTEST) -q -m "packaging or not packaging" tests/test_imports.py tests/test_packaging.py

# torch comes first and alone, so that nothing else decides which torch it is.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Expected Python 3.11 or newer, got %d.%d. Try make PYTHON=python3.12." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what constraints.txt pins into .venv: once, for some minutes."
	$(PIP) install --constraint constraints.txt torch
	$(PIP) install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

# torch keeps the pin it has: change it by hand. Its accelerator's packages stay unpinned, for they
# are not on every index.
pins:
	rm -rf build/pins
	$(PYTHON) -m venv build/pins
	grep '^torch==' constraints.txt > build/pins/torch.txt
	build/pins/bin/pip install --quiet --constraint build/pins/torch.txt torch
	build/pins/bin/pip install --quiet --constraint build/pins/torch.txt ".[test,docs,bench,metrics]"
	build/pins/bin/pip freeze --all --exclude dgmppl --exclude pip > build/pins/freeze.txt
	sed -n '/^#/p' constraints.txt > build/pins/constraints.txt
	sed -E '/^(nvidia|cuda|triton)/d; s/\+[A-Za-z0-9.]+$$//' build/pins/freeze.txt >> build/pins/constraints.txt
	mv build/pins/constraints.txt constraints.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find dgmppl models tests tutorials -name __pycache__ -type d -prune -exec rm -rf {} +
