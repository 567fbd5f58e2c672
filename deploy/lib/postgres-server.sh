#!/usr/bin/env bash
# One PostgreSQL cluster with its data in one folder, for tests, the demo and development.
#   postgres-server.sh start DIR PORT   PORT 0: a free one. Returns when ready; the last line on
#                                       standard output is its DATABASE_URL. Again in the same DIR:
#                                       the same data and port.
#   postgres-server.sh standby DIR PORT a new standby, on a free port, of the cluster that listens on PORT; it is
#                                       started, stopped, killed and wiped as a cluster is
#   postgres-server.sh stop DIR         in order
#   postgres-server.sh kill DIR         SIGKILL to the first process, as a crash
#   postgres-server.sh wipe DIR         removes the folder of a stopped cluster
# It listens on 127.0.0.1 alone and trusts who comes from there. As root it runs as the user postgres.
# HOLDFAST_POSTGRES_SECURED names a folder of certificates (certificates.sh) for a new cluster: then all but its
# superuser come by TLS and with a password, and users whose names begin with `certified` with a certificate, too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/lib/server.sh
. "$here/server.sh"

PATH=$PATH:/usr/lib/postgresql/17/bin
as_postgres=() # PostgreSQL refuses to run as root
[ "$EUID" -ne 0 ] || as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

# data_folder DIR: where the cluster's files are; DIR/folder says so if not below DIR.
data_folder() { cat "$1/folder" 2>/dev/null || echo "$1/data"; }

# make_data DIR: an empty folder for the cluster's files.
make_data() {
    local dir=$1 data=$1/data
    mkdir -p "$data"
    chmod 700 "$data"
    [ "$EUID" -ne 0 ] || chown postgres: "$data"
    if ! "${as_postgres[@]}" test -w "$data"; then
        rmdir "$data"
        data=$("${as_postgres[@]}" mktemp -d /var/tmp/holdfast-postgres.XXXXXX)
        complain "the user postgres may not pass to $dir (a folder above it is closed); the data is in $data."
        echo "$data" >"$dir/folder"
    fi
}

# prepare DIR: a new cluster with the superuser and database holdfast.
prepare() {
    local dir=$1 data
    make_data "$dir"
    data=$(data_folder "$dir")
    (cd / && "${as_postgres[@]}" initdb --pgdata="$data" --username=holdfast --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync --no-instructions) >"$dir/initdb.log" 2>&1 || {
        complain "initdb failed:"
        tail -n 20 "$dir/initdb.log" >&2
        return 1
    }
    [ -z "${HOLDFAST_POSTGRES_SECURED:-}" ] || secure "$data"
    touch "$dir/initialised"
}

# secure DATA: a certificate for the server, and who must prove who they are.
secure() {
    cp "$HOLDFAST_POSTGRES_SECURED/server.pem" "$1/server.crt"
    cp "$HOLDFAST_POSTGRES_SECURED/server-key.pem" "$1/server.key"
    cp "$HOLDFAST_POSTGRES_SECURED/authority.pem" "$1/root.crt"
    chmod 600 "$1/server.key"
    [ "$EUID" -ne 0 ] || chown postgres: "$1/server.crt" "$1/server.key" "$1/root.crt"
    printf '%s\n' "ssl = on" "ssl_ca_file = 'root.crt'" >>"$1/postgresql.conf"
    printf '%s\n' "host    all holdfast 127.0.0.1/32 trust" \
        "hostssl all /^certified all      scram-sha-256 clientcert=verify-full" \
        "hostssl all all      all          scram-sha-256" \
        >"$1/pg_hba.conf"
}

# forget_other DATA: the lock is ours, so no process of this cluster lives; the number in postmaster.pid
# may by now be another process', which would keep the server from starting.
forget_other() { rm -f "$1/postmaster.pid"; }

launch() {
    local dir=$1 data=$2 port=$3
    [ ! -e "$dir/server.log" ] || mv "$dir/server.log" "$dir/server.log.previous"
    # No socket file: its path may be too long, and one way to connect is enough.
    (cd / && exec setsid "${as_postgres[@]}" postgres -D "$data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c max_connections=200) >"$dir/server.log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    exec 9>&-
}

await() {
    local dir=$1 port=$2 end=$((SECONDS + START_LIMIT))
    until pg_isready -q -h 127.0.0.1 -p "$port" -U holdfast -d postgres; do
        if ! live "$dir"; then
            return 1
        elif [ "$SECONDS" -ge "$end" ]; then
            show_failure "$dir" "PostgreSQL was not ready within $START_LIMIT s"
            kill_server "$dir"
            exit 1
        fi
        sleep 0.05
    done
    # Who answers there may be another server, if ours lost the port to it.
    live "$dir"
}

start() {
    local dir=$1 port=$2 fresh=no data attempt
    command -v initdb >/dev/null || {
        complain "PostgreSQL's programs are missing; install the package postgresql-17."
        return 1
    }
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    [ -e "$dir/created" ] || fresh=yes
    for attempt in 1 2 3; do
        exec 9>"$dir/lock"
        # After a crash the remaining processes need a moment to notice and end.
        if ! flock -w 10 9; then
            complain "a cluster runs in $dir already."
            echo "postgresql://holdfast@127.0.0.1:$(cat "$dir/port")/holdfast"
            return 0
        fi
        if [ "$fresh" = yes ]; then
            [ -e "$dir/initialised" ] || { rm -rf "$dir/data" && prepare "$dir"; } || return 1
            if [ "$port" -eq 0 ]; then free_port >"$dir/port"; else echo "$port" >"$dir/port"; fi
        fi
        data=$(data_folder "$dir")
        forget_other "$data"
        launch "$dir" "$data" "$(cat "$dir/port")"
        if await "$dir" "$(cat "$dir/port")"; then
            [ -e "$dir/created" ] || createdb -h 127.0.0.1 -p "$(cat "$dir/port")" -U holdfast holdfast
            touch "$dir/created"
            echo "postgresql://holdfast@127.0.0.1:$(cat "$dir/port")/holdfast"
            return 0
        fi
        lost_port "$dir" && [ "$fresh" = yes ] && [ "$port" -eq 0 ] || break
    done
    show_failure "$dir" "PostgreSQL ended while it started (attempt $attempt)"
    return 1
}

# standby DIR PORT: copies the cluster that listens on PORT, and follows it.
standby() {
    local dir=$1 primary=$2
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    make_data "$dir"
    (cd / && "${as_postgres[@]}" pg_basebackup --host=127.0.0.1 --port="$primary" --username=holdfast \
        --pgdata="$(data_folder "$dir")" --write-recovery-conf --checkpoint=fast --no-sync) >"$dir/initdb.log" 2>&1 || {
        complain "pg_basebackup failed:"
        tail -n 20 "$dir/initdb.log" >&2
        return 1
    }
    free_port >"$dir/port"
    touch "$dir/initialised" "$dir/created"
    start "$dir" 0
}

wipe() {
    live "$1" && return 1
    rm -rf -- "$(data_folder "$1")" "$1"
}

case ${1:-} in
    start) start "${2:?DIR}" "${3:-0}" ;;
    standby) standby "${2:?DIR}" "${3:?PORT}" ;;
    stop) stop_server "${2:?DIR}" INT ;; # INT is a fast shutdown: it does not wait for clients
    kill) kill_server "${2:?DIR}" ;;
    wipe) wipe "${2:?DIR}" ;;
    *)
        sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \?//' >&2
        exit 2
        ;;
esac
