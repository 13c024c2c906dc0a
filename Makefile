# Two commands: `make demo` and `make test`. Each creates what it needs and says what it does.
# PYTHON chooses the interpreter that .venv is made with (3.11 or newer), PROCESSES how many run fast tests side by side.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PROCESSES ?= 2
PYTEST := $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile
PYTEST_OPTIONS ?= -m "not slow and not browser and not fuzz"

.PHONY: demo demo-all test test-slow test-browser screenshots fuzz test-all lint docs install package clean

demo: $(STAMP)  ## the whole way on the embedded data set, one fold: data, base, SCCAN, test, report
	$(BIN)/sccan demo

demo-all: $(STAMP)  ## all four folds, and the table of docs/results.md
	$(BIN)/sccan demo --all-folds

test: $(STAMP)  ## the fast tests
	$(PYTEST) $(PYTEST_OPTIONS)
	@echo "left out here: make test-slow, make test-browser (needs Chromium), and make fuzz"

test-slow: $(STAMP)  ## what takes longer: full-size reference cases, killed and resumed runs
	$(BIN)/python -m pytest -m slow

test-browser: $(STAMP)  ## the page of `sccan label` in a headless Chromium (Debian: apt-get install chromium)
	$(BIN)/python -m pytest -m browser tests/page/browser

screenshots: $(STAMP)  ## the pictures of docs/label.md
	SCREENSHOTS=docs/images $(BIN)/python -m pytest -q -m browser tests/page/browser/test_way.py tests/page/browser/test_tools.py -k "take_along or phone"

fuzz: $(STAMP)  ## broken files of every format, ten minutes; a share of it is in test-slow
	$(BIN)/python -m pytest -m fuzz tests/fuzz

test-all: test test-slow test-browser lint

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)  ## the documentation site, into site/; a broken link or reference is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

install: $(STAMP)

# The environment is rebuilt when the list of dependencies changes.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=...")'
	@echo "installing into $(VENV) (once; about three minutes, most of it torch)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,docs]"
	@touch $@

package: $(STAMP)  ## sdist and wheel, built and looked into; tools/check_package.py --help installs them too
	$(BIN)/python tools/check_package.py

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
