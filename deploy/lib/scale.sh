# shellcheck shell=bash
# How far it scales: more processors on this machine, measured, and larger systems, simulated (docs/sizing.md).

SCALE=$PROJECT/.local/scale

# run_scale [--quick] ARGUMENT...: the others are those of `holdfast scale`.
run_scale() {
    local arguments=() quick='' code=0 ours=yes
    while [ $# -gt 0 ]; do
        case $1 in
            --quick) quick=yes ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    mkdir -p "$SCALE"
    build_program
    # Compiled well, as for the benchmark.
    export HOLDFAST_KAFKA_OPTIONS=${HOLDFAST_KAFKA_OPTIONS:--XX:+UseG1GC}
    [ -z "${KAFKA_BOOTSTRAP:-}" ] || ours=''
    servers_begin
    [ -n "${KAFKA_BOOTSTRAP:-}" ] || fail "no Kafka to measure with: $HOLDFAST_NO_KAFKA_REASON." \
        "Mend that, or name a broker of your own with KAFKA_BOOTSTRAP=HOST:PORT."
    # A broker of `deploy/local up` or of the user's is out of sight: what it uses cannot be read from /proc.
    if [ -n "$ours" ] && [ "$SERVERS" = run ]; then
        export HOLDFAST_BENCH_BROKER_PID HOLDFAST_BENCH_BROKER_DATA=$RUN/kafka/data
        HOLDFAST_BENCH_BROKER_PID=$(cat "$RUN/kafka/pid")
    fi
    HOLDFAST_BENCH_VERSIONS=$(bench_versions "$ours")
    export HOLDFAST_BENCH_VERSIONS
    [ -z "$quick" ] || arguments=(--rounds 1 --warm-up-rounds 0 --commands 60000 --skus 5000 "${arguments[@]}")
    child "$PROJECT/.build/release/holdfast" scale --report "$SCALE/figures.jsonl" --times "$SCALE/times.json" \
        --folder "$(mktemp -d "$SCALE/logs-XXXXXX")" "${arguments[@]}" || code=$?
    [ "$code" -eq 0 ] || {
        say "the measurement FAILED (exit code $code). What it printed above says where."
        return "$code"
    }
    say "The figures: $SCALE/figures.jsonl; the service times: $SCALE/times.json"
}

# run_size ARGUMENT...: those of `holdfast size`.
run_size() {
    build_program
    child "$PROJECT/.build/release/holdfast" size "$@"
}
