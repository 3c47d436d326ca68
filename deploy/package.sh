#!/usr/bin/env bash
# Builds the Debian package into target/debian. Needs cargo-deb (cargo install cargo-deb --locked).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --release --locked
shipped=target/shipped # where Cargo.toml looks for it, wherever the build is
rm -rf "$shipped"
"${CARGO_TARGET_DIR:-target}/release/manntall" generate "$shipped"
gzip -9nf "$shipped"/man/*.1
gzip -9nc CHANGELOG.md >"$shipped/changelog.gz"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
cat >"$shipped/changelog.Debian" <<CHANGES
manntall ($version-1) unstable; urgency=medium

  * Packaged as released; what is new is in changelog.gz.

 -- The Manntall project <manntall@example.no>  $(git log -1 --format=%cD 2>/dev/null || date -R)
CHANGES
cargo deb --no-build --locked "$@"
