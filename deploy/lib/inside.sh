#!/usr/bin/env bash
# inside.sh SUBCOMMAND ...: the part of deploy/local that runs in the reference environment, as the
# first process of its namespace: when it ends, all that it started ends.
set -euo pipefail

PROJECT=$HOLDFAST_ROOT
LOGS=$PROJECT/.local/log
here=$PROJECT/deploy/lib
cd "$PROJECT"
# shellcheck source=deploy/lib/say.sh
. "$here/say.sh"
# shellcheck source=deploy/lib/build.sh
. "$here/build.sh"
# shellcheck source=deploy/lib/servers.sh
. "$here/servers.sh"
# shellcheck source=deploy/lib/tests.sh
. "$here/tests.sh"
# shellcheck source=deploy/lib/mutants.sh
. "$here/mutants.sh"
# shellcheck source=deploy/lib/fuzz.sh
. "$here/fuzz.sh"
# shellcheck source=deploy/lib/simulate.sh
. "$here/simulate.sh"
# shellcheck source=deploy/lib/micro.sh
. "$here/micro.sh"
# shellcheck source=deploy/lib/bench.sh
. "$here/bench.sh"
# shellcheck source=deploy/lib/scale.sh
. "$here/scale.sh"
# shellcheck source=deploy/lib/chaos.sh
. "$here/chaos.sh"

CHILD= # what runs in the foreground of this script

# child COMMAND...: with this terminal; a signal to this script reaches it too.
child() {
    local code=0
    # In the background, so that a trap runs at once; there SIGINT would be ignored without env's help.
    env --default-signal=INT,QUIT "$@" <&0 &
    CHILD=$!
    wait "$CHILD" || code=$?
    CHILD=
    return "$code"
}

finish() {
    local tries
    trap '' INT TERM HUP
    [ -z "${STEP_PROCESS:-}" ] || kill -TERM "$STEP_PROCESS" 2>/dev/null || true
    if [ -n "$CHILD" ]; then
        kill -TERM "$CHILD" 2>/dev/null || true
        for ((tries = 0; tries < 50; tries++)); do
            kill -0 "$CHILD" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$CHILD" 2>/dev/null || true
    fi
    chaos_end
    servers_end
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

run_demo() {
    local code=0
    build
    servers_begin
    [ -n "${KAFKA_BOOTSTRAP:-}" ] || fail "no Kafka for the demo: $HOLDFAST_NO_KAFKA_REASON." \
        "Mend that, or name a broker of your own with KAFKA_BOOTSTRAP=HOST:PORT."
    [ -n "${DATABASE_URL:-}" ] || fail "no PostgreSQL for the demo: $HOLDFAST_NO_POSTGRES_REASON." \
        "Mend that, or name a database of your own with DATABASE_URL=postgresql://..."
    say "holdfast demo $*"
    child "$PROJECT/.build/release/holdfast" demo "$@" || code=$?
    if [ "$code" -ne 0 ]; then
        say "the demo FAILED (exit code $code). What it printed above says where."
    fi
    if [ "$SERVERS" = run ]; then
        say "" "To look around afterwards, keep the servers:"
        say "    deploy/local up && deploy/local demo && deploy/local shell"
    else
        say "" "To look around: deploy/local shell, and in it"
    fi
    say "    psql \"\$DATABASE_URL\" -c '\\dt holdfast.*'" "    kcat -b \"\$KAFKA_BOOTSTRAP\" -L"
    return "$code"
}

run_format() {
    if [ "${1:-}" = --check ]; then
        step "format check" "$LOGS/format.log" "run 'deploy/local format' and commit what it changes." \
            swift format lint -r --strict Sources Tests Package.swift
    else
        step "format" "$LOGS/format.log" "the log names the file and line." \
            swift format -i -r Sources Tests Package.swift
    fi
}

run_shell() {
    servers_of_up || true
    export PATH=$PROJECT/.build/release:$PATH
    if [ $# -gt 0 ]; then
        child bash -c "$1"
    else
        say "In the reference environment; leave it with 'exit'." \
            "Kafka: ${KAFKA_BOOTSTRAP:-none (deploy/local up starts one)}" \
            "PostgreSQL: ${DATABASE_URL:-none (deploy/local up starts one)}"
        PS1='holdfast:\w\$ ' child bash --norc -i
    fi
}

subcommand=$1
shift
case $subcommand in
    build) build ;;
    demo) run_demo "$@" ;;
    chaos) run_chaos "$@" ;;
    bench) run_bench "$@" ;;
    scale) run_scale "$@" ;;
    size) run_size "$@" ;;
    test) run_tests "$@" ;;
    mutants) run_mutants "$@" ;;
    fuzz) run_fuzz "$@" ;;
    simulate) run_simulate "$@" ;;
    micro) run_micro "$@" ;;
    shell) run_shell "$@" ;;
    format) run_format "$@" ;;
    hold) servers_hold ;;
    wipe) servers_wipe ;;
esac
