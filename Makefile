# `make demo` and `make test` are all a newcomer needs: each sets up whatever it needs first.
#
#   make demo            a real Label Studio, the backend, a project with example texts, and the loop to watch
#   make demo ARGS=--exit   the same, and it ends by itself
#   make screenshots     the pictures of docs/quickstart.md anew, in docs/pictures/; needs Debian's chromium
#   make test            every test: unit, integration, acceptance
#   make lint            format, lint and types
#   make check           the same, and unit tests
#   make soak            10,000 made-up requests, 200 rounds, the longest answers: tests that take minutes
#   make run             the backend alone, for your own Label Studio
#   make bench           what the order is worth; ARGS="learner --data FOLDER" measures the learner, ARGS=--help lists all
#   make bench-setfit DATA=FOLDER   the setfit package on the same labels, in an environment of its own: hours
#   make bench-active-learning DATA=FOLDER   other packages' query strategies on the same learner, likewise
#   make install         only the set-up
#   make secrets         passwords for docker-compose.yml, in secrets/
#   make digests         pin docker-compose.yml's images to today's digests, in .env
#   make lock            the requirements' locks anew, after a change of a requirements file
#   make supply          SBOMs of what is shipped, in supply/, and an audit against known weaknesses

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# The two environments are set up side by side.
MAKEFLAGS += -j2
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Label Studio gets an environment of its own: its pins fight with everybody's.
LS_VENV := .venv-label-studio
LABEL_STUDIO_VERSION := $(shell sed -n 's/^label-studio==//p' requirements-label-studio.txt)
# So do the tools that make locks, SBOMs and audits.
SUPPLY_VENV := .venv-supply
# Packages are what the locks say, to the byte. A lock is complete, so pip need not look for more.
LOCKED := pip install --no-deps --require-hashes
# So do the packages that the learner and the query strategies are compared with.
SETFIT_VENV := .venv-setfit
ACTIVE_LEARNING_VENV := .venv-active-learning
SETS ?= sst2,trec6,agnews,banking77
LABELS ?= 16,32,64
SEEDS ?= 0,1,2,3,4
# Test processes side by side: three on two cores, because tests with servers wait for a third of their time. A file's tests
# stay in one process and share its servers. Files go to the processes in the order of their names, the many short ones of
# tests/unit last: no process waits long for another's end.
JOBS ?= 3
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
STAMPS := .stamps
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install run demo screenshots test lint check soak bench bench-setfit bench-active-learning secrets digests lock supply

install: $(STAMPS)/app

run: $(STAMPS)/app
	$(BIN)/python -m backend serve $(ARGS)

demo: $(STAMPS)/app $(STAMPS)/label-studio
	$(BIN)/python -m examples.demo --label-studio $(LS_VENV)/bin/label-studio $(ARGS)

screenshots: $(STAMPS)/dev $(STAMPS)/label-studio
	$(BIN)/python -m examples.screenshots --label-studio $(LS_VENV)/bin/label-studio

test: $(STAMPS)/dev $(STAMPS)/label-studio
	$(PYTEST) $(ARGS)

check: lint
	$(PYTEST) tests/unit $(ARGS)

lint: $(STAMPS)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

soak: $(STAMPS)/dev
	$(PYTEST) tests -m soak $(ARGS)

secrets:
	@sh deploy/secrets.sh

digests:
	@sh deploy/digests.sh

bench: $(STAMPS)/app $(if $(filter loop load,$(ARGS)),$(STAMPS)/label-studio)
	$(BIN)/python -m benchmarks $(or $(ARGS),order)

bench-setfit: $(STAMPS)/setfit
	HF_HUB_OFFLINE=1 $(SETFIT_VENV)/bin/python -m benchmarks.learning.setfit_package $(DATA) $(SETS) $(LABELS) $(SEEDS)
	$(BIN)/python -m benchmarks table

bench-active-learning: $(STAMPS)/active-learning
	HF_HUB_OFFLINE=1 $(ACTIVE_LEARNING_VENV)/bin/python -m benchmarks.choosing.active_learning_packages $(DATA) $(SETS) $(SEEDS) $(or $(RECIPE),auto)

# Packages by name as they come, so that minutes of set-up show what they are doing.
PROGRESS = | awk '/^(Collecting|Installing collected)/ { print "  $(1): " $$1 " " $$2; fflush() } /ERROR|error:/ { print; fflush() }'

$(STAMPS)/app: requirements.lock requirements-cpu.lock requirements-cuda.lock
	@echo "Setting up Python packages in $(VENV): a few minutes the first time."
	@mkdir -p $(STAMPS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shortlist needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m $(LOCKED) -r requirements-cpu.lock > /dev/null 2>&1 \
		&& echo "  backend: torch without CUDA" || echo "  backend: torch of PyPI"
	@$(BIN)/python -m $(LOCKED) -r requirements.lock 2>&1 $(call PROGRESS,backend)
# torch's own build says whether it needs CUDA's packages.
	@if $(BIN)/python -m pip show torch | grep -q '^Requires:.*cuda'; then \
		$(BIN)/python -m $(LOCKED) -r requirements-cuda.lock 2>&1 $(call PROGRESS,backend); fi
	@ln -sf ../../shortlist $(BIN)/shortlist
	@touch $@

$(STAMPS)/dev: $(STAMPS)/app requirements-dev.lock
	@$(BIN)/python -m $(LOCKED) -r requirements-dev.lock 2>&1 $(call PROGRESS,tests)
	@touch $@

$(STAMPS)/label-studio: requirements-label-studio.lock
	@echo "Setting up Label Studio $(LABEL_STUDIO_VERSION) in $(LS_VENV): a minute or two the first time."
	@mkdir -p $(STAMPS)
	@test -x $(LS_VENV)/bin/python || $(PYTHON) -m venv $(LS_VENV)
	@$(LS_VENV)/bin/python -m $(LOCKED) -r requirements-label-studio.lock 2>&1 $(call PROGRESS,label-studio)
	@touch $@

$(STAMPS)/active-learning: requirements.txt requirements-no-deps.txt benchmarks/choosing/requirements-active-learning.txt
	@echo "Setting up other packages' query strategies in $(ACTIVE_LEARNING_VENV): a few minutes the first time."
	@mkdir -p $(STAMPS)
	@test -x $(ACTIVE_LEARNING_VENV)/bin/python || $(PYTHON) -m venv $(ACTIVE_LEARNING_VENV)
	@$(ACTIVE_LEARNING_VENV)/bin/python -m pip install $$(grep '^torch==' requirements.txt) 2>&1 $(call PROGRESS,active-learning)
	@$(ACTIVE_LEARNING_VENV)/bin/python -m pip install -r requirements.txt -r benchmarks/choosing/requirements-active-learning.txt 2>&1 $(call PROGRESS,active-learning)
	@$(ACTIVE_LEARNING_VENV)/bin/python -m pip install --no-deps -r requirements-no-deps.txt 2>&1 $(call PROGRESS,active-learning)
	@touch $@

$(STAMPS)/setfit: $(STAMPS)/app benchmarks/learning/requirements-setfit.txt
	@echo "Setting up the setfit package in $(SETFIT_VENV): a few minutes the first time."
	@test -x $(SETFIT_VENV)/bin/python || $(PYTHON) -m venv $(SETFIT_VENV)
	@$(SETFIT_VENV)/bin/python -m pip install $$(grep '^torch==' benchmarks/learning/requirements-setfit.txt) 2>&1 $(call PROGRESS,setfit)
	@$(SETFIT_VENV)/bin/python -m pip install -r benchmarks/learning/requirements-setfit.txt 2>&1 $(call PROGRESS,setfit)
	@$(SETFIT_VENV)/bin/python -m pip install --no-deps -r requirements-no-deps.txt 2>&1 $(call PROGRESS,setfit)
	@touch $@

$(STAMPS)/supply: requirements-supply.lock
	@echo "Setting up tools for locks, SBOMs and audits in $(SUPPLY_VENV)."
	@mkdir -p $(STAMPS)
	@test -x $(SUPPLY_VENV)/bin/python || $(PYTHON) -m venv $(SUPPLY_VENV)
	@$(SUPPLY_VENV)/bin/python -m $(LOCKED) -r requirements-supply.lock 2>&1 $(call PROGRESS,supply)
	@touch $@

# What runs where people's texts are. Label Studio's packages are in its own image.
SHIPPED := requirements.lock requirements-cuda.lock

supply: $(STAMPS)/supply
	@mkdir -p supply
	@for lock in $(SHIPPED); do $(SUPPLY_VENV)/bin/cyclonedx-py requirements $$lock --output-reproducible --of JSON \
		-o supply/$$lock.cdx.json && echo "supply/$$lock.cdx.json written" || exit 1; done
	@$(SUPPLY_VENV)/bin/python .ci/audit.py $(SHIPPED)

# One lock for every system and every Python from 3.11 on.
COMPILE = $(SUPPLY_VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"
lock: $(STAMPS)/supply
	$(COMPILE) requirements.txt requirements-no-deps.txt -o requirements.lock
	grep '^torch==' requirements.txt | $(COMPILE) --no-config -c requirements.lock - -o requirements-cuda.lock
	$(COMPILE) -c requirements.lock requirements-dev.txt -o requirements-dev.lock
	$(COMPILE) --no-config requirements-label-studio.txt -o requirements-label-studio.lock
	$(COMPILE) --no-config requirements-supply.txt -o requirements-supply.lock
