# shellcheck shell=bash
# The benchmark: Holdfast, a bare copy, and peers that do the same job, on the same broker, one after another.

# bench_copy: builds the bare copy; sets HOLDFAST_BENCH_COPY.
bench_copy() {
    local folder=$PROJECT/.local/bench
    mkdir -p "$folder"
    step "build of the bare copy" "$LOGS/bench.copy.log" "mend what the compiler names." \
        cc -O2 -Wall -Wextra -Werror -o "$folder/copy" "$PROJECT/deploy/bench/copy/copy.c" -lrdkafka -lpthread
    export HOLDFAST_BENCH_COPY=$folder/copy
}

# run_bench ARGUMENTS...: those of `holdfast bench`; --quick is a short form of all.
run_bench() {
    local folder=$PROJECT/.local/bench arguments=() quick='' code=0
    while [ $# -gt 0 ]; do
        case $1 in
            --quick) quick=1 ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    build_program
    bench_copy
    # shellcheck source=deploy/lib/bench-streams.sh
    . "$here/bench-streams.sh"
    if streams_jars; then
        streams_command
        export HOLDFAST_BENCH_STREAMS=${STREAMS_COMMAND[*]}
    else
        say "without Kafka Streams: $STREAMS_MISSING"
    fi
    servers_begin
    [ -n "${KAFKA_BOOTSTRAP:-}" ] || fail "no Kafka for the benchmark: $HOLDFAST_NO_KAFKA_REASON." \
        "Mend that, or name a broker of your own with KAFKA_BOOTSTRAP=HOST:PORT."
    if [ -n "$quick" ]; then
        arguments=(--rounds 1 --commands 100000 --skus 20000 --loads hot,even --rates 10000 --seconds 5 --warm-up 3
            "${arguments[@]}")
    fi
    rm -f "$folder/figures.jsonl"
    child "$PROJECT/.build/release/holdfast" bench --report "$folder/figures.jsonl" "${arguments[@]}" || code=$?
    return "$code"
}
