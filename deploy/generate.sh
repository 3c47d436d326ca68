#!/usr/bin/env bash
# Makes anew what is made from the program itself and kept in the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cargo run --quiet --locked -- generate "$folder"
mkdir -p docs/reference
cp "$folder"/reference/*.md docs/reference/
cp "$folder/manntall.schema.json" deploy/manntall.schema.json
