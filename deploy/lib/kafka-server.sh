#!/usr/bin/env bash
# One Kafka broker with its data in one folder, for tests, the demo and development.
#   kafka-server.sh start DIR PORT   PORT 0: a free one. Returns when ready; the last line on
#                                    standard output is its address. Again in the same DIR: the
#                                    same data and port.
#   kafka-server.sh stop DIR         in order
#   kafka-server.sh kill DIR         SIGKILL
#   kafka-server.sh wipe DIR         removes the folder of a stopped broker
# HOLDFAST_KAFKA_LIBS is the folder of Kafka's jars; HOLDFAST_KAFKA_HEAP its heap (default 1g);
# HOLDFAST_KAFKA_OPTIONS options of its JVM. By default it compiles fast and not well: a broker that lives for
# minutes would spend most of them compiling, and answer late as long as it does.
# HOLDFAST_KAFKA_SETTINGS are lines over server.properties, for a first start.
# HOLDFAST_KAFKA_SECURED names a folder of certificates (certificates.sh): the broker then takes TLS only, and SCRAM
# or certificates of clients,
# and allows what ACLs allow (deploy/kafka/secured.properties). HOLDFAST_KAFKA_USERS is a file of its first users,
# each line an option of kafka-storage format: --add-scram=SCRAM-SHA-512=[name=NAME,password=PASSWORD].
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/lib/server.sh
. "$here/server.sh"

# prepare DIR PORT: configuration and formatted storage, for a first start.
prepare() {
    local dir=$1 port=$2 controller users
    [ "$port" -ne 0 ] || port=$(free_port)
    controller=$(free_port)
    sed -e "s|@DIR@|$dir|; s|@PORT@|$port|; s|@CONTROLLER_PORT@|$controller|" \
        "$here/../kafka/server.properties" >"$dir/server.properties"
    [ -z "${HOLDFAST_KAFKA_SECURED:-}" ] || secure "$dir" "$port" "$controller"
    printf '%s\n' "${HOLDFAST_KAFKA_SETTINGS:-}" >>"$dir/server.properties"
    echo "$port" >"$dir/port"
    [ -e "$dir/data/meta.properties" ] && return
    # A short-lived JVM: the simple compiler starts it sooner. 22 characters of base64 are an id;
    # without '-', which at the start would be taken for an option.
    mapfile -t users < <(cat "${HOLDFAST_KAFKA_USERS:-/dev/null}")
    java -XX:TieredStopAtLevel=1 -cp "$HOLDFAST_KAFKA_LIBS/*" "-Dlog4j2.configurationFile=$here/../kafka/log4j2.xml" \
        kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'Aa' | tr -d =)" \
        -c "$dir/server.properties" "${users[@]}" >"$dir/format.log" 2>&1 || {
        complain "the storage cannot be formatted:"
        tail -n 20 "$dir/format.log" >&2
        return 1
    }
}

# secure DIR PORT CONTROLLER_PORT: what is set twice in a file of properties has its last value.
secure() {
    sed -e "s|@TLS@|$HOLDFAST_KAFKA_SECURED|; s|@PORT@|$2|g; s|@CONTROLLER_PORT@|$3|g; s|@BROKER_PORT@|$(free_port)|g; \
        s|@CERTIFICATE_PORT@|$(free_port)|g" \
        "$here/../kafka/secured.properties" >>"$1/server.properties"
}

# launch DIR: the broker in the background; only it holds the lock.
launch() {
    local dir=$1
    [ ! -e "$dir/server.log" ] || mv "$dir/server.log" "$dir/server.log.previous"
    local options
    read -ra options <<<"${HOLDFAST_KAFKA_OPTIONS:--XX:TieredStopAtLevel=1}"
    setsid java "${options[@]}" "-Xmx${HOLDFAST_KAFKA_HEAP:-1g}" -XX:+ExitOnOutOfMemoryError -cp "$HOLDFAST_KAFKA_LIBS/*" \
        "-Dlog4j2.configurationFile=$here/../kafka/log4j2.xml" \
        kafka.Kafka "$dir/server.properties" >"$dir/server.log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    exec 9>&-
}

# await DIR: until it takes requests.
await() {
    local dir=$1 end=$((SECONDS + START_LIMIT))
    # The broker says so when it is registered with the controller and its listeners are open.
    until grep -q 'Kafka Server started' "$dir/server.log" 2>/dev/null; do
        if ! live "$dir"; then
            return 1
        elif [ "$SECONDS" -ge "$end" ]; then
            show_failure "$dir" "the broker was not ready within $START_LIMIT s"
            kill_server "$dir"
            exit 1
        fi
        sleep 0.05
    done
}

start() {
    local dir=$1 port=$2 fresh=no attempt
    compgen -G "${HOLDFAST_KAFKA_LIBS:-}/kafka_2.13-*.jar" >/dev/null || {
        complain "HOLDFAST_KAFKA_LIBS must name the folder of Kafka's jars; deploy/local sets it."
        return 1
    }
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    [ -e "$dir/port" ] && [ -e "$dir/data/meta.properties" ] || fresh=yes
    for attempt in 1 2 3; do
        exec 9>"$dir/lock"
        if ! flock -w 10 9; then
            complain "a broker runs in $dir already."
            echo "127.0.0.1:$(cat "$dir/port")"
            return 0
        fi
        [ "$fresh" = no ] || prepare "$dir" "$port" || return 1
        launch "$dir"
        if await "$dir"; then
            echo "127.0.0.1:$(cat "$dir/port")"
            return 0
        fi
        lost_port "$dir" && [ "$fresh" = yes ] && [ "$port" -eq 0 ] || break
    done
    show_failure "$dir" "the broker ended while it started (attempt $attempt)"
    return 1
}

case ${1:-} in
    start) start "${2:?DIR}" "${3:-0}" ;;
    stop) stop_server "${2:?DIR}" TERM ;;
    kill) kill_server "${2:?DIR}" ;;
    wipe) ! live "${2:?DIR}" && rm -rf -- "$2" ;;
    *)
        sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \?//' >&2
        exit 2
        ;;
esac
