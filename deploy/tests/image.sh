#!/usr/bin/env bash
# The image without a container runtime: the static binary alone in a read-only root, as the image's user, without
# capabilities, among logs that other users write. As root; needs Rust's musl target.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(uname -m)-unknown-linux-musl
cargo build --quiet --locked --target "$target"
binary=target/$target/debug/bingo-exporter
file "$binary" | grep -q 'static' || { echo "$binary is not static" >&2; exit 1; }

work=$(mktemp -d)
exporter=
trap '[[ -z $exporter ]] || kill "$exporter" 2> /dev/null || true; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{root/{proc,var/log/proxy,var/lib/bingo-exporter,opt/bongo/logs},proxy,logs/3a956b711f,state}
cp "$binary" "$work/root/bingo-exporter"
chown 65532:65532 "$work/state"
# As their writers make them: the proxy's for a group, bingo's for all.
install -o 101 -g 4 -m 0640 /dev/null "$work/proxy/access.log"
install -o 1000 -g 1000 -m 0644 /dev/null "$work/logs/3a956b711f/main.log"

# What `docker run --read-only --cap-drop ALL --security-opt no-new-privileges --group-add 4` sets up, with both volumes.
unshare --mount --propagation private bash -c '
	cd "$1"
	bind() { mount --bind "$1" "$2" && mount -o "remount,bind,$3" "$2"; }
	bind root root ro
	bind proxy root/var/log/proxy ro,noexec
	bind logs root/opt/bongo/logs ro,noexec
	bind state root/var/lib/bingo-exporter noexec
	mount -t proc -o ro proc root/proc
	exec env --ignore-environment PATH="$PATH" setpriv --inh-caps=-all --no-new-privs \
		chroot --userspec=65532:65532 --groups=4 root /bingo-exporter --web.listen-address 127.0.0.1:0 \
		--source.access /var/log/proxy/access.log
' - "$work" 2> "$work/said" &
exporter=$!

# until_true COMMAND…: half a minute at most.
until_true() {
	local end=$((SECONDS + 30))
	until "$@"; do
		((SECONDS < end)) || { echo "waited in vain: $*" >&2; cat "$work/said" >&2; exit 1; }
		sleep 0.1
	done
}

address() {
	sed -n 's/.*msg=listening address=//p' "$work/said"
}

# counted SOURCE
counted() {
	curl --silent --max-time 5 "http://$(address)/metrics" |
		grep -qF "bingo_exporter_lines_total{source=\"$1\",result=\"counted\"} 1"
}

ready() {
	curl --silent --fail --max-time 5 --output /dev/null "http://$(address)/-/ready"
}

# What is there at its first look was there before it, and is not counted.
until_true ready
echo '{"request":"GET /api/movie/1 HTTP/1.1","status":"200"}' >> "$work/proxy/access.log"
echo '{"level":"debug","timestamp":"2026-01-09T10:00:00.000Z","msg":"I am alive."}' >> "$work/logs/3a956b711f/main.log"
until_true counted access
until_true counted app

[[ $(stat -c %u "/proc/$exporter") == 65532 ]]
grep -q '^CapEff:	0000000000000000$' "/proc/$exporter/status"
for file in new var/log/proxy/access.log opt/bongo/logs/3a956b711f/main.log; do
	# Seen through its mounts, not even root may.
	if error=$( (echo >> "/proc/$exporter/root/$file") 2>&1) || [[ $error != *Read-only* ]]; then
		echo "$file can be written: $error" >&2
		exit 1
	fi
done
kill "$exporter"
wait "$exporter" || { cat "$work/said" >&2; exit 1; }
[[ -s $work/state/checkpoint ]]
