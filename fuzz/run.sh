#!/usr/bin/env bash
# Runs the fuzz targets one after the other: fuzz/run.sh SECONDS [TARGET...], each that long, by default all.
# Needs the toolchain that everything else needs, and a C++ compiler for libFuzzer. Ends at the first finding,
# which lies in target/fuzz; what leads further is kept there too, beside the seeds of fuzz/seeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${1:?how many seconds for each target}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# Coverage of every edge and of every comparison. There is no unsafe code of ours that a sanitizer could watch.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
host=$(rustc -vV | sed -n 's/^host: //p')
# The versions that the program is built with.
cp ../Cargo.lock Cargo.lock
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../target}
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
cargo build --release --target "$host" "${bins[@]}"
built=$CARGO_TARGET_DIR/$host/release
found=$CARGO_TARGET_DIR/fuzz

for target in "${targets[@]}"; do
    echo "==> $target"
    mkdir -p "$found/$target"
    # One input takes thirty seconds at the most, on a busy machine, and all together 2 GB.
    "$built/$target" "$found/$target" "seeds/$target" -dict=words.dict -max_total_time="$seconds" \
        -max_len=16384 -timeout=30 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$found/$target-"
done
