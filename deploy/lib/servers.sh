# shellcheck shell=bash
# Part of deploy/lib/inside.sh, which sets PROJECT, LOGS and here.
# Which Kafka and PostgreSQL a run uses: the user's own (KAFKA_BOOTSTRAP, DATABASE_URL), else those of
# `deploy/local up`, else servers of this run, which end with it and leave nothing.

SERVERS=none # none; up: those of `deploy/local up`; run: those of this run
RUN=         # the folder of this run's servers
UP=$PROJECT/.local/up

# up_runs: whether `deploy/local up` keeps servers (its lock is held as long as they live).
up_runs() { [ -e "$UP/lock" ] && [ -e "$UP/env" ] && ! flock -s -n "$UP/lock" true; }

# servers_of_up: the addresses of the servers of `up`, unless the user named others. 1 if it does not run.
servers_of_up() {
    local kafka=${KAFKA_BOOTSTRAP:-} postgres=${DATABASE_URL:-}
    up_runs || return 1
    # shellcheck source=/dev/null
    . "$UP/env"
    export KAFKA_BOOTSTRAP=${kafka:-${KAFKA_BOOTSTRAP:-}} DATABASE_URL=${postgres:-${DATABASE_URL:-}}
    SERVERS=up
}

# servers_begin: sets KAFKA_BOOTSTRAP and DATABASE_URL, or HOLDFAST_NO_KAFKA_REASON and
# HOLDFAST_NO_POSTGRES_REASON for what cannot be had.
servers_begin() {
    if servers_of_up; then
        say "servers: those of 'deploy/local up'"
        return
    fi
    remove_old_runs
    mkdir -p "$PROJECT/.local"
    RUN=$(mktemp -d "$PROJECT/.local/run-XXXXXX")
    chmod 755 "$RUN"
    SERVERS=run
    # Held until this run ends, so that another can tell a live folder from a forgotten one.
    exec 5>"$RUN/lock"
    flock 5
    watch_over "$RUN"
    start_servers "$RUN"
}

# start_servers FOLDER: those that the user did not name, both at once.
start_servers() {
    local folder=$1 kafka=${KAFKA_BOOTSTRAP:-} postgres=${DATABASE_URL:-} kafka_process='' postgres_process='' began=$SECONDS
    say "Kafka and PostgreSQL: starting"
    mkdir -p "$LOGS"
    if [ -n "$kafka" ]; then
        say "Kafka: $kafka, from KAFKA_BOOTSTRAP"
    elif [ -z "${HOLDFAST_NO_KAFKA_REASON:-}" ]; then
        bash "$here/kafka-server.sh" start "$folder/kafka" 0 >"$folder/kafka.out" 2>"$LOGS/kafka.log" 5>&- &
        kafka_process=$!
    fi
    if [ -n "$postgres" ]; then
        say "PostgreSQL: ${postgres//:*@/:***@}, from DATABASE_URL"
    else
        bash "$here/postgres-server.sh" start "$folder/postgres" 0 >"$folder/postgres.out" 2>"$LOGS/postgres.log" 5>&- &
        postgres_process=$!
    fi
    if [ -n "$kafka_process" ]; then
        if wait "$kafka_process"; then
            KAFKA_BOOTSTRAP=$(tail -n 1 "$folder/kafka.out")
            say "Kafka: ready at $KAFKA_BOOTSTRAP ($((SECONDS - began)) s)"
        else
            cat "$LOGS/kafka.log" >&2
            HOLDFAST_NO_KAFKA_REASON="Kafka did not start (see $LOGS/kafka.log)"
        fi
    fi
    if [ -n "$postgres_process" ]; then
        if wait "$postgres_process"; then
            DATABASE_URL=$(tail -n 1 "$folder/postgres.out")
            cat "$LOGS/postgres.log" >&2
            say "PostgreSQL: ready at $DATABASE_URL ($((SECONDS - began)) s)"
        else
            cat "$LOGS/postgres.log" >&2
            HOLDFAST_NO_POSTGRES_REASON="PostgreSQL did not start (see $LOGS/postgres.log)"
        fi
    fi
    if [ -n "${KAFKA_BOOTSTRAP:-}" ]; then export KAFKA_BOOTSTRAP; else export HOLDFAST_NO_KAFKA_REASON && unset KAFKA_BOOTSTRAP; fi
    if [ -n "${DATABASE_URL:-}" ]; then export DATABASE_URL; else export HOLDFAST_NO_POSTGRES_REASON && unset DATABASE_URL; fi
}

# end_servers FOLDER HOW: HOW is stop or kill.
end_servers() {
    local folder=$1 how=$2
    bash "$here/kafka-server.sh" "$how" "$folder/kafka" 5>&- &
    bash "$here/postgres-server.sh" "$how" "$folder/postgres" 5>&- || true
    wait $! || true
}

remove_servers() {
    bash "$here/kafka-server.sh" wipe "$1/kafka" && bash "$here/postgres-server.sh" wipe "$1/postgres" && rm -rf -- "$1"
}

# servers_end: at the end of a run. Its data goes, so its servers need no orderly stop.
servers_end() {
    [ -n "$RUN" ] || return 0
    end_servers "$RUN" kill
    remove_servers "$RUN" || say "could not remove $RUN."
    RUN=
}

# remove_old_runs: what runs that were killed left behind.
remove_old_runs() {
    local folder
    for folder in "$PROJECT"/.local/run-*/; do
        folder=${folder%/}
        if [ -e "$folder/lock" ] && flock -n "$folder/lock" true; then
            end_servers "$folder" kill
            remove_servers "$folder" || say "could not remove $folder."
        fi
    done
}

# watch_over FOLDER: where this script is not the first process of a namespace, someone else must end
# the servers if it is killed.
watch_over() {
    [ $$ -ne 1 ] || return 0
    # shellcheck disable=SC2016 # expanded by the inner shell
    setsid bash -c 'tail --pid="$1" -f /dev/null
        bash "$2/kafka-server.sh" kill "$3/kafka"; bash "$2/postgres-server.sh" kill "$3/postgres"' \
        _ $$ "$here" "$1" >/dev/null 2>&1 </dev/null 4>&- 5>&- &
}

# servers_hold: what `deploy/local up` leaves running. Ends on SIGTERM, in order: the data is kept.
servers_hold() {
    rm -f "$UP/env"
    watch_over "$UP"
    start_servers "$UP"
    if [ -z "${KAFKA_BOOTSTRAP:-}" ] || [ -z "${DATABASE_URL:-}" ]; then
        end_servers "$UP" stop
        fail "not all servers are running: ${HOLDFAST_NO_KAFKA_REASON:-} ${HOLDFAST_NO_POSTGRES_REASON:-}"
    fi
    printf 'KAFKA_BOOTSTRAP=%q\nDATABASE_URL=%q\n' "$KAFKA_BOOTSTRAP" "$DATABASE_URL" >"$UP/env.partial"
    mv "$UP/env.partial" "$UP/env"
    trap 'rm -f "$UP/env"; end_servers "$UP" stop' EXIT
    sleep infinity &
    wait $!
}

servers_wipe() { remove_servers "$UP"; }
