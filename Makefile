# Two commands do all their own set-up: `make run` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
CONFIG ?=
ARGS ?=

# Where an image forbids it, each of the processes that tests start would compile all modules for itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run demo test lint types rules unit proof generate bench clean tools packages postgres redis duckdb celery middlewares

run: $(VENV)/run.stamp
	@exec $(BIN)/runbook-exporter $(if $(CONFIG),--config.file=$(CONFIG)) $(ARGS)

# Stand-ins of applications with all that watches them: make demo APP=mem
demo: $(VENV)/dev.stamp
	@exec $(BIN)/runbook-exporter demo $(APP) $(ARGS)

# What is to be fetched comes at once, and what fails within seconds comes before what takes minutes.
test:
	$(MAKE) --no-print-directory -j 5 lint tools
	$(MAKE) --no-print-directory -j 3 unit types rules

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

rules: $(VENV)/dev.stamp
	.ci/promtool check config prometheus.yml
	.ci/promtool check rules rules/*.yml
	.ci/amtool check-config alertmanager.yml

# Most tests wait for servers, so three at a time keep two cores busy; those of a file stay together, the longest first.
unit: $(VENV)/dev.stamp
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

# What takes too long for each change: hard writers by the thousand rounds, alerts on their whole way, and promtool's
# tests beside all rules of their area. The tests run them beside the rules that they ask for.
proof: tools middlewares
	printf '%s\n' rules/tests/*.yml | xargs -n 1 -P 2 .ci/promtool test rules
	RUNBOOK_DUCKDB_ROUNDS=700 $(BIN)/pytest -m long -rA $(ARGS)
	RUNBOOK_SOAK=whole $(BIN)/pytest -k leave $(ARGS)

# Generated files; CI proves that they are current.
generate: $(VENV)/dev.stamp
	$(BIN)/python -m exporter.reference docs
	$(BIN)/python -m grafana.build grafana

bench: tools
	$(BIN)/python -m tests.bench $(ARGS)

# What tests and benches need beside the virtual environment.
tools: packages postgres redis duckdb celery

packages redis duckdb celery: $(VENV)/made.stamp
	.ci/$@

# npm is one of the packages
postgres middlewares: packages
	.ci/$@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench build dist

# What is installed beside the environment needs its Python, and not what is in it.
$(VENV)/made.stamp:
	.ci/venv $(VENV)
	@touch $@

$(VENV)/run.stamp: pyproject.toml | $(VENV)/made.stamp
	.ci/venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(VENV)/made.stamp
	.ci/venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
