#!/usr/bin/env bash
# Writes the names of the functions that a running exporter uses, for the linker to put together (build.rs says why).
# They are found by callgrind: a start, lines in nginx' formats and of bingo's own log, scrapes of four kinds, a stop.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(rustc -vV | sed -n 's/^host: //p')
out=deploy/link/$target.order
# Without names in it there is nothing to be found; and without an order, so that two runs write the same.
rm -f "$out"
KEEP_SYMBOLS=1 cargo build --locked --release --target-dir target/order
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/access" "$dir/app/one"
feed() {
	for log in tests/golden/{day,json}.log tests/golden/formats/[1-7]-*.log; do
		for round in {1..40}; do cat "$log"; done >> "$dir/access/${log##*/}"
	done
	sed 's/^{/{"request_id":"0123456789abcdef",/' tests/golden/day.log >> "$dir/access/ids.log"
	cat tests/golden/day/*/main.log >> "$dir/app/one/main.log"
}
# What a start does depends on what it finds: `exporter N FLAG...`.
exporter() {
	local calls=$dir/calls.$1 errors=$dir/errors.$1
	feed
	valgrind --tool=callgrind --demangle=no --callgrind-out-file="$calls" \
		target/order/release/bingo-exporter --web.listen-address 127.0.0.1:0 --state.dir "$dir/state" \
		--source.access "$dir/access/*.log" --source.app "$dir/app/*/main.log" "${@:2}" 2> "$errors" &
	until address=$(sed -n 's/.*msg=listening.* address=\([^ ]*\).*/\1/p' "$errors") && [[ -n $address ]]; do sleep 0.1; done
	until curl -sf -o "$dir/answer" "$address/-/ready"; do sleep 0.1; done
	for round in {1..3}; do
		curl -sf -o "$dir/answer" "$address/metrics"
		curl -sf -o "$dir/answer" -H 'Accept: application/openmetrics-text; version=1.0.0' "$address/metrics"
		curl -sf -o "$dir/answer" -H 'Accept-Encoding: gzip' "$address/metrics"
		curl -sf -o "$dir/answer" -H 'Connection: close' -H 'X-Prometheus-Scrape-Timeout-Seconds: 10' "$address/metrics"
		feed
		sleep 6
	done
	kill $!
	wait $!
}
mkdir "$dir/state"
exporter 1
exporter 2
rm -r "$dir/state"
exporter 3 --source.read-from beginning
exporter 4 --config.file src/config/profile.yaml
# What ran, by its first call; but no vectors, of which other processors have others.
names() {
	awk '
		function said(prefix) { id = $1; sub(prefix, "", id); return id }
		/^c?ob=/ { id = said("^c?ob="); if (NF > 1) object[id] = $2; if (/^ob=/) here = object[id] }
		/^c?fn=/ { id = said("^c?fn="); if (NF > 1) { name[id] = $2; sub(/\047[0-9]+$/, "", name[id]) } }
		/^fn=/ && here ~ /bingo-exporter$/ && name[id] !~ /vectorize_avx/ { print name[id] }
	' "$dir/calls.$1"
}
# What is needed without valgrind: the vDSO, and vectors that its processor has not.
others() {
	nm target/order/release/bingo-exporter | awk -v one="$1" '$3 ~ one { print $3 }'
}
{
	names 1
	names 2
	names 3
	others 'rustix.*4vdso'
	others vectorize_avx512
	others vectorize_avx2
	# Not needed without a configuration.
	names 4
} | awk '!seen[$0]++' > "$out"
wc -l "$out"
