# shellcheck shell=bash
# Commands that end with this script, whatever ends it: in namespaces of their own for processes,
# mounts and shared memory. When the first process there ends, the kernel ends all others and undoes
# the mounts; the first process itself ends when this script does, by SIGKILL too (pdeathsig).

CONTAIN=()      # the words before a contained command
CONTAIN_OWN=no  # yes if the processes have a namespace of their own

contain_setup() {
    # SIGINT is ignored in a background command of a script; ours must get it.
    local words=(env "--default-signal=INT,QUIT" setpriv --pdeathsig KILL)
    local spaces=(--mount --pid --ipc --fork --kill-child=KILL --mount-proc)
    if [ "$EUID" -eq 0 ] && unshare "${spaces[@]}" true 2>/dev/null; then
        CONTAIN=("${words[@]}" unshare "${spaces[@]}") CONTAIN_OWN=yes
    elif [ "$EUID" -ne 0 ] && unshare --user --map-current-user "${spaces[@]}" true 2>/dev/null; then
        CONTAIN=("${words[@]}" unshare --user --map-current-user "${spaces[@]}") CONTAIN_OWN=yes
    else
        # A container without the right to make namespaces, for example. The traps of
        # deploy/lib/inside.sh and its watcher end the servers then.
        CONTAIN=("${words[@]}")
    fi
}

NETWORK=() # the words after CONTAIN, where a command has a network of its own

# contain_network: from now on contained commands have a network of their own, with a room in it
# (deploy/lib/chaos-network.sh); or HOLDFAST_CHAOS_NO_ROOM says why not. Nothing outside can be reached then.
contain_network() {
    PATH=$PATH:/usr/sbin:/sbin
    if [ "$CONTAIN_OWN" = no ]; then
        export HOLDFAST_CHAOS_NO_ROOM="this user may not make namespaces"
    elif ! command -v ip >/dev/null; then
        export HOLDFAST_CHAOS_NO_ROOM="the command ip is missing; install the package iproute2"
    elif ! "${CONTAIN[@]}" --net bash "$PROJECT/deploy/lib/chaos-network.sh" true >"$LOGS/network.log" 2>&1; then
        export HOLDFAST_CHAOS_NO_ROOM="no network could be made: $(tail -n 1 "$LOGS/network.log")"
    else
        CONTAIN+=(--net) NETWORK=(bash "$PROJECT/deploy/lib/chaos-network.sh")
    fi
}

# foreground COMMAND...: runs a command (contained, by its first words) on this terminal; returns its exit code.
foreground() {
    local code=0
    "$@" <&0 &
    FOREGROUND=$!
    wait "$FOREGROUND" || code=$?
    FOREGROUND=
    return "$code"
}

# contain_stop CODE: for the traps. Tells what runs to end, gives it 20 s, ends it, and exits.
contain_stop() {
    local code=$1 process first tries
    trap '' INT TERM HUP
    for process in ${STEP_PROCESS:-} ${FOREGROUND:-}; do
        # unshare itself blocks SIGTERM while it waits: its child is the one to tell.
        first=
        [ "$CONTAIN_OWN" = no ] || first=$(cat "/proc/$process/task/$process/children" 2>/dev/null)
        # shellcheck disable=SC2086 # several words, if several children
        kill -TERM ${first:-$process} 2>/dev/null
        for ((tries = 0; tries < 200; tries++)); do
            kill -0 "$process" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
    say "ended by a signal."
    exit "$code"
}
