# Everything a developer or a visitor calls. `make run` needs Python 3.11 and nothing else.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := src/rollbook/samples/academy.csv
# How pages look and read, what HTTP servers and proxies do, who may call what, and how documentation reads is the same
# on every database: this is seen once.
ALIKE := $(foreach page,tour german charts translations help words stops sentences,tests/pages/test_$(page).py) \
	$(foreach part,forwarded bodies slow_clients client_restart access_headers access_oidc routes_by_role openapi statuses \
	notices_webhooks api_documentation notices_documentation rules_documentation roster_requests_documentation \
	roster_snapshots_documentation,tests/server/test_$(part).py)

.PHONY: help run serve test test-server test-scale lint laws fuzz fuzz-long faults faults-long api-fuzz bench bench-scale bench-intake bench-server bench-pages \
	screenshots translations docs clean

help: ## what can be called
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(BIN)/rollbook: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/server: $(BIN)/rollbook
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[client,server]"
	@touch $@

$(VENV)/dev: $(VENV)/server
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $$($(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['dev'])" | sed 's/[<>=][^ ]*//g')
	@touch $@

$(VENV)/bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $$($(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['bench'])" | sed 's/[<>=][^ ]*//g')
	@touch $@

run: $(BIN)/rollbook ## meters the sample under several plans and explains one learner
	@echo "Half a year of a made-up academy. Who logged in, by calendar month:"; echo
	$(BIN)/rollbook meter $(SAMPLE) --plan monthly-login --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01
	@echo; echo "The same facts under another plan: who learned something, in each block of 30 days:"; echo
	$(BIN)/rollbook meter $(SAMPLE) --plan reach360-starter --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01
	@echo; echo "And under a third: whose enrolment was enabled, whether or not they came:"; echo
	$(BIN)/rollbook meter $(SAMPLE) --plan wisenet-elearning --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01 --zone Australia/Melbourne
	@echo; echo "Why ana counted under the second, or did not:"; echo
	$(BIN)/rollbook explain $(SAMPLE) --plan reach360-starter --start 2026-01-01 --end 2026-07-01 --as-of 2026-07-01 ana
	@echo; echo "Try it yourself: $(BIN)/rollbook --help, or in a browser: make serve"

serve: $(VENV)/server ## a server with made-up customers on port PORT (8000), in ./rollbook-data; Ctrl-C stops it
	@exec $(BIN)/rollbook serve --demo --port $(or $(PORT),8000)

test: $(VENV)/bench ## sets up whatever the tests need and runs them all, those of the server on both databases
	$(BIN)/python -m pytest -n 2 --dist worksteal
	ROLLBOOK_TEST_DATABASE=postgresql $(BIN)/python -m pytest -n 2 --dist worksteal tests/server tests/pages $(ALIKE:%=--ignore=%)

test-server: $(VENV)/dev ## the tests of the server alone, on SQLite and on a real PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/server
	ROLLBOOK_TEST_DATABASE=postgresql $(BIN)/python -m pytest -n 2 --dist worksteal tests/server

test-scale: $(VENV)/dev ## the main journeys in a browser beside a million activations, on a real PostgreSQL
	ROLLBOOK_REQUIRE=1 ROLLBOOK_ACTIVATIONS=$(or $(ACTIVATIONS),1000000) $(BIN)/python -m pytest tests/pages/test_at_scale.py

lint: $(VENV)/dev ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

laws: $(VENV)/dev ## the property tests with many more examples
	ROLLBOOK_LAWS=long $(BIN)/python -m pytest -n 2 tests/metering/test_laws.py tests/books/test_laws.py tests/intake tests/engines/test_live_laws.py tests/server/test_api_laws.py tests/server/test_archive_laws.py

fuzz: $(VENV)/dev ## breaks the fixtures of every producer for SECONDS, guided by coverage where atheris can be had
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python -m tests.intake.producers.fuzz $(or $(SECONDS),60)

fuzz-long: ## the same for an hour
	$(MAKE) fuzz SECONDS=3600

faults: $(VENV)/dev ## kills servers, workers and senders at any moment, and looks for what was lost
	$(BIN)/python -m pytest tests/faults tests/client/test_kills.py tests/ledger/test_kills.py

faults-long: $(VENV)/dev ## kills a hundred times on each database, and fills the disk
	$(BIN)/python -m tests.faults.kills --database sqlite --kills 100
	$(BIN)/python -m tests.faults.kills --database postgresql --kills 100
	$(BIN)/python -m tests.faults.disk_full --database sqlite
	$(BIN)/python -m tests.faults.disk_full --database postgresql
	ROLLBOOK_FAULTS=long $(BIN)/python -m pytest tests/client/test_kills.py tests/ledger/test_kills.py

api-fuzz: $(VENV)/dev ## sends EXAMPLES requests to each operation of the API, drawn from its own description
	ROLLBOOK_API_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/server/test_openapi.py -q

bench: $(VENV)/dev ## ten million facts against hand-written DuckDB, side by side
	$(BIN)/python benchmarks/count.py --check

bench-scale: $(VENV)/bench ## ROWS facts under 200 subscriptions, beside DuckDB, Polars, chDB, DataFusion, Spark and others; WRITE=1 writes the page
	$(BIN)/python -m benchmarks.scale.run $(ROWS) $(if $(RUNS),--runs $(RUNS)) $(if $(FOLDER),--folder $(FOLDER)) $(if $(LEDGER),--ledger $(LEDGER)) $(if $(WRITE),--write)

bench-intake: $(VENV)/dev ## a gibibyte of xAPI statements, in 512 MiB of memory
	$(BIN)/python benchmarks/intake.py --check

bench-server: $(VENV)/dev ## batches over HTTP against COPY, and how calls grow up to ten million facts; needs PostgreSQL
	$(BIN)/python benchmarks/server.py --check

bench-pages: $(VENV)/dev ## every page beside a million activations, at most 100 ms at p95; needs PostgreSQL
	$(BIN)/python benchmarks/pages.py --check

screenshots: $(VENV)/dev ## pictures of every page into docs/screenshots; needs chromium
	$(BIN)/python -m tests.pages.screenshots

translations: $(VENV)/dev ## brings new words of pages into the German catalogue, and says which have no German yet
	$(BIN)/python -m tests.pages.catalogue

docs: $(VENV)/dev ## writes the command reference and the table of settings anew
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/generate_settings.py

clean: ## removes what was made here
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis fuzz-found
