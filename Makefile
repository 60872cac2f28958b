# make demo | test | slow | ray | browser | check | docs [RUNS="TITLE=RUN ..."] | bench DATA=... WEIGHTS=... [QUICK=1]
# The first python that starts and is new enough: a name on the path may be a shim that does not work.
PYTHONS := python3 python3.11 python3.12 python3.13 python3.14
PYTHON ?= $(shell for p in $(PYTHONS); do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome || ls -d $$HOME/.cache/ms-playwright/chromium*/ 2>/dev/null | head -n 1)
BROWSER := $(if $(CHROMIUM),,and not browser)

.PHONY: install demo test slow ray bench browser docs check format-check lint types layers format clean

install: $(INSTALLED)

# Made again when pyproject.toml changes.
$(INSTALLED): pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { echo "frostline needs Python 3.11 or newer: make install PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,dicom,onnx,serve,s3,lightning,mlflow,ray,dev]'
	touch $@

demo: install
	$(BIN)/frostline demo

test: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=10 -m "not slow and not gpu and not ray $(BROWSER)"

slow: install
	$(BIN)/pytest -m slow

ray: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "ray and not slow"

# P1 to P4, the same without newer instructions (P7), and memory (P6).
bench: OUT ?= benchmarks/results
bench: install
	$(BIN)/python -m benchmarks $(DATA) --weights $(WEIGHTS) $(if $(QUICK),--quick,--time 15m) -o $(OUT)
	$(BIN)/python -m benchmarks $(DATA) --weights $(WEIGHTS) $(if $(QUICK),--quick,--time 15m) --avx2 -o $(OUT)/avx2
	$(BIN)/python -m benchmarks.memory -b torchvision/mobilenet_v2=$(WEIGHTS) --images $(if $(QUICK),2000 8000,30000 100000)

docs: install
	$(BIN)/python docs/make.py recipes
	$(if $(RUNS),$(BIN)/python docs/make.py why $(RUNS))

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
