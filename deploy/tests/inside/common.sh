# What the parts share.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# until_true WHAT COMMAND…: waits for it, a minute at most.
until_true() {
	local what=$1 end=$((SECONDS + 60))
	shift
	until "$@"; do
		((SECONDS < end)) || fail "waited a minute for $what"
		sleep 0.1
	done
}

ask() {
	curl --silent --fail --max-time 5 "http://localhost:10352$1"
}

ready() {
	ask /-/ready > /dev/null
}

# value 'SERIES': its value now, empty where there is none.
value() {
	ask /metrics | awk -v series="$1" 'index($0, series " ") == 1 { print $2 }'
}

is() {
	[[ $(value "$1") == "$2" ]]
}

expect() {
	until_true "$1 to be $2, not $(value "$1")" is "$1" "$2"
}

main_pid() {
	systemctl show --property MainPID --value bingo-exporter
}

# requests N: the proxy's, written by the user it runs as.
requests() {
	local line='{"time":"2026-01-09T10:00:00+00:00","request":"GET /api/movie/1 HTTP/1.1","status":"200","request_time":"0.005"}'
	for ((i = 0; i < $1; i++)); do
		echo "$line"
	done | runuser -u www-data -- tee -a /var/log/nginx/access.log > /dev/null
}

# Both logs, owned and with the modes that their writers give them.
make_logs() {
	install -o www-data -g adm -m 0640 /dev/null /var/log/nginx/access.log
	id bingo > /dev/null 2>&1 || useradd --system --no-create-home bingo
	install -d -o bingo -g bingo -m 0755 /opt/bongo/logs/3a956b711f
	runuser -u bingo -- touch /opt/bongo/logs/3a956b711f/main.log
}

heartbeat() {
	echo '{"level":"debug","timestamp":"2026-01-09T10:00:00.000Z","msg":"I am alive.","os_env":["SECRET=hunter2"]}' |
		runuser -u bingo -- tee -a /opt/bongo/logs/3a956b711f/main.log > /dev/null
}

movies='bingo_http_requests_total{route="/api/movie/{id}",method="GET",code="200"}'
heartbeats='bingo_app_events_total{log_id="3a956b711f",event="heartbeat"}'
