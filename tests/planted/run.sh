#!/usr/bin/env bash
# Plants bugs, one at a time, in a copy of the project, and demands of the tests that are named in each patch
# that they fail. First it demands that they pass.
#
#   tests/planted/run.sh [NAME...]
#
# NAME is the beginning of a patch's name, such as `05`; without any, all are planted. Builds below
# CARGO_TARGET_DIR where that is set. Needs git, and what `cargo test` needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A test that hangs has caught nothing.
limit_seconds=1800

patches=()
for patch in "$PWD"/tests/planted/*.patch; do
    for wanted in "${@:-}"; do
        if [[ $(basename "$patch") == "$wanted"* ]]; then
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
# The copy is no part of a repository that the folder for temporary files may lie in.
export GIT_CEILING_DIRECTORIES=$work
mkdir "$work/copy"
git ls-files -z | xargs -0 cp --parents --no-dereference --target-directory="$work/copy"
cd "$work/copy"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$work/target}

# named PATCH...: the tests that they name, each as "lib PATH" or "it PATH".
named() {
    sed -n 's/^Caught-by: //p' "$@" | sort -u
}

# run_tests PATCH...: builds what the named tests are in, and runs them.
run_tests() {
    local binaries=() tests=() kind test
    while read -r kind test; do
        tests+=("$test")
    done < <(named "$@")
    for kind in $(named "$@" | cut -d ' ' -f 1 | uniq); do
        case $kind in
            lib) binaries+=(--lib) ;;
            *) binaries+=(--test "$kind") ;;
        esac
    done
    timeout "$limit_seconds" cargo test --locked --no-fail-fast "${binaries[@]}" -- --exact "${tests[@]}" \
        >"$work/said" 2>&1 || true
}

# ended TEST: "ok" or "FAILED" as the test ended. A bug that does not compile, or a test that does not come to
# its end, gives neither.
ended() {
    sed -nE "s/^test $1 \.\.\. (ok|FAILED)$/\1/p" "$work/said" | head -n 1
}

# complaint TEST: what it failed by.
complaint() {
    sed -n "/^---- $1 stdout ----/,\$p" "$work/said" | grep -A 1 -m 1 'panicked at' | tail -n 1 | cut -c 1-100
}

run_tests "${patches[@]}"
while read -r kind test; do
    found=$(ended "$test")
    if [ "$found" != ok ]; then
        tail -n 60 "$work/said"
        echo "Without any bug, $test should be ok: ${found:-it did not end}"
        exit 1
    fi
done < <(named "${patches[@]}")
echo "Without any bug all of the tests pass: $(named "${patches[@]}" | wc -l)"

row='%-28s %-36s %-7s %8s\n'
# shellcheck disable=SC2059 # The rows have one form.
printf "$row" bug test caught seconds
missed=0
for patch in "${patches[@]}"; do
    start=$SECONDS
    git apply "$patch"
    run_tests "$patch"
    git apply --reverse "$patch"
    while read -r kind test; do
        found=$(ended "$test")
        caught=yes
        if [ "$found" != FAILED ]; then
            caught="NO"
            missed=$((missed + 1))
        fi
        # shellcheck disable=SC2059
        printf "$row" "$(basename "$patch" .patch)" "$kind ${test%%::*}" "$caught" $((SECONDS - start))
        echo "    ${test##*::}: $(complaint "$test")"
        [ "$caught" = yes ] || tail -n 60 "$work/said"
    done < <(named "$patch")
done

echo "${#patches[@]} bugs were planted; $missed tests did not notice theirs."
[ "$missed" = 0 ]
