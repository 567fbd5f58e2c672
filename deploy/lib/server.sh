# shellcheck shell=bash
# What kafka-server.sh and postgres-server.sh share. A server has a folder DIR of its own:
#   DIR/lock        held by every process of the server while it lives, by way of descriptor 9
#   DIR/pid         its first process (meaningful only while the lock is held)
#   DIR/port        the port it had and will have again
#   DIR/server.log  what it says; server.log.previous is from the start before

START_LIMIT=60 # seconds until a start has failed
STOP_LIMIT=60  # seconds until a stop becomes a kill

complain() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

# live DIR: whether any process of the server lives.
live() { [ -e "$1/lock" ] && ! flock -s -n "$1/lock" true; }

# port_is_free PORT: whether nothing on this machine listens there.
port_is_free() {
    local hex
    hex=$(printf '%04X' "$1")
    # Column 2 is the local address; state 0A is LISTEN.
    ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$hex" \
        '{ n = split($2, part, ":"); if (part[n] == port && $4 == "0A") found = 1 } END { exit !found }'
}

# free_port: below the range that the kernel gives to outgoing connections.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if port_is_free "$port"; then
            echo "$port"
            return 0
        fi
    done
    complain "no free port between 20000 and 32000; stop some of the servers that listen there."
    return 1
}

# signal_server DIR SIGNAL: returns 1 if the server runs in another environment, out of reach.
signal_server() {
    if ! kill "-$2" "$(cat "$1/pid")" 2>/dev/null && live "$1"; then
        complain "the server in $1 cannot be reached from here; stop it where it was started (deploy/local down)."
        return 1
    fi
}

# stop_server DIR SIGNAL: in order; by force if that takes too long. A server that does not run is stopped.
stop_server() {
    live "$1" || return 0
    signal_server "$1" "$2" || return 1
    if ! flock -s -w "$STOP_LIMIT" "$1/lock" true; then
        complain "the server in $1 did not stop within $STOP_LIMIT s; ending it by force."
        kill_server "$1"
    fi
}

# kill_server DIR: SIGKILL, as a crash; returns when no process of the server is left.
kill_server() {
    live "$1" || return 0
    signal_server "$1" KILL || return 1
    flock -s -w "$STOP_LIMIT" "$1/lock" true || complain "some process of the server in $1 does not end."
}

# show_failure DIR WHAT: the end of the log, for a start that failed.
show_failure() {
    complain "$2. The end of $1/server.log:"
    tail -n 20 "$1/server.log" 2>/dev/null | sed 's/^/    | /' >&2
}

# lost_port DIR: whether the start failed because another server took the port after it was chosen.
lost_port() { grep -q 'Address already in use' "$1/server.log"; }
