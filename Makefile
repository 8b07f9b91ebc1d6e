# make ablation | study | tables | docs-tables | test | test-slow | test-processors | test-faults | lint | clean. Each sets up .venv by itself when it is missing, stale or half made.
# GNU make 3.81 (macOS) is enough. Another Python: make PYTHON=python3.12 ablation
# Another torch than the pinned one: make TORCH=cpu, PyTorch's CPU build; make TORCH=existing, that of PYTHON. A .venv keeps
# to the one that it was made with: make clean before another.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TORCH ?= $(or $(shell cat $(READY) 2>/dev/null),pinned)

# pip where torch is that of PYTHON, whose packages uv does not see.
UV := $(if $(filter existing,$(TORCH)),,$(shell command -v uv 2>/dev/null))
INSTALL := $(if $(UV),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install)
SIZE_pinned := on Linux with an x86-64 processor 3.4 GB to download and 7 GB on disk, most of it CUDA's libraries
SIZE_cpu := PyTorch's CPU build from download.pytorch.org, without CUDA's libraries
SIZE_existing := what $(PYTHON) lacks of the packages, beside its torch
VENV_existing := --system-site-packages
FIRST_cpu = $(INSTALL) --constraint constraints.txt --index-url https://download.pytorch.org/whl/cpu torch torchvision
FIRST_existing = $(BIN)/python -c 'import torch, torchvision; print("torch", torch.__version__)' 2>/dev/null || { \
  echo "TORCH=existing: $(PYTHON) has no torch and torchvision, or is a .venv itself; in that, pip install '.[dev]'"; exit 1; }

# What another processor's libraries would choose, as far as this one can be told to, and sums in another order (see
# tests/conftest.py). On processors that do not know a setting it changes nothing.
PROCESSORS := MKL_CBWR=COMPATIBLE MKL_CBWR=AVX2 MKL_CBWR=AVX512 ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=default OTHER_KERNELS=1
NUMERICAL := -k 'not damage' $(wildcard tests/pivl/test_*.py tests/pivl/towers/test_*.py) \
  tests/pivl/stages tests/pivl/evaluation tests/pivl/verification \
  tests/pivl/data/augmentation tests/pivl/data/part_maps tests/pivl/parsers/test_schp.py tests/pivl/synthped/pretraining \
  tests/harness/experiment/test_precision.py tests/harness/analysis/test_comparison_transfer.py

DOCUMENTS := README.md CHANGELOG.md CONTRIBUTING.md docs $(wildcard */README.md)

.PHONY: ablation study tables docs-tables test test-slow test-processors test-faults lint clean
.DELETE_ON_ERROR:

ablation: $(READY)
	$(BIN)/pivl-bench run ablation $(ARGS)

study: $(READY)
	$(BIN)/pivl-bench run ablation --preset long $(ARGS)

tables: $(READY)
	$(BIN)/pivl-bench run all $(ARGS)

# The tables and the picture of README and docs, from results/reference.
docs-tables: $(READY)
	$(BIN)/python -m harness.report.documents.refresh

# Two processes, each taking whole files in their order (the long ones of harness/cli come early); ARGS="-n 0" for a debugger.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(READY) test-processors
	$(BIN)/python -m pytest -m "slow and not gpu" $(ARGS)

test-processors: $(READY)
	@failed=; for processor in $(PROCESSORS); do for threads in 1 2; do \
	  echo "$$processor, threads: $$threads"; \
	  env $$processor TEST_THREADS=$$threads $(BIN)/python -m pytest -q $(NUMERICAL) $(ARGS) || failed="$$failed $$processor/$$threads"; \
	done; done; test -z "$$failed" || { echo "failed with:$$failed"; exit 1; }

test-faults: $(READY)
	$(BIN)/python -m pytest -m slow tests/end_to_end/test_faults_*.py $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell $(DOCUMENTS)
	$(BIN)/python -m pytest -q tests/repository/test_docs.py -k "link or lines"

clean:
	rm -rf .venv build *.egg-info .ruff_cache .mypy_cache .pytest_cache
	find pivl studies harness tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is the last thing written: without it the folder is half made and built from nothing; with an older one
# than the files below, pip brings it up to date.
$(READY): setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  echo "pivl-bench needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is none: try make PYTHON=python3.12"; exit 1; }
	@test -n "$(SIZE_$(TORCH))" || { echo "TORCH=$(TORCH): it can be pinned, cpu or existing"; exit 1; }
	@echo "setting up .venv, once, some minutes: $(SIZE_$(TORCH))"
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV_$(TORCH)) .venv
	@rm -f $@
	$(FIRST_$(TORCH))
	@grep -v $(if $(filter existing,$(TORCH)),'^torch','^#') constraints.txt > .venv/constraints.txt
	$(INSTALL) --constraint .venv/constraints.txt --editable '.[dev]'
	@echo $(TORCH) > $@
