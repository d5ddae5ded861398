# Everything a developer or a visitor calls. `make run` needs Python 3.11 and nothing else.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := src/rollbook/samples/academy.csv

.PHONY: help run test lint laws fuzz bench bench-intake docs clean

help: ## what can be called
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(BIN)/rollbook: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/dev: $(BIN)/rollbook
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $$($(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['dev'])" | sed 's/[<>=][^ ]*//g')
	@touch $@

run: $(BIN)/rollbook ## meters the sample under several plans and explains one learner
	$(BIN)/rollbook meter $(SAMPLE) --plan monthly-login --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01
	$(BIN)/rollbook meter $(SAMPLE) --plan reach360-starter --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01
	$(BIN)/rollbook meter $(SAMPLE) --plan wisenet-elearning --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01 --zone Australia/Melbourne
	$(BIN)/rollbook explain $(SAMPLE) --plan reach360-starter --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01 ana
	@echo; echo "Try it yourself: $(BIN)/rollbook --help"

test: $(VENV)/dev ## sets up whatever the tests need and runs them all
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/dev ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

laws: $(VENV)/dev ## the property tests with many more examples
	ROLLBOOK_LAWS=long $(BIN)/python -m pytest -n 2 tests/metering/test_laws.py tests/books/test_laws.py tests/intake

fuzz: $(VENV)/dev ## breaks the fixtures of every producer for SECONDS, guided by coverage where atheris can be had
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python -m tests.intake.producers.fuzz $(or $(SECONDS),60)

bench: $(VENV)/dev ## ten million facts against hand-written DuckDB, side by side
	$(BIN)/python benchmarks/count.py --check

bench-intake: $(VENV)/dev ## a gibibyte of xAPI statements, in 512 MiB of memory
	$(BIN)/python benchmarks/intake.py --check

docs: $(VENV)/dev ## writes the command reference anew
	$(BIN)/python docs/generate_cli.py

clean: ## removes what was made here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis fuzz-found
