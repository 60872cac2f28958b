# make demo | test | slow | browser | check
PYTHON ?= $(shell command -v python3.14 || command -v python3.13 || command -v python3.12 || command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || ls -d $$HOME/.cache/ms-playwright/chromium*/ 2>/dev/null | head -n 1)
BROWSER := $(if $(CHROMIUM),,and not browser)

.PHONY: install demo test slow browser check format-check lint types layers format clean

install: $(INSTALLED)

# Made again when pyproject.toml changes.
$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dev]'
	touch $@

demo: install
	$(BIN)/frostline demo

test: install
	$(BIN)/pytest -m "not slow and not gpu and not ray $(BROWSER)"

slow: install
	$(BIN)/pytest -m slow

browser: install
	$(BIN)/pytest -m browser

format-check: install
	$(BIN)/ruff format --check .

lint: install
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

check: format-check lint types layers test

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
