# shellcheck shell=bash
# The tests: all of them, on real servers, with one plain line at the end.

# The suites that start servers of their own or run long are done by parts, one after another: tests that wait keep a
# thread each, of which there are as many as cores, and the time of those behind them runs meanwhile.
LONG_SUITES=(
    'IntegrationTests\.(Runbook|Security|Certificate|OperatorRights|CoordinatorRights)Tests'
    'IntegrationTests\.(Broker|StaticMember|Failover|Restore|Delay|AuditScale|Grow)Tests'
)

# test_part LOG ARGUMENT...: one run of the tests; adds to the log.
test_part() {
    local log=$1
    shift
    child bash -c 'set -o pipefail; log=$1; shift; "$@" 2>&1 | tee -a "$log"' _ "$log" \
        swift test "${SWIFT_OPTIONS[@]}" --skip-build --disable-xctest "$@"
}

# run_tests [PATTERN]
run_tests() {
    local pattern=${1:-} code=0 log=$LOGS/test.log began=$SECONDS part skips=()
    rm -f "$LOGS/test.line"
    build
    servers_begin
    if [ -n "${CI:-}" ]; then
        [ -n "${KAFKA_BOOTSTRAP:-}" ] || fail "no Kafka: $HOLDFAST_NO_KAFKA_REASON." "With CI set that is a failure."
        [ -n "${DATABASE_URL:-}" ] || fail "no PostgreSQL: $HOLDFAST_NO_POSTGRES_REASON." "With CI set that is a failure."
    fi
    export HOLDFAST_BINARY=$PROJECT/.build/release/holdfast HOLDFAST_TEST_SERVERS=1
    : >"$log"
    if [ -n "$pattern" ]; then
        say "tests that match '$pattern'"
        test_part "$log" --filter "$pattern" || code=$?
    else
        for part in "${LONG_SUITES[@]}"; do skips+=(--skip "$part"); done
        say "tests: all but the long suites"
        test_part "$log" "${skips[@]}" || code=$?
        for part in "${LONG_SUITES[@]}"; do
            say "tests: $part ($((SECONDS - began)) s)"
            test_part "$log" --filter "$part" || code=$?
        done
    fi
    say "tests: ended after $((SECONDS - began)) s; the whole log: $log"
    report_tests "$log" "$code" "$pattern" | tee "$LOGS/test.line"
}

# report_tests LOG CODE PATTERN: the plain line; returns 1 unless tests ran and all passed.
report_tests() {
    local log=$1 code=$2 pattern=$3 passed failed skipped
    read -r passed failed skipped < <(count_tests <"$log")
    [ -z "${HOLDFAST_NO_KAFKA_REASON:-}" ] || say "without Kafka: $HOLDFAST_NO_KAFKA_REASON"
    [ -z "${HOLDFAST_NO_POSTGRES_REASON:-}" ] || say "without PostgreSQL: $HOLDFAST_NO_POSTGRES_REASON"
    if [ "$skipped" -gt 0 ]; then
        say "skipped:"
        grep -E '^[^ ]+ +(Test|Suite) .* skipped' "$log" | sed -E 's/^[^ ]+ +(Test|Suite) /    /' | sort >&2
    fi
    if [ "$failed" -gt 0 ]; then
        say "failed:"
        failed_tests <"$log" | sed 's/^/    /' >&2
    fi
    if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then
        say "the tests ended with exit code $code, though none is said to have failed; that counts as a failure."
        failed=1
    fi
    if [ $((passed + failed)) -eq 0 ]; then
        say "no test ran${pattern:+: none matches '$pattern'}. That is a failure."
        code=1
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$code" -eq 0 ] && [ "$failed" -eq 0 ]
}

# The lines of Swift Testing: a sign, then
#   Test NAME started. / passed after ... / failed after ... / skipped: "reason"
# A test that started and never ended (a crash) has failed.
count_tests() {
    awk '
        /^[^ ]+ +Test run /{ next }
        /^[^ ]+ +Test .* started\.$/ { started++ }
        /^[^ ]+ +Test .* passed after / { passed++ }
        /^[^ ]+ +Test .* failed after / { failed++ }
        /^[^ ]+ +Test .* skipped(:|\.)/ { skipped++ }
        END { if (started > passed + failed) failed = started - passed; print passed + 0, failed + 0, skipped + 0 }'
}

failed_tests() {
    awk '
        /^[^ ]+ +Test run /{ next }
        /^[^ ]+ +Test .* started\.$/ { name = $0; sub(/^[^ ]+ +Test /, "", name); sub(/ started\.$/, "", name); open[name] = 1 }
        /^[^ ]+ +Test .* (passed|failed) after / {
            name = $0; sub(/^[^ ]+ +Test /, "", name); failed = name ~ / failed after /
            sub(/ (with [0-9]+ test cases? )?(passed|failed) after .*$/, "", name)
            delete open[name]
            if (failed) print name
        }
        END { for (name in open) print name " (did not end)" }'
}
