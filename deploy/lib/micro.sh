# shellcheck shell=bash
# The microbenchmark: what a command costs, without Kafka (docs/benchmarks-micro.md).

# run_micro ARGUMENTS...: those of holdfast-micro; with --check alone, against the figures of deploy/bench.
run_micro() {
    step "build of the microbenchmark" "$LOGS/micro.build.log" "mend what the compiler names." \
        swift build "${SWIFT_OPTIONS[@]}" --product holdfast-micro
    [ "$*" != --check ] || set -- --check "$PROJECT/deploy/bench/micro.json"
    child "$PROJECT/.build/release/holdfast-micro" "$@"
}
