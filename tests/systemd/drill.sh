#!/bin/bash
# Runs in a container that systemd has booted (see run.sh), and says what it sees.
set -euo pipefail

property() { systemctl show --property="$1" --value manntall; }
# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local seconds=$1 what=$2 start=$SECONDS
    shift 2
    until "$@"; do
        if ((SECONDS - start > seconds)); then
            echo "NOT SEEN: $what"
            systemctl --no-pager --full status manntall || true
            journalctl --no-pager -u manntall -n 30 || true
            exit 1
        fi
        sleep 0.2
    done
    echo "seen after $((SECONDS - start)) s: $what"
}

systemd-sysusers
systemd-tmpfiles --create manntall.conf
systemctl start simulated
wait_for 20 "the simulated services" test -s /run/simulated.json
head -1 /run/simulated.json >/run/answers.json
manntall init --answers /run/answers.json --source asker
echo "exposure: $(systemd-analyze security manntall | sed -n 's/^→ //p')"

systemctl start manntall
echo "started: ready, as systemctl start came back ($(property Type), $(property ActiveState))"
test "$(property ActiveState)" = active
wait_for 30 "a line about how it is" test -n "$(property StatusText)"
property StatusText
first=$(property MainPID)

wait_for 60 "accounts on the platform" sh -c 'manntall status 2>/dev/null | grep -q "accounts (5"'

systemctl reload manntall
sleep 1
test "$(property MainPID)" = "$first"
echo "reloaded: the same process goes on"
echo 'nonsense = 1' >>/etc/manntall/manntall.toml
systemctl reload manntall
sleep 1
test "$(property MainPID)" = "$first" && test "$(property ActiveState)" = active
sed -i '$d' /etc/manntall/manntall.toml
echo "reloaded with a wrong configuration: the same process goes on"

# The root may have been used before.
rm -f /run/copy /tmp/kari
manntall state verify
manntall state backup /run/copy
manntall log-level debug
test "$(stat -c '%U %a' /run/copy)" = "root 600"
echo "while it runs: verified, and copied to a place that the unit keeps closed to the service"

id leser >/dev/null 2>&1 || useradd --groups manntall leser
id kari >/dev/null 2>&1 || useradd --groups manntall,manntall-approve kari
runuser -u leser -- manntall status >/dev/null
runuser -u leser -- manntall state info >/dev/null
if runuser -u leser -- manntall state backup /tmp/leser; then exit 1; fi
if runuser -u leser -- manntall pause; then exit 1; fi
test ! -e /tmp/leser
runuser -u kari -- manntall state backup /tmp/kari
runuser -u kari -- manntall audit export | grep -q '"by":"kari"'
test "$(stat -c '%U %a' /tmp/kari)" = "kari 600"
echo "rights: who is in the group manntall looks, who is in manntall-approve takes a copy"

kill -STOP "$first"
killed() { test "$(property NRestarts)" -ge 1 && test "$(property ActiveState)" = active; }
wait_for 60 "a frozen loop killed by the watchdog, and a new process ready" killed
test "$(property MainPID)" != "$first"
journalctl -b --no-pager -u manntall | grep -i watchdog | head -2

systemctl stop manntall
test "$(property ActiveState)" = inactive
echo "stopped: $(property Result), exit code $(property ExecMainStatus)"
test "$(property Result)" = success

sed -i 's/^tenant_id.*/tenant_id = "nonsense"/' /etc/manntall/manntall.toml
if systemctl start manntall; then exit 1; fi
sleep 3
test "$(property ActiveState)" = failed
echo "a wrong configuration: refused at the start, and not tried again ($(property NRestarts) restarts)"
echo "All of it was seen."
