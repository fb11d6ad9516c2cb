# `make help` lists the commands. The environment is made on first use.
.DEFAULT_GOAL := help
.PHONY: help setup format check fast test test-spark test-cluster docs demo clean
python := .venv/bin/python

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## the environment with what the tests need
	./spark-submit.sh setup dev

format: setup ## format the code and sort imports
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

check: setup ## style, types and import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

fast: ## style, types, import rules; quick unit and spec tests
	tests/run fast

test: ## every test, on the embedded engine
	tests/run

test-spark: ## the tests that depend on the engine, on Spark
	tests/run spark

test-cluster: ## the main job on a Spark cluster on this machine
	tests/run cluster

docs: setup ## generate the pages of rules, features, input tables and settings
	$(python) -m docs_pages

demo: ## generated claims through the main job
	./spark-submit.sh demo

clean: ## caches and build output; keeps the environment and results
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
