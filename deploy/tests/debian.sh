#!/usr/bin/env bash
# The package as an operator meets it: built, linted, then in a Debian tree under a real systemd installed, upgraded,
# attacked and purged, and the Ansible role run twice. As root; with the network, which the tree is made over.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$PWD/target/deploy
base=$work/bookworm
# procps for Debian's prometheus.service, which reloads by kill.
programs=systemd,systemd-sysv,dbus,procps,curl,nginx-light,python3,python3-apt,prometheus,prometheus-alertmanager

if [[ $(cat "$base/holds" 2> /dev/null) != "$programs" ]]; then
	rm -rf "$base"
	mkdir -p "$work"
	debootstrap --variant=minbase --include=$programs bookworm "$base"
	echo "$programs" > "$base/holds"
fi

tree=$(mktemp -d "$work/tree.XXXXXX")
# nspawn's own leftovers are in /run; whatever goes wrong, the tree goes.
trap 'rm -rf --one-file-system "$tree"' EXIT
cp -a --reflink=auto "$base/." "$tree"
mkdir "$tree/test"
# The older one differs in its version alone, so that the upgrade is what is tested.
target/cargo-deb/bin/cargo-deb deb --quiet --no-build --no-strip --deb-version 0.0.1-1 --output "$tree/test/old.deb"
target/cargo-deb/bin/cargo-deb deb --quiet --no-build --no-strip --output "$tree/test/new.deb"
# No address is published, and it is not for upload to Debian.
lintian --allow-root --fail-on error,warning \
	--suppress-tags initial-upload-closes-no-bugs,bogus-mail-host,bogus-mail-host-in-debian-changelog \
	"$tree/test/new.deb"

cp -r deploy/tests/inside "$tree/test/inside"
cp -r deploy/ansible "$tree/test/ansible"
cp -r alerts/rules "$tree/test/rules"
cp "$tree/test/inside/deploy-test.service" "$tree/etc/systemd/system/"
systemd-nspawn --quiet --directory "$tree" --register=no --keep-unit --private-network --link-journal=no \
	--console=pipe --bind-ro="$PWD/target/venv" --setenv=VENV="$PWD/target/venv" \
	--boot systemd.unit=deploy-test.service < /dev/null > "$work/console" 2>&1 || true
cat "$tree/test/said"
[[ -e $tree/test/passed ]] || {
	echo 'the tests inside failed; its console:' >&2
	tail -n 40 "$work/console" >&2
	exit 1
}
