# Two commands matter: `make demo` and `make test`. VENV is where both install.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# MLflow's own programs look for `python` and `mlflow` on the PATH. Where the environment forbids to keep
# bytecode, every process would compile the package anew.
RUN := PYTHONDONTWRITEBYTECODE= PATH="$(abspath $(BIN)):$$PATH"

# Three for two cores: a test that waits for a server or for the end of a process leaves its core to others.
PYTEST := $(RUN) python -m pytest -n 3 --dist worksteal
GENERATED := tests/project/test_generated.py
EXTRAS := tests/conditions/engines/test_ray.py tests/training/test_bitsandbytes.py
PART ?= 1/1

.PHONY: demo demo-search test slow slow-most slow-extras nightly soak outages ui check format lint types security generated lock project figures reports site clean

# --use-pep517: seqeval has no more than a setup.py, and pip 23.0 (Debian 12) would run that without what it needs.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 -c constraints.txt -e ".[test,dev,docs]"
	touch $@

demo: $(STAMP)  ## pretrain, intermediate, target and zero-shot evaluation on the embedded suite, through `mlflow run`
	$(RUN) mlflow run . --experiment-name mlflow-xfer --env-manager local

demo-search: $(STAMP)  ## which of four intermediate tasks help `choice`, searched and confirmed (on what `make demo` pre-trained)
	$(RUN) mlflow run . -e search --experiment-name mlflow-xfer --env-manager local -P pool=attribute,attribute_twin,attribute_null,position -P target=choice -P n_trials=8 -P max_tasks=2 -P seeds=0,1 -P pruner=wilcoxon -P confirm_top=2 -P confirm_seeds=8 -P workers=2

test: $(STAMP)  ## before every commit: no network, no GPU, at most 8 minutes on two idle cores
	$(PYTEST) -m "not slow and not nightly" --ignore=$(GENERATED)

slow: $(STAMP)  ## before every merge: uv environments, `mlflow run`, PostgreSQL, SIGKILL, real data
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[ray,peft]"
	$(MAKE) --jobs 2 --output-sync=target --no-print-directory slow-most slow-extras

slow-most:
	$(PYTEST) -m "slow and not nightly" $(EXTRAS:%=--ignore=%)

slow-extras:  # beside the others, because nodes of Ray are waited for most of the time; fails where it finds none of them
	$(RUN) python -m pytest -n 0 -m "slow and not nightly" $(EXTRAS)

nightly: $(STAMP)  ## before a release: what takes hours, in pieces; PART=2/5 runs the second of five parts
	$(RUN) python benchmarks/nightly.py --part $(PART)

soak: $(STAMP)  ## commands killed again and again, 204 kills in six parts: PART=2/6; writes its rows of docs/kills.md
	$(RUN) XFER_TABLES=1 XFER_PART=$(PART) python -m pytest -n 0 -m nightly -s tests/faults/test_killed_driver.py

outages: $(STAMP)  ## every fault at every call of a tracking server, in parts: PART=1/4; writes docs/outages.md
	$(RUN) XFER_TABLES=1 XFER_PART=$(PART) python -m pytest -n 0 -m nightly -s tests/tracking/test_every_call.py

ui: $(STAMP)  ## MLflow's UI over what was run here, and where its newest answer is
	-@$(RUN) MLFLOW_TRACKING_URI=sqlite:///mlflow.db python -m mlflow_xfer.tracking.front
	$(RUN) MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --backend-store-uri sqlite:///mlflow.db -w 1

check: format lint types security generated  ## before every commit: a minute

format: $(STAMP)  ## that `ruff format` would change no file
	$(RUN) ruff format --check .

lint: $(STAMP)
	$(RUN) ruff check .

types: $(STAMP)
	$(RUN) basedpyright

security: $(STAMP)  ## that the package does nothing that bandit knows to be dangerous; pyproject.toml says what is allowed
	$(RUN) bandit -q -c pyproject.toml -r mlflow_xfer

generated: $(STAMP)  ## that generated files are fresh; `make test` leaves this out
	$(RUN) python -m pytest $(GENERATED)

project: $(STAMP)  ## write MLproject, docs/parameters.md, the README's tables and the stub from the declarations, the picture of the folders
	$(RUN) python -m mlflow_xfer.project
	$(RUN) python docs/architecture.py

lock: $(STAMP)  ## write requirements.lock: all that an installation brings, with hashes (SECURITY.md says how it is used)
	$(RUN) uv pip compile --quiet --generate-hashes --constraints constraints.txt pyproject.toml --output-file requirements.lock

figures: $(STAMP)  ## draw the figures in docs/ from the tables in benchmarks/
	$(RUN) python docs/figures.py

reports: $(STAMP)  ## run the quick studies, 40 minutes of two idle cores, and write their pages: docs/studies/
	$(RUN) MLFLOW_TRACKING_URI=sqlite:///mlflow.db python docs/reports.py --run

site: $(STAMP)  ## build the pages of docs/, this README and benchmarks/ as a site: build/site/index.html
	$(RUN) python docs/site.py

clean:
	rm -rf $(VENV) build dist *.egg-info
