# make ablation | tables | test | test-slow | test-faults | lint | clean. Each sets up .venv by itself when it is missing, stale or half made.
# GNU make 3.81 (macOS) is enough. Another Python: make PYTHON=python3.12 ablation

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: ablation tables test test-slow test-faults lint clean
.DELETE_ON_ERROR:

ablation: $(READY)
	$(BIN)/pivl-bench run ablation $(ARGS)

tables: $(READY)
	$(BIN)/pivl-bench run all $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not gpu" $(ARGS)

test-faults: $(READY)
	$(BIN)/python -m pytest -m slow tests/test_faults_*.py $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info .ruff_cache .mypy_cache .pytest_cache
	find pivl studies harness tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is the last thing written: without it the folder is half made and built from nothing; with an older one
# than the files below, pip brings it up to date.
$(READY): setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  echo "pivl-bench needs Python 3.11, 3.12 or 3.13, and '$(PYTHON)' is none: try make PYTHON=python3.12"; exit 1; }
	@echo "setting up .venv (once; a few minutes)"
	@test -f $@ || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
