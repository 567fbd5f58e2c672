# shellcheck shell=bash
# Part of deploy/lib/inside.sh: faults on servers of a run of their own, which end with it and leave nothing.

CHAOS_RUN= # the folder of this run

run_chaos() {
    local code=0
    build
    case " $* " in
        *' --list '*)
            "$PROJECT/.build/release/holdfast" chaos "$@"
            return
            ;;
    esac
    [ -z "${HOLDFAST_NO_KAFKA_REASON:-}" ] || fail "no Kafka for the faults: $HOLDFAST_NO_KAFKA_REASON." "Mend that first."
    mkdir -p "$PROJECT/.local"
    CHAOS_RUN=$(mktemp -d "$PROJECT/.local/chaos-XXXXXX")
    chmod 755 "$CHAOS_RUN"
    chaos_clock
    # Small, because there may be three of them.
    export HOLDFAST_KAFKA_HEAP=${HOLDFAST_KAFKA_HEAP:-320m}
    child "$PROJECT/.build/release/holdfast" chaos --folder "$CHAOS_RUN" "$@" || code=$?
    chaos_keep_logs
    if [ "$code" -ne 0 ]; then
        say "chaos FAILED (exit code $code). The table says where; the logs are in $LOGS/chaos."
    fi
    return "$code"
}

# The library that turns a role's clock.
chaos_clock() {
    local library=$CHAOS_RUN/clock-shift.so
    if cc -shared -fPIC -O2 -o "$library" "$here/clock-shift.c" -ldl 2>"$LOGS/clock.log"; then
        export HOLDFAST_CHAOS_CLOCK=$library
    else
        export HOLDFAST_CHAOS_NO_CLOCK="deploy/lib/clock-shift.c does not compile here (see $LOGS/clock.log)"
    fi
}

# The logs of roles and servers outlive their folder.
chaos_keep_logs() {
    local log name
    rm -rf "$LOGS/chaos"
    mkdir -p "$LOGS/chaos"
    while IFS= read -r log; do
        name=${log#"$CHAOS_RUN"/}
        cp "$log" "$LOGS/chaos/${name//\//-}"
    done < <(find "$CHAOS_RUN" -name data -prune -o -type f \( -name '*.log' -o -name '*.log.previous' \) -size -200M -print 2>/dev/null)
}

# chaos_end: at the end of a run, whatever ended it.
chaos_end() {
    local lock server
    [ -n "$CHAOS_RUN" ] || return 0
    while IFS= read -r lock; do
        server=kafka-server.sh
        [[ $lock != */postgres-*/lock ]] || server=postgres-server.sh
        bash "$here/$server" kill "$(dirname "$lock")" || true
    done < <(find "$CHAOS_RUN" -name lock 2>/dev/null)
    # Deepest first; what cannot be unmounted goes with this script's namespace.
    findmnt -rno TARGET 2>/dev/null | grep -F "$CHAOS_RUN/" | sort -r | xargs -r umount 2>/dev/null || true
    rm -rf --one-file-system -- "$CHAOS_RUN" || say "could not remove $CHAOS_RUN."
    CHAOS_RUN=
}
