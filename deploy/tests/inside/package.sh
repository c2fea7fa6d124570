# The package: installed, in use, upgraded, restarted, by socket, purged.
. /test/inside/common.sh

# Every file with its kind, owner and mode, but for what keeps record of the install itself, and the users.
files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /test -o -path /var/log/journal \
		-o -path /var/log/apt -o -path '/etc/*shadow-' -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/tmp \) -prune \
		-o -printf '%p %y %u:%g %m\n' | sort
	sort /etc/passwd /etc/group /etc/shadow /etc/gshadow
}

make_logs
files > /test/before

echo '-- installs and serves'
apt-get install -qq -y /test/old.deb > /dev/null
until_true 'the service to be ready' ready
systemctl is-active --quiet bingo-exporter
systemctl is-enabled --quiet bingo-exporter
[[ $(dpkg-query --show --showformat '${Version}' bingo-exporter) == 0.0.1-1 ]]
for file in man/man1/bingo-exporter.1.gz bash-completion/completions/bingo-exporter doc/bingo-exporter/copyright; do
	[[ -s /usr/share/$file ]] || fail "$file is missing"
done

[[ $(systemctl is-active bingo-exporter.socket) == inactive ]] || fail 'the socket is in use unasked'

echo '-- reads both logs as their writers made them'
requests 3
heartbeat
expect "$movies" 3
expect "$heartbeats" 1
until_true 'the status line' sh -c 'systemctl status bingo-exporter | grep -q "Status: .following 2 files"'

echo '-- runs as nobody else and cannot write them'
[[ $(stat -c %U "/proc/$(main_pid)") == bingo-exporter ]] || fail 'another user'
grep -q '^CapEff:	0000000000000000$' "/proc/$(main_pid)/status"
grep -q '^Seccomp:	2$' "/proc/$(main_pid)/status"
for log in /var/log/nginx/access.log /opt/bongo/logs/3a956b711f/main.log; do
	runuser -u bingo-exporter -- test -r $log || fail "$log cannot be read"
	runuser -u bingo-exporter -- test -w $log && fail "$log can be written"
	# Seen through its mounts, not even root may.
	error=$( (echo >> "/proc/$(main_pid)/root$log") 2>&1) && fail "$log is not read-only for the service"
	[[ $error == *Read-only* ]] || fail "$log: $error"
done
[[ $(stat -c '%U %a' /var/lib/bingo-exporter) == 'bingo-exporter 700' ]] || fail 'the state is open to others'

echo '-- is reloaded, and started anew when it hangs'
systemctl reload bingo-exporter
expect "$movies" 3
mkdir -p /run/systemd/system/bingo-exporter.service.d
printf '[Service]\nWatchdogSec=3s\n' > /run/systemd/system/bingo-exporter.service.d/test.conf
systemctl daemon-reload
systemctl restart bingo-exporter
hung=$(main_pid)
kill -STOP "$hung"
until_true 'the watchdog' sh -c "[ \$(systemctl show --property MainPID --value bingo-exporter) != $hung ]"
until_true 'the service to be ready again' ready
journalctl --unit bingo-exporter | grep -q 'Watchdog timeout' || fail 'not by the watchdog'
expect "$movies" 3
rm -r /run/systemd/system/bingo-exporter.service.d
systemctl daemon-reload

echo '-- is upgraded and goes on counting'
requests 2
apt-get install -qq -y /test/new.deb > /dev/null
until_true 'the service to be ready' ready
[[ $(dpkg-query --show --showformat '${Version}' bingo-exporter) != 0.0.1-1 ]]
requests 1
expect "$movies" 6
expect "$heartbeats" 1

echo '-- by socket, without a network'
systemctl stop bingo-exporter
mkdir -p /etc/systemd/system/bingo-exporter.service.d
cp /usr/share/doc/bingo-exporter/examples/no-network.conf /etc/systemd/system/bingo-exporter.service.d/
cp /usr/share/doc/bingo-exporter/examples/bingo-exporter.socket /etc/systemd/system/
systemctl daemon-reload
systemctl enable --quiet --now bingo-exporter.socket
requests 1
expect "$movies" 7
[[ $(grep -c : "/proc/$(main_pid)/net/dev") == 1 ]] || fail 'it has a network'
systemctl disable --quiet --now bingo-exporter.socket 2> /dev/null
rm -r /etc/systemd/system/bingo-exporter.service.d /etc/systemd/system/bingo-exporter.socket
systemctl daemon-reload
systemctl restart bingo-exporter

echo '-- a bad configuration is told and not tried again and again'
echo 'nonsense: 1' >> /etc/bingo-exporter/config.yaml
systemctl restart bingo-exporter 2> /dev/null && fail 'started with a bad configuration'
[[ $(systemctl show --property ExecMainStatus --value bingo-exporter) == 2 ]]
systemctl is-failed --quiet bingo-exporter
journalctl --unit bingo-exporter | grep -q 'config.yaml:.*nonsense' || fail 'the mistake is not told'

echo '-- is purged and leaves nothing'
apt-get purge -qq -y bingo-exporter > /dev/null
systemctl daemon-reload
files > /test/after
diff /test/before /test/after || fail 'something is left or gone'
