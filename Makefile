# Two commands matter: `make demo` and `make test`. VENV is where both install.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# MLflow's own programs look for `python` and `mlflow` on the PATH.
RUN := PATH="$(abspath $(BIN)):$$PATH"

.PHONY: demo demo-search test slow ui check project figures clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,dev]"
	touch $@

demo: $(STAMP)  ## pretrain, intermediate, target and zero-shot evaluation on the embedded suite, through `mlflow run`
	$(RUN) mlflow run . --env-manager local

demo-search: $(STAMP)  ## which of four intermediate tasks help `choice`, searched and confirmed (on what `make demo` pre-trained)
	$(RUN) mlflow run . -e search --env-manager local -P pool=attribute,attribute_twin,attribute_null,position -P target=choice -P n_trials=8 -P max_tasks=2 -P seeds=0,1 -P pruner=wilcoxon -P confirm_top=2 -P confirm_seeds=8 -P workers=2

test: $(STAMP)  ## the tests that need no network and no GPU
	$(RUN) python -m pytest -n 2 --dist worksteal -m "not slow_ci"

slow: $(STAMP)  ## the tests that need minutes: uv environments, real data
	$(RUN) python -m pytest -n 2 --dist worksteal -m slow_ci

ui: $(STAMP)  ## MLflow's UI over what was run here
	$(RUN) MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --backend-store-uri sqlite:///mlflow.db -w 1

check: $(STAMP)  ## style, and that generated files are fresh
	$(RUN) ruff check .
	$(RUN) python -m pytest tests/project -q

project: $(STAMP)  ## write MLproject and the README's tables from the parameters
	$(RUN) python -m mlflow_xfer.project

figures: $(STAMP)  ## draw the figures in docs/ from the tables in benchmarks/
	$(RUN) python docs/figures.py

clean:
	rm -rf $(VENV) build dist *.egg-info
