# shellcheck shell=bash
# The tests: all of them, on real servers, with one plain line at the end.

# Tests that wait for servers, or measure, are done one after another. One that waits keeps a thread, of which there are
# as many as cores, and the time limit of all that have begun runs meanwhile: at once they would be judged by each
# other's waits. There are four lanes of them, side by side, for most of it is waiting; the first has all that use secured
# servers, which it starts once, the last the cases of the field.
ALONE='^(IntegrationTests|KafkaClientTests|PostgresClientTests|LedgerSinkTests)\.|^InventoryCoreTests\.CostTests'
FIRST='IntegrationTests\.(Runbook|Security|Certificate|OperatorRights|CoordinatorRights|OptimizerRights|StaticMember|Failover|Delay)Tests'
SECOND='IntegrationTests\.(Broker|Grow|Restore|AuditScale|Order|OrderMove|Contention|Optimizer)Tests'
FIELD='IntegrationTests\.FieldTests'

# The program with all tests, as `swift test --skip-build` would call it; that lets none run beside it.
TESTS=.build/release/holdfastPackageTests.xctest

# test_lanes LOG LANE...: runs of the tests, side by side; a lane is arguments, divided by spaces. Adds to the log, whole
# lines at a time. 1 if any failed.
test_lanes() {
    child bash -c '
        set -o pipefail
        log=$1 program=$2 code=0 lanes=()
        shift 2
        for lane in "$@"; do
            read -ra arguments <<<"$lane"
            NO_COLOR=1 stdbuf -oL "$program" --testing-library swift-testing "${arguments[@]}" 2>&1 |
                grep --line-buffered "" | tee -a "$log" &
            lanes+=($!)
        done
        for lane in "${lanes[@]}"; do wait "$lane" || code=1; done
        exit "$code"' _ "$1" "$TESTS" "${@:2}"
}

# run_tests [PATTERN]
run_tests() {
    local pattern=${1:-} code=0 log=$LOGS/test.log began=$SECONDS
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
        test_lanes "$log" "--no-parallel --filter $pattern" || code=$?
    else
        say "tests: those that need no server"
        test_lanes "$log" "--skip $ALONE" || code=$?
        say "tests: those on servers and those that measure, in four lanes ($((SECONDS - began)) s)"
        test_lanes "$log" "--no-parallel --filter $FIRST" "--no-parallel --filter $SECOND" \
            "--no-parallel --filter $ALONE --skip $FIRST|$SECOND|$FIELD" "--no-parallel --filter $FIELD" || code=$?
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
