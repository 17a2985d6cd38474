# Every verb is one line of work; the work itself is in tools/ and deploy/local/.
# `make demo` and `make test` are the two to begin with; `make help` lists all.
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
JOBS ?= $(shell nproc)
STACK := python3 deploy/local/stack.py
# The pages of /docs and /redoc; the rest is built without them, too.
PAGES := tools/npm.sh services/gateway/pages || echo "npm has no packages for us: /docs and /redoc stay plain"
SERVICES := gateway auth invitations billing jobs orchestrator_monitor

.PHONY: help deps build demo test soak-billing soak-identity soak-edge fuzz browser up down restart status health logs migrate migration bootstrap dbshell lint asan tsan bench clean
.DEFAULT_GOAL := help

help: ## Lists the verbs
	@sed -n 's/^\([a-z%-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | sed 's/%/SERVICE/' | column -t -s '|'
deps: ## Installs the Debian packages that are missing
	@tools/deps.sh tools/packages.txt
build: deps ## Builds everything
	@$(PAGES); tools/build.sh build default $(JOBS)
demo: ## Builds, starts the stack, walks the main job, leaves the stack running
	@tools/deps.sh tools/packages.txt && { $(PAGES); } && tools/build.sh build default $(JOBS) programs && $(STACK) up --if-needed && python3 deploy/local/demo.py
test: build ## Builds and runs every test
	@tools/deps.sh tools/packages-test.txt && tools/npm.sh tests/clients && tools/npm.sh tests/openapi && ctest --test-dir build --output-on-failure -j $(JOBS)
soak-billing: deps ## Ten million random money operations while billing and PostgreSQL are killed
	@tools/build.sh build default $(JOBS) programs billing_history_flow_test && HISTORY_OPERATIONS=$${HISTORY_OPERATIONS:-10000000} build/tests/billing_history_flow_test
soak-identity: deps ## Refreshes, revokes and redeems a million times while services are killed; compares times
	@tools/build.sh build default $(JOBS) identity_soak_test identity_timing_soak && IDENTITY_SOAK_OPERATIONS=$${IDENTITY_SOAK_OPERATIONS:-1000000} build/tests/identity_soak_test && build/tests/identity_timing_soak
soak-edge: deps ## A million bent requests against peers; 1,000 reloads; 10,000 sockets; slow clients for long
	@tools/deps.sh tools/packages-test.txt && tools/build.sh build default $(JOBS) programs differential_flow_test edge_memory_flow_test reload_flow_test slow_clients_flow_test && tools/npm.sh tests/clients && tools/soak_edge.sh
fuzz: ## Runs each fuzzer for FUZZ_SECONDS (60)
	@tools/deps.sh tools/packages.txt tools/packages-fuzz.txt && tools/fuzz.sh "$${FUZZ_SECONDS:-60}" $(JOBS)
browser: ## Proves cookies, CSRF and SameSite in a real Chromium
	@tools/deps.sh tools/packages.txt tools/packages-browser.txt && tools/build.sh build default $(JOBS) programs browser_flow_test && tools/npm.sh tests/browser && build/tests/browser_flow_test
up: ## Starts the local stack; writes .env when there is none
	@tools/deps.sh tools/packages.txt && { $(PAGES); } && tools/build.sh build default $(JOBS) programs && $(STACK) up
down: ## Stops the stack; nothing is left running
	@$(STACK) down
restart: ## Stops and starts the stack
	@$(STACK) down && $(MAKE) up
status: ## Shows each process; a crashed one with its last log lines
	@$(STACK) status
health: ## Prints GET /health
	@$(STACK) health
logs: ## Follows the logs of all processes
	@$(STACK) logs
logs-%: ## Follows the log of one process
	@$(STACK) logs $*
start-%: ## Starts one process
	@$(STACK) start $*
stop-%: ## Stops one process
	@$(STACK) stop $*
migrate: ## Applies the migrations that are missing
	@$(STACK) migrate
migration: ## Makes an empty migration: SERVICE=billing NAME=add_refunds
	@tools/migration.sh "$(SERVICE)" "$(NAME)"
bootstrap: ## Creates the default tenant and the administrator if they are missing
	@$(STACK) bootstrap
dbshell: ## Opens psql on the stack's database
	@$(STACK) dbshell
lint: ## Checks format, style, protos, scripts and changed code
	@tools/deps.sh tools/packages.txt tools/packages-lint.txt && tools/lint.sh
asan: deps ## Runs the library tests under AddressSanitizer and UBSan
	@tools/sanitize.sh asan $(JOBS)
tsan: deps ## Runs the library tests under ThreadSanitizer
	@tools/sanitize.sh tsan $(JOBS)
bench: ## Measures against peers in one run; writes bench/report.md
	@tools/deps.sh tools/packages.txt tools/packages-bench.txt && tools/build.sh build default $(JOBS) all http_parser_bench mint_tokens money_bench token_bench && python3 bench/run.py
clean: ## Removes build output; var/ and .env stay
	@rm -rf build build-asan build-tsan build-fuzz
