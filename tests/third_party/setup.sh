#!/bin/sh
# Installs the software that judges us, once: a Python environment and a folder of Node packages below
# target/third-party. Does nothing when what is there is of the versions pinned here.
# Needs python3 (3.11 or later), node (20 or later) and npm; on Debian also apt-get, for what is missing of a browser,
# which is installed as a package of the system, and of Prometheus' tool, which is only taken out of its package: the
# package itself would bring a service that runs from the next boot on.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target="$here/../../target/third-party"

# stamped NAME HASH COMMAND...: runs the command unless NAME was last installed from the same files.
stamped() {
    stamp="$target/$1.stamp"
    hash=$2
    shift 2
    if [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then
        return
    fi
    rm -f "$stamp"
    "$@"
    echo "$hash" > "$stamp"
}

install_python() {
    rm -rf "$target/venv"
    python3 -m venv "$target/venv"
    "$target/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    "$target/venv/bin/python" -m pip check --disable-pip-version-check
}

install_node() {
    rm -rf "$target/node"
    mkdir -p "$target/node"
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$target/node/"
    npm ci --prefix "$target/node" --ignore-scripts --no-audit --no-fund --loglevel=error
}

# The one native module is compiled where its maintainers offer nothing ready-made: some minutes, once.
install_servers() {
    rm -rf "$target/servers"
    mkdir -p "$target/servers"
    cp "$here/servers/package.json" "$here/servers/package-lock.json" "$here/servers/.npmrc" "$target/servers/"
    npm ci --prefix "$target/servers" --ignore-scripts --no-audit --no-fund --loglevel=error
    npm rebuild --prefix "$target/servers" better-sqlite3 --loglevel=error
}

# as_root COMMAND...: installing packages of the system takes its administrator.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo --non-interactive "$@"; fi
}

# packaged COMMAND PACKAGE: installs the package of the system unless the command is there.
packaged() {
    if command -v "$1" > /dev/null; then
        return
    fi
    echo "installing the Debian package $2 (about 300 MB), with root's rights"
    as_root apt-get update --quiet=2
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install --quiet=2 --yes --no-install-recommends "$2"
}

# unpacked COMMAND PACKAGE: takes the command out of the package unless it is there, and installs nothing.
unpacked() {
    if command -v "$1" > /dev/null || [ -x "$target/$1/usr/bin/$1" ]; then
        return
    fi
    echo "taking $1 out of the Debian package $2 (about 20 MB), which is not installed"
    rm -rf "${target:?}/$1"
    mkdir -p "$target/$1"
    fetched="$target/$1/fetched"
    mkdir "$fetched"
    # The option keeps apt from warning that it fetches as the user who asks.
    fetch="apt-get download --quiet=2 -o APT::Sandbox::User=root"
    (cd "$fetched" && $fetch "$2") || {
        as_root apt-get update --quiet=2
        (cd "$fetched" && $fetch "$2")
    }
    dpkg -x "$fetched"/*.deb "$fetched/all"
    mkdir -p "$target/$1/usr/bin"
    mv "$fetched/all/usr/bin/$1" "$target/$1/usr/bin/"
    rm -rf "$fetched"
}

mkdir -p "$target"
packaged chromium chromium
unpacked promtool prometheus
stamped venv "$( (python3 --version; cat "$here/requirements.txt") | cksum)" install_python
stamped node "$( (node --version; cat "$here/package-lock.json" "$here/.npmrc") | cksum)" install_node
stamped servers "$( (node --version; cat "$here/servers/package-lock.json" "$here/servers/.npmrc") | cksum)" install_servers
