# shellcheck shell=bash
# up, down and status: servers that stay. A background process (the holder) keeps them; it holds
# .local/up/lock as long as it or any of its servers lives.

UP=$PROJECT/.local/up

held() { [ -e "$UP/lock" ] && ! flock -s -n "$UP/lock" true; }

up() {
    local tries
    environment_setup
    mkdir -p "$UP"
    if held && [ -e "$UP/env" ]; then
        say "the servers run already."
        status
        return
    fi
    say "Kafka and PostgreSQL: starting"
    # Its own session: it outlives this terminal.
    setsid --fork "$PROJECT/deploy/local" hold </dev/null >"$LOGS/up.log" 2>&1
    for ((tries = 0; tries < 1500; tries++)); do
        if held && [ -e "$UP/env" ]; then
            status
            return
        fi
        # It says 'hold: ended' as its last word.
        ! grep -q '^hold: ended' "$LOGS/up.log" || break
        sleep 0.1
    done
    tail -n 20 "$LOGS/up.log" | sed 's/^/    | /' >&2
    fail "the servers did not start." "The whole log: $LOGS/up.log" \
        "If their old data is the reason: deploy/local down --wipe, then deploy/local up."
}

hold() {
    local code=0
    mkdir -p "$UP"
    exec 4>"$UP/lock"
    flock -n 4 || fail "other servers are starting in $UP." "See deploy/local status."
    echo $$ >"$UP/pid"
    trap 'say "hold: ended"' EXIT
    inside hold || code=$?
    return "$code"
}

down() {
    if held; then
        say "Kafka and PostgreSQL: stopping"
        kill -TERM "$(cat "$UP/pid")" 2>/dev/null || fail "this user may not stop them." "Who started them can, or root."
        flock -s -w 60 "$UP/lock" true || fail "they did not stop within 60 s." "See $LOGS/up.log."
        rm -f "$UP/env"
        say "stopped"
    else
        say "no servers run here."
    fi
    if [ "${1:-}" = --wipe ] && [ -e "$UP" ]; then
        if [ -e "$UP/postgres/folder" ]; then
            environment_setup # its data is in the reference environment
            inside wipe
        fi
        rm -rf -- "$UP"
        say "their data is removed."
    elif [ -e "$UP/postgres" ]; then
        say "Their data is kept in $UP ('deploy/local down --wipe' removes it)."
    fi
}

status() {
    local hash
    hash=$(sha256sum <"$PROJECT/deploy/kafka/pom.xml")
    say "Cache:      $CACHE ($(du -sh "$CACHE" 2>/dev/null | cut -f 1 || true))"
    contain_setup
    machine_detect
    if [ "$MACHINE" = native ]; then
        say "Packages:   this machine's own (Debian 13)"
    else
        root_name
        say "Root:       $([ -d "$ROOT" ] && echo "$ROOT" || echo "not made yet")"
    fi
    say "Kafka jars: $([ -d "$CACHE/kafka-${hash:0:12}" ] && echo "$CACHE/kafka-${hash:0:12}" || echo "not fetched yet")"
    say "Build:      $([ -x "$PROJECT/.build/release/holdfast" ] && echo "$PROJECT/.build/release/holdfast" || echo "not built yet")"
    if ! held || [ ! -e "$UP/env" ]; then
        say "Servers:    none ('deploy/local up' starts them)"
        return
    fi
    (
        # shellcheck source=/dev/null
        . "$UP/env"
        say "Kafka:      $KAFKA_BOOTSTRAP$(server_state "$UP/kafka")"
        say "PostgreSQL: $DATABASE_URL$(server_state "$UP/postgres")"
        say "To connect (in 'deploy/local shell', or from this machine):"
        say "    psql $DATABASE_URL"
        say "    kcat -b $KAFKA_BOOTSTRAP -L"
    )
}

# server_state DIR: a remark if the server there has ended, though it should run.
server_state() {
    [ -e "$1/lock" ] || return 0
    ! flock -s -n "$1/lock" true || echo "  (ENDED by itself; see $1/server.log, then deploy/local down and up)"
}
