# shellcheck shell=bash
# A peer of the benchmark: reservations by a script in Valkey (deploy/bench/valkey/reserve.lua).
# For use in the reference environment, after say.sh:
#   bench_valkey FILE SECONDS [LOAD...]   measures each load (hot: one SKU; uniform: any of 1000000; default both) with
#       pipelines of 1 and of 16 commands, for about SECONDS each, on a server of its own, and adds a line of JSON
#       for each to FILE. 1 if something is wrong with the books afterwards or cannot be measured.
# The server has its folder under .local/ and a free port of the loopback; both are gone at the end.
# Variables: HOLDFAST_BENCH_SKUS instead of 1000000; HOLDFAST_BENCH_FSYNC, Valkey's appendfsync (everysec): what it
# has acknowledged within the last second is lost in a crash of the machine; `always` is what a PostgreSQL commit is.
# By hand:
#   deploy/local shell -c '. deploy/lib/say.sh; . deploy/lib/bench-valkey.sh; bench_valkey .local/peers.jsonl 5 hot'

PROJECT=${PROJECT:-$HOLDFAST_ROOT}
LOGS=${LOGS:-$PROJECT/.local/log}

BENCH_VALKEY_CLIENTS=50
# A command leaves about 500 bytes in memory, until its reservation expires and for ever in the ledger.
BENCH_VALKEY_MOST=3000000

# In a process of its own, so that a trap of the caller runs at once; STEP_PROCESS is what the caller's trap ends.
bench_valkey() {
    local code=0
    (bench_valkey_run "$@") &
    STEP_PROCESS=$!
    wait "$STEP_PROCESS" || code=$?
    STEP_PROCESS=
    return "$code"
}

bench_valkey_run() {
    local file=$1 seconds=$2 load pipeline code=0 loads lock
    shift 2
    loads=("$@")
    [ $# -gt 0 ] || loads=(hot uniform)
    STEP_PROCESS='' BENCH_VALKEY_PROCESS=''
    # shellcheck source=deploy/lib/server.sh
    . "$PROJECT/deploy/lib/server.sh"
    mkdir -p "$PROJECT/.local"
    bench_valkey_remove_old
    BENCH_VALKEY_FOLDER=$(mktemp -d "$PROJECT/.local/valkey-XXXXXX")
    # Held by this process and by the server, so that another run can tell a live folder from a forgotten one.
    exec {lock}>"$BENCH_VALKEY_FOLDER/lock"
    flock "$lock"
    trap 'bench_valkey_end' EXIT
    trap 'exit 143' TERM
    bench_valkey_start || return 1
    for load in "${loads[@]}"; do
        for pipeline in 1 16; do
            bench_valkey_measure "$file" "$seconds" "$load" "$pipeline" || code=1
        done
    done
    return "$code"
}

# What runs that were killed left behind.
bench_valkey_remove_old() {
    local folder
    for folder in "$PROJECT"/.local/valkey-*/; do
        if [ -e "$folder/lock" ] && flock -n "$folder/lock" true; then rm -rf -- "$folder"; fi
    done
}

bench_valkey_end() {
    trap '' TERM
    [ -z "$STEP_PROCESS" ] || kill -TERM "$STEP_PROCESS" 2>/dev/null || true
    if [ -n "$BENCH_VALKEY_PROCESS" ]; then
        # Its data goes, so it needs no orderly stop.
        kill -KILL "$BENCH_VALKEY_PROCESS" 2>/dev/null || true
        wait "$BENCH_VALKEY_PROCESS" 2>/dev/null || true # 137
    fi
    rm -rf -- "$BENCH_VALKEY_FOLDER"
}

bench_valkey_cli() { valkey-cli -p "$BENCH_VALKEY_PORT" "$@"; }

# bench_valkey_start: sets BENCH_VALKEY_PORT, BENCH_VALKEY_PROCESS and BENCH_VALKEY_SCRIPT.
bench_valkey_start() {
    local end=$((SECONDS + START_LIMIT)) log=$LOGS/valkey-server.log
    mkdir -p "$LOGS"
    BENCH_VALKEY_PORT=$(free_port) || return 1
    # No snapshots: the append-only file alone is written, as the log of ours. It is not rewritten while it counts.
    valkey-server --bind 127.0.0.1 --port "$BENCH_VALKEY_PORT" --dir "$BENCH_VALKEY_FOLDER" --save '' \
        --appendonly yes --appendfsync "${HOLDFAST_BENCH_FSYNC:-everysec}" --auto-aof-rewrite-percentage 0 \
        >"$log" 2>&1 </dev/null &
    BENCH_VALKEY_PROCESS=$!
    until bench_valkey_cli ping >/dev/null 2>&1; do
        if ! kill -0 "$BENCH_VALKEY_PROCESS" 2>/dev/null || [ "$SECONDS" -ge "$end" ]; then
            say "Valkey did not start. The end of $log:"
            tail -n 20 "$log" | sed 's/^/    | /' >&2
            return 1
        fi
        sleep 0.05
    done
    BENCH_VALKEY_SCRIPT=$(bench_valkey_cli -x SCRIPT LOAD <"$PROJECT/deploy/bench/valkey/reserve.lua")
}

# bench_valkey_measure FILE SECONDS LOAD PIPELINE
bench_valkey_measure() {
    local file=$1 seconds=$2 load=$3 pipeline=$4 count words sku rate p50 p99 log=$LOGS/bench-valkey.log
    case $load in
        hot) sku=sku:1 ;;
        uniform) sku=sku:__rand_int__ ;;
        *) say "Valkey: there is no load $load." && return 1 ;;
    esac
    # Each __rand_int__ is another number. Two of them make an id, which all but never comes twice.
    words=(valkey-benchmark -p "$BENCH_VALKEY_PORT" -c "$BENCH_VALKEY_CLIENTS" -P "$pipeline"
        -r "${HOLDFAST_BENCH_SKUS:-1000000}" --csv)
    sku=("$sku" reservation:__rand_int__:__rand_int__ ledger 1 900000)
    # How fast it is, for so many commands as take the time that is asked for; warm it is then, too.
    step "valkey, $load, pipeline of $pipeline: how many" "$log" "the log has what valkey-benchmark said." \
        timeout $((seconds + 60)) "${words[@]}" -n 50000 EVALSHA "$BENCH_VALKEY_SCRIPT" 3 "${sku[@]}" || return 1
    count=$(bench_valkey_figures <"$log" | awk -v seconds="$seconds" -v most="$BENCH_VALKEY_MOST" \
        '{ count = int($1 * seconds); if (count > most) count = most; if (count < 1000) count = 1000; print count }')
    bench_valkey_cli FLUSHALL >/dev/null
    step "valkey, $load, pipeline of $pipeline, $count commands" "$log" "the log has what valkey-benchmark said." \
        timeout $((10 * seconds + 60)) "${words[@]}" -n "$count" EVALSHA "$BENCH_VALKEY_SCRIPT" 3 "${sku[@]}" || return 1
    read -r rate p50 p99 < <(bench_valkey_figures <"$log")
    bench_valkey_check "$load" "$count" || return 1
    awk -v load="$load" -v clients="$BENCH_VALKEY_CLIENTS" -v pipeline="$pipeline" -v count="$count" -v rate="$rate" \
        -v p50="$p50" -v p99="$p99" -v fsync="${HOLDFAST_BENCH_FSYNC:-everysec}" 'BEGIN {
            printf "{\"contestant\":\"valkey\",\"load\":\"%s\",\"clients\":%d,\"pipeline\":%d,\"appendfsync\":\"%s\",\"commands\":%d,\"seconds\":%.1f,\"per_second\":%.0f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
                load, clients, pipeline, fsync, count, count / rate, rate, p50, p99
        }' >>"$file"
}

# bench_valkey_figures: commands per second, and p50 and p99 in milliseconds, from the last line of the CSV. The name
# of the test, which is the command, has no comma.
bench_valkey_figures() { tail -n 1 | tr -d '"' | awk -F , '{ print $2, $5, $7 }'; }

# bench_valkey_check LOAD COUNT: that all were granted, and that the books agree.
bench_valkey_check() {
    local entries reserved
    entries=$(bench_valkey_cli XLEN ledger)
    reserved=$(bench_valkey_cli HGET sku:1 reserved)
    # A few ids may have come twice; and the benchmark sends whole pipelines, so a few more than were asked for.
    if [ "$entries" -lt $(($2 - $2 / 1000 - 10)) ]; then
        say "Valkey: $2 commands, but $entries ledger entries."
        return 1
    fi
    if [ "$1" = hot ] && [ "$entries" -ne "$reserved" ]; then
        say "Valkey: $entries units in the ledger, but $reserved reserved."
        return 1
    fi
}
