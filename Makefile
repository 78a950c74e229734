# Everything one types here. `make` alone says what there is.

VENV := .venv
PY := $(VENV)/bin/python
# A data folder of its own for checks, so that they never touch the one in use (var/).
CHECK_DIR := build/check
CHECK_ENV := NUTSHELLPBX_DIR=$(CHECK_DIR)
# As on a customer's box.
DEPLOY_ENV := $(CHECK_ENV) NUTSHELLPBX_ROLE=manage NUTSHELLPBX_PUBLIC_URL=https://pbx.example.com \
	NUTSHELLPBX_HOSTS=pbx.example.com NUTSHELLPBX_TLS=1

.DEFAULT_GOAL := help
.PHONY: help demo test check faults nightly fix run bench lock clean

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "make %-7s %s\n", $$1, $$2 }'

# A virtual environment is filled again only when its lock has changed.
FILL = @for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		exec "$$python" tools/venv.py $(VENV) $< $@; \
	done; \
	echo "Python 3.11 or newer is needed, and none is on the PATH. Install it, or say where: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.server: lock/server.txt
	$(FILL)

$(VENV)/.dev: lock/dev.txt
	$(FILL)

demo: $(VENV)/.server ## a call rings and the right page opens, told live (PBX=asterisk: a real one; ONCE=1: once, then end)
	$(PY) -m nutshellpbx.lab.demo $(if $(PBX),--pbx $(PBX)) $(if $(filter-out 0,$(ONCE)),--once) \
		$(if $(DISPLAY)$(WAYLAND_DISPLAY),--screen)

run: $(VENV)/.server ## the server alone, for real use, with all it needs inside
	$(PY) manage.py run

test: $(VENV)/.dev ## all tests, with what they need (SUITES="unit flow": only these)
	$(PY) -m tools.needs
	$(PY) -m tools.suites $(SUITES)

check: $(VENV)/.dev ## format, lint, types, layers, Django's own checks, contrast
	@mkdir -p $(CHECK_DIR)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(CHECK_ENV) $(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m pytest -q tests/architecture
	$(DEPLOY_ENV) $(PY) manage.py check --deploy --fail-level WARNING
	$(CHECK_ENV) $(PY) manage.py makemigrations --check --dry-run
	$(PY) -m tools.contrast

faults: $(VENV)/.dev ## kills, cuts and faults of all kinds, in CI's short share (LONG=1: the full counts; SEED=n: replay)
	$(PY) -m tools.needs
	rm -f build/faults/results.jsonl
	$(PY) -m pytest tests/faults $(if $(filter-out 0,$(LONG)),--fault-long) $(if $(SEED),--fault-seed $(SEED))
	$(PY) -m tools.faulttable $(if $(filter-out 0,$(LONG)),--keep)

nightly: $(VENV)/.dev ## any sequence of events, 200,000 steps and more; answers, lookups, withdrawals in any order
	$(PY) -m pytest tests/stories/test_interleaved.py tests/calls/test_any_sequence.py --hypothesis-profile=nightly

fix: $(VENV)/.dev ## put right what the tools can put right
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/.dev ## from the PBX's event to the requested page: p50, p95, p99
	@for bench in tests/bench/[a-z]*.py; do \
		name=$${bench##*/}; echo "=== $${name%.py}"; $(PY) -m tests.bench.$${name%.py} || exit 1; \
	done

COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml

lock: $(VENV)/.dev ## write lock/ anew from pyproject.toml (UPGRADE=1: newest versions)
	$(PY) -m uv --version 2>/dev/null || $(PY) -m pip install --quiet uv
	$(COMPILE) --extra server --extra dev --output-file lock/dev.txt
	$(COMPILE) --extra server --constraint lock/dev.txt --output-file lock/server.txt
	$(COMPILE) --constraint lock/dev.txt --output-file lock/client.txt

clean: ## take away what make has made, but no data (var/ stays)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find nutshellpbx tests tools -name __pycache__ -prune -exec rm -rf {} +
