# Two commands do all their own set-up: `make run` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
CONFIG ?=
ARGS ?=

.PHONY: run test lint types rules unit proof generate bench clean

run: $(VENV)/run.stamp
	@exec $(BIN)/runbook-exporter $(if $(CONFIG),--config.file=$(CONFIG)) $(ARGS)

test: $(VENV)/dev.stamp
	.ci/packages
	.ci/postgres
	.ci/redis
	.ci/duckdb
	.ci/celery
	$(MAKE) --no-print-directory -j 2 lint types rules unit

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

rules: $(VENV)/dev.stamp
	.ci/promtool check config prometheus.yml
	.ci/promtool check rules rules/*.yml
	printf '%s\n' rules/tests/*.yml | xargs -n 1 -P 2 .ci/promtool test rules
	.ci/amtool check-config alertmanager.yml

# Most tests wait for servers, so two at a time take half as long; those of a file stay together.
unit: $(VENV)/dev.stamp
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

# What takes too long for each change: hard writers by the thousand rounds, alerts on their whole way.
proof: $(VENV)/dev.stamp
	RUNBOOK_DUCKDB_ROUNDS=700 $(BIN)/pytest -m long -rA $(ARGS)

# Generated files; CI proves that they are current.
generate: $(VENV)/dev.stamp
	$(BIN)/python -m exporter.reference docs
	$(BIN)/python -m grafana.build grafana

bench: $(VENV)/dev.stamp
	.ci/packages
	.ci/postgres
	.ci/redis
	.ci/duckdb
	.ci/celery
	$(BIN)/python -m tests.bench $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench build dist

$(VENV)/run.stamp: pyproject.toml
	.ci/venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml
	.ci/venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
