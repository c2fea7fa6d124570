# The role against localhost, twice: the second time finds nothing to do. Then what it did, and that it undoes it.
. /test/inside/common.sh

export PATH=$VENV/bin:$PATH ANSIBLE_CONFIG=/test/ansible/ansible.cfg ANSIBLE_HOME=/tmp/ansible ANSIBLE_NOCOLOR=1
printf '[bingo]\nlocalhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n[monitoring]\nlocalhost\n' > /test/hosts
cat > /test/variables.yml <<'END'
bingo_exporter_deb: /test/new.deb
bingo_exporter_rules: /test/rules
bingo_exporter_groups: [adm]
bingo_exporter_flags: {log.format: json, web.enable-lifecycle: true, web.listen-address: ["127.0.0.1:10352", "[::1]:10352"]}
bingo_exporter_config:
  sources: {access: {paths: [/var/log/nginx/access.log]}}
  endpoints:
    - {method: GET, path: "/api/movie/{id}", objectives: {availability: 0.99}}
END

play() {
	ansible-playbook --inventory /test/hosts --extra-vars @/test/variables.yml "$@" /test/ansible/site.yml
}

make_logs
echo 'rule_files: [/etc/prometheus/rules/*.yml]' > /etc/prometheus/prometheus.yml
systemctl start prometheus

echo '-- first run'
play > /test/first || { cat /test/first; fail 'the first run'; }
until_true 'the exporter to be ready' ready
requests 2
expect "$movies" 2
grep -q '"msg":"listening","address":"127.0.0.1:10352"' <(journalctl --unit bingo-exporter) || fail 'the flags are not in force'
curl --silent --fail --request POST localhost:10352/-/reload || fail 'a boolean flag is not in force'
for rules in /test/rules/*.yml; do
	curl --silent --fail localhost:9090/api/v1/rules | grep -q "/etc/prometheus/rules/bingo-${rules##*/}" ||
		fail "$rules is not in force"
done

echo '-- second run'
play > /test/second || { cat /test/second; fail 'the second run'; }
grep -q 'changed=0 .*failed=0' /test/second || { cat /test/second; fail 'the second run changed something'; }

echo '-- refuses what the exporter or the specs would refuse'
play --extra-vars '{"bingo_exporter_config": {"nonsense": 1}}' > /test/bad && fail 'took a bad configuration'
grep -q nonsense /test/bad || { cat /test/bad; fail 'does not say why'; }
play --extra-vars bingo_exporter_rules=/nowhere > /test/bad && fail 'took a directory without rules'
grep -q '/nowhere has no' /test/bad || { cat /test/bad; fail 'does not say that there are no rules'; }
play --extra-vars bingo_exporter_state=perhaps > /test/bad 2>&1 && fail 'took a bad state'
ready || fail 'a refused configuration ended the exporter'

echo '-- is removed'
play --extra-vars bingo_exporter_state=absent > /test/removed || { cat /test/removed; fail 'the removal'; }
[[ ! -e /etc/bingo-exporter && ! -e /etc/default/bingo-exporter && ! -e /var/lib/bingo-exporter ]] || fail 'something is left'
[[ ! -e /var/cache/bingo-exporter.deb ]] || fail 'the package is left'
compgen -G '/etc/prometheus/rules/bingo-*' > /dev/null && fail 'rules are left'
no_rules() {
	[[ $(curl --silent --fail localhost:9090/api/v1/rules) != *bingo* ]]
}
until_true 'Prometheus to have no rules' no_rules
id bingo-exporter > /dev/null 2>&1 && fail 'the user is left'
exit 0
