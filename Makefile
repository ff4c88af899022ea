# `make demo` and `make test` are all a newcomer needs: each sets up whatever it needs first.
#
#   make demo            a real Label Studio, the backend, a project with example texts, and the loop to watch
#   make demo ARGS=--exit   the same, and it ends by itself
#   make test            every test: unit, integration, acceptance
#   make check           format, lint, types and unit tests, in under two minutes
#   make soak            10,000 made-up requests, 200 rounds, the longest answers: tests that take minutes
#   make run             the backend alone, for your own Label Studio
#   make bench           what the order is worth; ARGS="learner --data FOLDER" measures the learner, ARGS=--help lists all
#   make bench-setfit DATA=FOLDER   the setfit package on the same labels, in an environment of its own: hours
#   make bench-active-learning DATA=FOLDER   other packages' query strategies on the same learner, likewise
#   make install         only the set-up

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
# The two environments are set up side by side.
MAKEFLAGS += -j2
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Label Studio gets an environment of its own: its pins fight with everybody's.
LS_VENV := .venv-label-studio
LABEL_STUDIO_VERSION := 1.23.2
# So do the packages that the learner and the query strategies are compared with.
SETFIT_VENV := .venv-setfit
ACTIVE_LEARNING_VENV := .venv-active-learning
SETS ?= sst2,trec6,agnews,banking77
LABELS ?= 16,32,64
SEEDS ?= 0,1,2,3,4
# Test processes side by side, each on a core of its own; a file's tests stay in one process and share its servers.
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
STAMPS := .stamps
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install run demo test check soak bench bench-setfit bench-active-learning

install: $(STAMPS)/app

run: $(STAMPS)/app
	$(BIN)/python -m backend serve $(ARGS)

demo: $(STAMPS)/app $(STAMPS)/label-studio
	$(BIN)/python -m examples.demo --label-studio $(LS_VENV)/bin/label-studio $(ARGS)

test: $(STAMPS)/dev $(STAMPS)/label-studio
	$(PYTEST) $(ARGS)

check: $(STAMPS)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) tests/unit $(ARGS)

soak: $(STAMPS)/dev
	$(PYTEST) tests -m soak $(ARGS)

bench: $(STAMPS)/app $(if $(filter loop load,$(ARGS)),$(STAMPS)/label-studio)
	$(BIN)/python -m benchmarks $(or $(ARGS),order)

bench-setfit: $(STAMPS)/setfit
	HF_HUB_OFFLINE=1 $(SETFIT_VENV)/bin/python -m benchmarks.learning.setfit_package $(DATA) $(SETS) $(LABELS) $(SEEDS)
	$(BIN)/python -m benchmarks table

bench-active-learning: $(STAMPS)/active-learning
	HF_HUB_OFFLINE=1 $(ACTIVE_LEARNING_VENV)/bin/python -m benchmarks.choosing.active_learning_packages $(DATA) $(SETS) $(SEEDS) $(or $(RECIPE),auto)

# Packages by name as they come, so that minutes of set-up show what they are doing.
PROGRESS = | awk '/^(Collecting|Installing collected)/ { print "  $(1): " $$1 " " $$2; fflush() } /ERROR|error:/ { print; fflush() }'

$(STAMPS)/app: requirements.txt requirements-no-deps.txt
	@echo "Setting up Python packages in $(VENV): a few minutes the first time."
	@mkdir -p $(STAMPS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Shortlist needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $$(grep '^torch==' requirements.txt) 2>&1 $(call PROGRESS,backend)
	@$(BIN)/python -m pip install -r requirements.txt 2>&1 $(call PROGRESS,backend)
	@$(BIN)/python -m pip install --no-deps -r requirements-no-deps.txt 2>&1 $(call PROGRESS,backend)
	@touch $@

$(STAMPS)/dev: $(STAMPS)/app requirements-dev.txt
	@$(BIN)/python -m pip install -r requirements-dev.txt 2>&1 $(call PROGRESS,tests)
	@touch $@

$(STAMPS)/label-studio:
	@echo "Setting up Label Studio $(LABEL_STUDIO_VERSION) in $(LS_VENV): a minute or two the first time."
	@mkdir -p $(STAMPS)
	@test -x $(LS_VENV)/bin/python || $(PYTHON) -m venv $(LS_VENV)
	@$(LS_VENV)/bin/python -m pip install label-studio==$(LABEL_STUDIO_VERSION) 2>&1 $(call PROGRESS,label-studio)
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
