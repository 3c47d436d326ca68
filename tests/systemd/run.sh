#!/usr/bin/env bash
# Holds the units to what they promise: exposure at most 1.2, nothing for `systemd-analyze verify` to say, the
# template like the unit. Where a root of a Linux with systemd is given, it also runs the service under a real
# systemd in a container: started, ready, reloaded, killed by the watchdog when frozen, restarted, stopped.
#
#   tests/systemd/run.sh [PROGRAM [ROOT]]
#
# PROGRAM is the manntall to run, by default target/debug/manntall; ROOT a folder made for example by
#   debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus bookworm ROOT
# It is used as it is and written to, so give one that is for this. Needs root and systemd-nspawn.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
program=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/debug/manntall}")
root=${2:-}
threshold=12 # a tenth of it is the exposure

if ! command -v systemd-analyze >/dev/null; then
    echo "There is no systemd-analyze here: NOTHING was checked."
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for unit in manntall.service manntall@.service; do
    sed "s|/usr/bin/manntall|$program|" "systemd/$unit" >"$work/$unit"
    systemd-analyze security --offline=true --threshold=$threshold "$work/$unit" >"$work/score"
    echo "$unit: $(sed -n 's/^→ //p' "$work/score")"
done
cp "$work/manntall@.service" "$work/manntall@asker.service"
for unit in manntall.service manntall@asker.service; do
    said=$(systemd-analyze verify --man=no "$work/$unit" 2>&1 || echo "failed")
    # Of other units of this machine we know nothing.
    said=$(grep -i manntall <<<"$said" || true)
    if [ -n "$said" ]; then
        echo "verify $unit: $said"
        exit 1
    fi
    echo "$unit: nothing to complain of"
done
diff <(sed '1,/^\[Unit\]/d; s/ (%i)//; s/%i\.toml/manntall.toml/; s/manntall[-\/]%i/manntall/; s/manntall@/manntall/' \
    systemd/manntall@.service) <(sed '1,/^\[Unit\]/d' systemd/manntall.service)
echo "The template is the unit, but for its names."

if [ -z "$root" ]; then
    echo "No root for a container was given: the service was NOT run under systemd."
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v systemd-nspawn >/dev/null; then
    echo "This needs root and systemd-nspawn: the service was NOT run under systemd."
    exit 1
fi

install -D -m 0755 "$program" "$root/usr/bin/manntall"
install -D -m 0644 -t "$root/etc/systemd/system" systemd/manntall.service
install -D -m 0644 systemd/manntall.sysusers "$root/usr/lib/sysusers.d/manntall.conf"
install -D -m 0644 systemd/manntall.tmpfiles "$root/usr/lib/tmpfiles.d/manntall.conf"
install -D -m 0755 tests/systemd/drill.sh "$root/drill.sh"
rm -rf "$root/etc/manntall" "$root/var/lib/manntall" "$root/drill.log"
# So that three minutes of the watchdog need not be waited for.
mkdir -p "$root/etc/systemd/system/manntall.service.d"
printf '[Service]\nWatchdogSec=6s\nRestartSec=1s\n' >"$root/etc/systemd/system/manntall.service.d/drill.conf"
cat >"$root/etc/systemd/system/simulated.service" <<'UNIT'
[Service]
ExecStart=/usr/bin/manntall simulate --users 60
StandardOutput=file:/run/simulated.json
UNIT
cat >"$root/etc/systemd/system/drill.service" <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/drill.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/drill.log
StandardError=file:/drill.log
TimeoutStartSec=180
[Install]
WantedBy=multi-user.target
UNIT
ln -sf ../drill.service "$root/etc/systemd/system/multi-user.target.wants/drill.service"
timeout 300 systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit \
    >"$work/boot" 2>&1 </dev/null || true
cat "$root/drill.log" 2>/dev/null || { tail -20 "$work/boot"; echo "The container did not boot: the service was NOT run under systemd."; exit 1; }
grep -qx "All of it was seen." "$root/drill.log"
