# shellcheck shell=bash
# The one build that demo and test share: release, with the tests, warnings are errors.

SWIFT_OPTIONS=(-c release -Xswiftc -warnings-as-errors)

build() {
    pkg-config --atleast-version=2.8 rdkafka ||
        fail "librdkafka is $(pkg-config --modversion rdkafka 2>/dev/null || echo missing); it must be 2.8 or later." \
            "Older ones have bugs with compaction and transactions. Debian 13 has 2.8: see docs/local.md."
    step "build" "$LOGS/build.log" "mend what the compiler names, then deploy/local build." \
        swift build "${SWIFT_OPTIONS[@]}" --build-tests
}

# build_program: the executable alone.
build_program() {
    step "build" "$LOGS/build.log" "mend what the compiler names, then deploy/local build." \
        swift build "${SWIFT_OPTIONS[@]}" --product holdfast
}
