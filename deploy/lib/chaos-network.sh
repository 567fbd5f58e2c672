#!/usr/bin/env bash
# chaos-network.sh COMMAND...: makes a room with a network of its own, which a role can be put into and whose link can
# be cut, and becomes COMMAND. Runs as the first process of namespaces of its own, for the network too
# (deploy/lib/contain.sh): all of it ends with them.
#
#     room-in, 10.231.0.2  <--- link --->  room-out, 10.231.0.1; and 10.231.1.1, where the brokers listen
#
# The brokers' address is one of the loopback's, so that they still reach one another when the link is down.
# COMMAND finds in HOLDFAST_CHAOS_ROOM: the process that keeps the room, our end of the link, the brokers' address, and
# the address in the room.
set -euo pipefail

unshare --net sleep infinity &
keeper=$!
for ((tries = 0; tries < 500; tries++)); do
    [ "$(readlink "/proc/$keeper/ns/net")" = "$(readlink /proc/self/ns/net)" ] || break
    sleep 0.01
done
ip link set lo up
ip address add 10.231.1.1/32 dev lo
ip link add room-out type veth peer name room-in
ip link set room-in netns "$keeper"
ip address add 10.231.0.1/30 dev room-out
ip link set room-out up
# shellcheck disable=SC2016 # $0 is the program, for a PATH without it
nsenter "--net=/proc/$keeper/ns/net" sh -ec '
    "$0" link set lo up
    "$0" address add 10.231.0.2/30 dev room-in
    "$0" link set room-in up
    "$0" route add 10.231.1.1 via 10.231.0.1' "$(command -v ip)"

export HOLDFAST_CHAOS_ROOM="$keeper room-out 10.231.1.1 10.231.0.2"
exec "$@"
