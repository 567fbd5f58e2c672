# shellcheck shell=bash
# A peer of the benchmark: reservations as PostgreSQL transactions (deploy/bench/postgres, README.md there).
# For use in the reference environment, after say.sh:
#   bench_postgres FILE SECONDS [LOAD...]   measures each form under each load (hot, uniform, zipf; default all) for
#       SECONDS each, against $DATABASE_URL, and adds a line of JSON for each to FILE. 1 if something is wrong with
#       the books afterwards or cannot be measured. It makes the schema `bench` there, and drops it.
# Variables: HOLDFAST_BENCH_ROWS, the number of SKUs (1000000); HOLDFAST_BENCH_CLIENTS, the connections, instead of
# those that were found best; HOLDFAST_BENCH_FORMS, instead of all of them.
# By hand, with the servers of `deploy/local up`:
#   deploy/local shell -c '. deploy/lib/say.sh; . deploy/lib/bench-postgres.sh; bench_postgres .local/peers.jsonl 5 hot'

PROJECT=${PROJECT:-$HOLDFAST_ROOT}
LOGS=${LOGS:-$PROJECT/.local/log}

# synchronous_commit is on, as the broker's acknowledgement of ours is for what it has in its log; and in PostgreSQL
# a commit is on the disk.
bench_postgres_environment() {
    export PGOPTIONS='-c synchronous_commit=on -c client_min_messages=warning'
    PATH=$PATH:/usr/lib/postgresql/17/bin
}

# Of 8, 16, 32 and 64 those that did most commands a second, all forms taken together
# (deploy/bench/postgres/README.md): behind a hot row more of them only make the queue longer.
bench_postgres_clients() {
    if [ -n "${HOLDFAST_BENCH_CLIENTS:-}" ]; then
        echo "$HOLDFAST_BENCH_CLIENTS"
    elif [ "$1" = uniform ]; then
        echo 64
    else
        echo 8
    fi
}

# In a process of its own, so that a trap of the caller runs at once; STEP_PROCESS is what the caller's trap ends.
bench_postgres() {
    local code=0
    (bench_postgres_run "$@") &
    STEP_PROCESS=$!
    wait "$STEP_PROCESS" || code=$?
    STEP_PROCESS=
    return "$code"
}

bench_postgres_run() {
    local file=$1 seconds=$2 rows=${HOLDFAST_BENCH_ROWS:-1000000} load form code=0 loads forms
    shift 2
    loads=("$@")
    [ $# -gt 0 ] || loads=(hot uniform zipf)
    read -ra forms <<<"${HOLDFAST_BENCH_FORMS:-row-lock row-lock-statements optimistic conditional}"
    STEP_PROCESS=
    bench_postgres_environment
    BENCH_POSTGRES_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/bench-postgres-XXXXXX")
    trap 'bench_postgres_end' EXIT
    trap 'exit 143' TERM
    step "PostgreSQL: $rows rows" "$LOGS/bench-postgres.log" "the log has what psql said." \
        psql -X -q "$DATABASE_URL" -v "rows=$rows" -f "$PROJECT/deploy/bench/postgres/schema.sql" \
        -c 'VACUUM (ANALYZE) bench.stock' || return 1
    for load in "${loads[@]}"; do
        for form in "${forms[@]}"; do
            bench_postgres_measure "$file" "$seconds" "$rows" "$load" "$form" || code=1
        done
    done
    bench_postgres_check || code=1
    return "$code"
}

bench_postgres_end() {
    trap '' TERM
    [ -z "$STEP_PROCESS" ] || kill -TERM "$STEP_PROCESS" 2>/dev/null
    # What was interrupted may still hold locks for a moment.
    PGOPTIONS="$PGOPTIONS -c lock_timeout=10s" psql -X -q "$DATABASE_URL" \
        -c 'DROP SCHEMA IF EXISTS bench CASCADE' || say "the schema bench could not be dropped."
    rm -rf -- "$BENCH_POSTGRES_FOLDER"
}

# bench_postgres_measure FILE SECONDS ROWS LOAD FORM
bench_postgres_measure() {
    local file=$1 seconds=$2 rows=$3 load=$4 form=$5 clients script name words log
    clients=$(bench_postgres_clients "$load")
    script=$BENCH_POSTGRES_FOLDER/script.sql log=$LOGS/bench-postgres.log
    cat "$PROJECT/deploy/bench/postgres/load-$load.sql" "$PROJECT/deploy/bench/postgres/form-$form.sql" >"$script" ||
        return 1
    case $form in
        row-lock) name='postgres row lock' ;;
        row-lock-statements) name='postgres row lock, statement by statement' ;;
        *) name="postgres $form" ;;
    esac
    words=(pgbench -n -M prepared -f "$script" -D "rows=$rows" -c "$clients" -j 2)
    rm -f "$BENCH_POSTGRES_FOLDER"/log.*
    # So that caches are warm when it counts.
    step "$name, $load: warming up" "$log" "the log has what pgbench said." \
        "${words[@]}" -T $((seconds / 5 + 1)) "$DATABASE_URL" || return 1
    # Every second transaction is logged, for the percentiles.
    step "$name, $load, $clients connections" "$log" "the log has what pgbench said." \
        "${words[@]}" -T "$seconds" -l --sampling-rate=0.5 "--log-prefix=$BENCH_POSTGRES_FOLDER/log" "$DATABASE_URL" ||
        return 1
    bench_postgres_line "$name" "$load" "$clients" "$seconds" <"$log" >>"$file"
}

# bench_postgres_line NAME LOAD CLIENTS SECONDS: the report of pgbench on standard input.
bench_postgres_line() {
    local count rate p50 p99
    read -r count rate < <(awk '/^number of transactions actually processed/ { count = $6 } /^tps = / { rate = $3 }
        END { print count, rate }')
    # Column 3 of the log is the time that the transaction took, in microseconds.
    read -r p50 p99 < <(cut -d ' ' -f 3 "$BENCH_POSTGRES_FOLDER"/log.* | sort -n | awk '{ time[NR] = $1 }
        function rank(part, place) { place = int(NR * part); if (place < NR * part) place++; return time[place] / 1000 }
        END { if (NR) print rank(0.50), rank(0.99) }')
    [ -n "$p99" ] || return 1
    printf '{"contestant":"%s","load":"%s","clients":%d,"synchronous_commit":"on","commands":%d,"seconds":%d,"per_second":%.0f,"p50_ms":%.2f,"p99_ms":%.2f}\n' \
        "$1" "$2" "$3" "$count" "$4" "$rate" "$p50" "$p99"
}

bench_postgres_check() {
    local faults
    faults=$(psql -X -At "$DATABASE_URL" -c 'SELECT fault FROM bench.faults') || return 1
    [ -z "$faults" ] || {
        say "PostgreSQL: $faults"
        return 1
    }
}
