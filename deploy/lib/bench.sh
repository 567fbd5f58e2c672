# shellcheck shell=bash
# The benchmark: Holdfast, a bare copy, and peers that do the same job, one after another (docs/benchmarks.md).

BENCH=$PROJECT/.local/bench

# bench_copy: builds the bare copy; sets HOLDFAST_BENCH_COPY.
bench_copy() {
    step "build of the bare copy" "$LOGS/bench.copy.log" "mend what the compiler names." \
        cc -O2 -Wall -Wextra -Werror -o "$BENCH/copy" "$PROJECT/deploy/bench/copy/copy.c" -lrdkafka -lpthread
    export HOLDFAST_BENCH_COPY=$BENCH/copy
}

# bench_streams: builds the peer in Kafka Streams; sets HOLDFAST_BENCH_STREAMS.
bench_streams() {
    # shellcheck source=deploy/lib/bench-streams.sh
    . "$here/bench-streams.sh"
    if streams_jars; then
        # The same interval as Holdfast's.
        streams_command --commit-interval-ms 25
        export HOLDFAST_BENCH_STREAMS=${STREAMS_COMMAND[*]}
    else
        say "without Kafka Streams: $STREAMS_MISSING"
    fi
}

# bench_peers SECONDS: those that are no readers of a topic; each form and load for so long.
bench_peers() {
    # shellcheck source=deploy/lib/bench-postgres.sh
    . "$here/bench-postgres.sh"
    # shellcheck source=deploy/lib/bench-valkey.sh
    . "$here/bench-valkey.sh"
    if [ -n "${DATABASE_URL:-}" ]; then
        bench_postgres "$BENCH/figures.jsonl" "$1" hot uniform || return 1
    else
        say "without PostgreSQL: $HOLDFAST_NO_POSTGRES_REASON"
    fi
    bench_valkey "$BENCH/figures.jsonl" "$1" hot uniform
}

# bench_versions OURS: of what takes part besides Holdfast, as NAME=VERSION with a space between; what is not known is
# not there. OURS is empty where the user named the broker, whose version is not known.
bench_versions() {
    local jar word words=()
    for jar in "${HOLDFAST_KAFKA_LIBS:-/nowhere}"/kafka_2.13-*.jar; do
        [ -z "$1" ] || [ ! -e "$jar" ] || words+=("kafka=$(basename "${jar##*/kafka_2.13-}" .jar)")
    done
    # Each program says its version in a line with other words.
    word=$(java -version 2>&1 | sed -nE '1s/.*"(.*)".*/\1/p') || word=
    [ -z "$word" ] || words+=("java=$word")
    word=$([ -z "${DATABASE_URL:-}" ] || psql -X -At "$DATABASE_URL" -c 'SHOW server_version' 2>/dev/null) || word=
    [ -z "$word" ] || words+=("postgresql=${word%% *}")
    word=$(valkey-server --version 2>/dev/null | sed -nE 's/.* v=([^ ]*).*/\1/p') || word=
    [ -z "$word" ] || words+=("valkey=$word")
    echo "${words[*]}"
}

# run_bench [--quick] [--no-peers] ARGUMENT...: the others are those of `holdfast bench`.
run_bench() {
    local arguments=() quick='' peers=yes code=0 ours=yes
    while [ $# -gt 0 ]; do
        case $1 in
            --quick) quick=yes ;;
            --no-peers) peers='' ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    mkdir -p "$BENCH"
    build_program
    bench_copy
    bench_streams
    # Compiled well, though it takes a minute to be so: the broker of tests is compiled fast.
    export HOLDFAST_KAFKA_OPTIONS=${HOLDFAST_KAFKA_OPTIONS:--XX:+UseG1GC}
    [ -z "${KAFKA_BOOTSTRAP:-}" ] || ours=''
    servers_begin
    [ -n "${KAFKA_BOOTSTRAP:-}" ] || fail "no Kafka for the benchmark: $HOLDFAST_NO_KAFKA_REASON." \
        "Mend that, or name a broker of your own with KAFKA_BOOTSTRAP=HOST:PORT."
    HOLDFAST_BENCH_VERSIONS=$(bench_versions "$ours")
    export HOLDFAST_BENCH_VERSIONS
    rm -f "$BENCH/figures.jsonl"
    if [ -n "$quick" ]; then
        export HOLDFAST_BENCH_ROWS=20000 HOLDFAST_BENCH_SKUS=20000
        arguments=(--rounds 1 --warm-up-rounds 0 --commands 60000 --skus 20000 --loads 'hot,even' --rates 5000 --seconds 4 --warm-up 2
            --sink-rows 50000 --restore-skus 20000 --expiry-reservations 30000 --expiry-seconds 10 --order-count 10000
            "${arguments[@]}")
    fi
    child "$PROJECT/.build/release/holdfast" bench --report "$BENCH/figures.jsonl" "${arguments[@]}" || code=$?
    if [ "$code" -eq 0 ] && [ -n "$peers" ]; then
        bench_peers "$([ -n "$quick" ] && echo 2 || echo 10)" || code=$?
    fi
    [ "$code" -eq 0 ] || {
        say "the benchmark FAILED (exit code $code). What it printed above says where."
        return "$code"
    }
    say ""
    child "$PROJECT/.build/release/holdfast" bench report --report "$BENCH/figures.jsonl" \
        --picture "$BENCH/throughput.svg"
    say "" "The figures: $BENCH/figures.jsonl; the picture: $BENCH/throughput.svg"
}
