# `make help` lists the commands. The environment is made on first use.
.DEFAULT_GOAL := help
.PHONY: help setup hooks format check fast test test-spark test-cluster coverage audit docs site demo clean
python := .venv/bin/python

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## the environment with what the tests need
	./spark-submit.sh setup dev

hooks: setup ## check style, types and import rules at every commit
	.venv/bin/pre-commit install

format: setup ## format the code and sort imports
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

check: setup ## style, types, import rules and links of the documentation
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/mkdocs build --strict --quiet

fast: ## style, types, import rules; quick unit and spec tests
	tests/run fast

test: ## every test, on the embedded engine
	tests/run

test-spark: ## the tests that depend on the engine, on Spark
	tests/run spark

test-cluster: ## the main job on a Spark cluster on this machine
	tests/run cluster

coverage: setup ## lines and branches that the unit and spec tests reach
	$(python) -m pytest --engine embedded --numprocesses 2 --cov --cov-report term --cov-report html:build/coverage tests/unit tests/spec

audit: setup ## known vulnerabilities of the packages; needs the network, and fails on what it cannot audit
	.venv/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/run.txt

docs: setup ## generate the pages of rules, features, input tables and settings, and the SQL of conf/sqlserver
	$(python) -m docs_pages
	$(python) -m engine.exports conf/sqlserver

site: setup ## the documentation as a site, in build/site
	.venv/bin/mkdocs build --strict

demo: ## generated claims through the main job
	./spark-submit.sh demo

clean: ## caches and build output; keeps the environment and results
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
