#!/usr/bin/env bash
# Builds the Debian package into target/debian. Needs cargo-deb (cargo install cargo-deb --locked).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked
rm -rf target/shipped
"$target/release/manntall" generate target/shipped
gzip -9nf target/shipped/man/*.1
cargo deb --no-build --locked "$@"
