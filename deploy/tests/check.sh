#!/usr/bin/env bash
# What of deploy/ can be checked without installing it. Needs what `make setup` brings and a built exporter.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/target/venv/bin:$PATH ANSIBLE_HOME=$PWD/target/ansible
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo '-- systemd: verify and security'
units=$work/units
mkdir -p "$units/sandbox"
cp deploy/systemd/*.service deploy/systemd/socket/*.socket "$units"
# Verified is all but that the program is installed.
sed -i "s|/usr/bin/bingo-exporter|$PWD/target/debug/bingo-exporter|" "$units"/*.service
systemd-analyze verify --man=no "$units"/*.service "$units"/*.socket
# The threshold is in tenths: 1.4, and 0.6 with the socket.
systemd-analyze security --no-pager --offline=yes --threshold=15 deploy/systemd/bingo-exporter.service | tail -n 1
cp deploy/systemd/*.service "$units/sandbox"
mkdir "$units/sandbox/bingo-exporter.service.d"
cp deploy/systemd/socket/no-network.conf "$units/sandbox/bingo-exporter.service.d"
systemd-analyze security --no-pager --offline=yes --threshold=6 "$units/sandbox/bingo-exporter.service" | tail -n 1

echo '-- logrotate'
sed "s|/opt/bongo|$work/bongo|" deploy/systemd/bingo.logrotate > "$work/logrotate"
chmod 644 "$work/logrotate"
mkdir -p "$work/bongo/logs/3a956b711f"
echo '{"msg":"I am alive."}' > "$work/bongo/logs/3a956b711f/main.log"
logrotate --force --state "$work/state" "$work/logrotate"
[[ -s $work/bongo/logs/3a956b711f/main.log.1 && ! -e $work/bongo/logs/3a956b711f/main.log ]]

echo '-- default configuration, as the package installs it'
target/debug/bingo-exporter --config.file src/config/profile.yaml --config.print > /dev/null

echo '-- container'
hadolint deploy/container/Dockerfile
docker-compose --file deploy/container/compose.yaml config --quiet
for conf in deploy/container/nginx.conf deploy/kubernetes/base/nginx.conf; do
	sed "s|/tmp/|$work/|; s|/var/log/proxy|$work/proxy|" $conf > "$work/nginx.conf"
	mkdir -p "$work"/proxy/node-{1,2}
	nginx -t -q -e stderr -c "$work/nginx.conf"
done
promtool check config --syntax-only deploy/container/prometheus.yml > /dev/null

echo '-- kubernetes'
deploy/kubernetes/generate.py --check
for kustomization in base overlays/annotations; do
	kubectl kustomize deploy/kubernetes/$kustomization > "$work/all.yaml"
	kubernetes-validate --strict --quiet --no-warn "$work/all.yaml"
	node deploy/tests/kubernetes.mjs target/npm/node_modules "$work/all.yaml"
done

echo '-- ansible'
cd deploy/ansible
ansible-lint --offline --profile production --nocolor -q
