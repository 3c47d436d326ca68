#!/usr/bin/env bash
# Plants bugs, one at a time, in a copy of the project, and demands of the tests that are named in each patch
# that they fail.
#
#   tests/planted/run.sh [NAME...]
#
# NAME is the beginning of a patch's name, such as `05`; without any, all are planted. Builds below
# CARGO_TARGET_DIR where that is set. Needs git, and what `cargo test` needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A test that hangs has caught nothing.
limit_seconds=900

patches=()
for patch in "$PWD"/tests/planted/*.patch; do
    name=$(basename "$patch" .patch)
    for wanted in "${@:-}"; do
        if [[ $name == "$wanted"* ]]; then
            patches+=("$patch")
            break
        fi
    done
done
if [ ${#patches[@]} = 0 ]; then
    echo "No planted bug begins with: $*" >&2
    exit 64
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CEILING_DIRECTORIES=$work
mkdir "$work/copy"
git ls-files -z | xargs -0 cp --parents --no-dereference --target-directory="$work/copy"
cd "$work/copy"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$work/target}

# The tests that a patch names, each as "lib PATH" or "it PATH".
named() {
    sed -n 's/^Caught-by: //p' "$@" | sort -u
}

# The choice of binary that cargo is given for "lib" or "it".
binary() {
    if [ "$1" = lib ]; then echo "--lib"; else echo "--test $1"; fi
}

# build KIND...: only what the named tests are in. A bug that does not compile is no bug.
build() {
    local kind choices=()
    for kind in "$@"; do
        read -ra choice <<<"$(binary "$kind")"
        choices+=("${choice[@]}")
    done
    cargo test --locked --quiet --no-run "${choices[@]}" >"$work/said" 2>&1
}

# verdict KIND TEST: "ok" or "FAILED" as the test ended, or nothing if it never came to an end.
verdict() {
    local choice
    read -ra choice <<<"$(binary "$1")"
    timeout "$limit_seconds" cargo test --locked "${choice[@]}" -- --exact "$2" >"$work/said" 2>&1 || true
    sed -nE "s/^test $2 \.\.\. (ok|FAILED)$/\1/p" "$work/said" | head -n 1
}

# What the test that failed complained of.
complaint() {
    grep -A 1 -m 1 'panicked at' "$work/said" | tail -n 1 | cut -c 1-110
}

echo "The tests by themselves:"
kinds=$(named "${patches[@]}" | cut -d' ' -f1 | sort -u)
# shellcheck disable=SC2086 # One word a kind.
build $kinds || { tail -n 40 "$work/said"; exit 1; }
while read -r kind test; do
    found=$(verdict "$kind" "$test")
    echo "  $test: ${found:-did not end}"
    if [ "$found" != ok ]; then
        tail -n 40 "$work/said"
        exit 1
    fi
done < <(named "${patches[@]}")

table=() missed=0
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch)
    echo "$name"
    git apply "$patch"
    kinds=$(named "$patch" | cut -d' ' -f1 | sort -u)
    # shellcheck disable=SC2086
    build $kinds || { echo "  does not compile:"; tail -n 40 "$work/said"; exit 1; }
    while read -r kind test; do
        start=$SECONDS
        found=$(verdict "$kind" "$test")
        seconds=$((SECONDS - start))
        caught=yes
        if [ "$found" != FAILED ]; then
            caught="NO (${found:-did not end})"
            missed=$((missed + 1))
        fi
        echo "  $test: caught: $caught"
        [ "$found" != FAILED ] || echo "    $(complaint)"
        table+=("$name|$test|$caught|$seconds")
    done < <(named "$patch")
    git apply --reverse "$patch"
done

echo
for row in "bug|test|caught|seconds" "${table[@]}"; do
    IFS='|' read -r name test caught seconds <<<"$row"
    printf '%-28s %-94s %-8s %7s\n' "$name" "$test" "$caught" "$seconds"
done
echo "${#patches[@]} bugs were planted; $missed of ${#table[@]} tests did not notice theirs."
[ "$missed" = 0 ]
