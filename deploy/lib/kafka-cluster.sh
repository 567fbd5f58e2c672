#!/usr/bin/env bash
# Three Kafka nodes, each broker and controller, that hold three replicas of everything; two are enough to go on.
#   kafka-cluster.sh start DIR [HOST]  HOST: the address that they listen on (default 127.0.0.1), on free ports.
#                                      Returns when all are ready; the last line on standard output is
#                                      their addresses, with commas between.
# Node N is in DIR/N, and is stopped, killed and started again with kafka-server.sh. DIR/N may be there already,
# as a file system of its own, say.
# HOLDFAST_KAFKA_LIBS, HOLDFAST_KAFKA_HEAP (default here 320m) and HOLDFAST_KAFKA_OPTIONS as with kafka-server.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/lib/server.sh
. "$here/server.sh"
export HOLDFAST_KAFKA_HEAP=${HOLDFAST_KAFKA_HEAP:-320m}
nodes=(1 2 3)

# distinct_ports COUNT: each free, and none twice.
distinct_ports() {
    local ports=() port
    while [ ${#ports[@]} -lt "$1" ]; do
        port=$(free_port)
        [[ " ${ports[*]} " == *" $port "* ]] || ports+=("$port")
    done
    echo "${ports[*]}"
}

# prepare DIR HOST ID NODE: configuration and formatted storage of a node. In properties the last of two lines counts.
prepare() {
    local dir=$1/$4 host=$2 id=$3 node=$4 voters='' other
    for other in "${nodes[@]}"; do voters+="${voters:+,}$other@$host:${ports[other + 2]}"; done
    mkdir -p "$dir"
    {
        sed -e "s|@DIR@|$dir|; s|@PORT@|0|; s|@CONTROLLER_PORT@|0|" "$here/../kafka/server.properties"
        sed -e "s|@NODE@|$node|; s|@VOTERS@|$voters|; s|@HOST@|$host|g" -e "s|@PORT@|${ports[node - 1]}|g" \
            -e "s|@CONTROLLER_PORT@|${ports[node + 2]}|" "$here/../kafka/cluster.properties"
    } >"$dir/server.properties"
    echo "${ports[node - 1]}" >"$dir/port"
    java -XX:TieredStopAtLevel=1 -cp "$HOLDFAST_KAFKA_LIBS/*" "-Dlog4j2.configurationFile=$here/../kafka/log4j2.xml" \
        kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >"$dir/format.log" 2>&1 || {
        complain "the storage of node $node cannot be formatted:"
        tail -n 20 "$dir/format.log" >&2
        return 1
    }
}

# each COMMAND...: for every node at once, with its number as the last argument; fails if one does.
each() {
    local node processes=() code=0 process
    for node in "${nodes[@]}"; do
        "$@" "$node" &
        processes+=($!)
    done
    for process in "${processes[@]}"; do wait "$process" || code=1; done
    return "$code"
}

start_node() { bash "$here/kafka-server.sh" start "$1/$2" 0 >"$1/$2.out"; }

start() {
    local dir=$1 host=$2 id addresses='' node
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    read -ra ports <<<"$(distinct_ports 6)"
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'Aa' | tr -d =)
    each prepare "$dir" "$host" "$id"
    each start_node "$dir"
    for node in "${nodes[@]}"; do addresses+="${addresses:+,}$host:${ports[node - 1]}"; done
    echo "$addresses"
}

case ${1:-} in
    start) start "${2:?DIR}" "${3:-127.0.0.1}" ;;
    *)
        sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \?//' >&2
        exit 2
        ;;
esac
