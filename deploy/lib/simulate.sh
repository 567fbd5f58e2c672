# shellcheck shell=bash
# The simulation: production code over a model of Kafka and PostgreSQL, in which seeded faults happen.

# run_simulate ARGUMENTS...: those of holdfast-simulate.
run_simulate() {
    step "build of the simulation" "$LOGS/simulate.build.log" "mend what the compiler names." \
        swift build "${SWIFT_OPTIONS[@]}" --product holdfast-simulate
    child "$PROJECT/.build/release/holdfast-simulate" "$@"
}
