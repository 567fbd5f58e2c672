# shellcheck shell=bash
# What the scripts tell people. All of it goes to standard error, so that the standard output
# of `deploy/local shell -c ...` is the command's own.

# say LINE...
say() { printf '%s\n' "$@" >&2; }

# fail MESSAGE...: each argument a line; the last one says what to do next.
fail() {
    printf 'deploy/local: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@" >&2
    exit 1
}

# step NAME LOG ADVICE COMMAND...: runs COMMAND with its output in LOG and says how long it took.
# On a terminal the last line of the log is shown meanwhile. Returns the command's exit code.
# COMMAND is a program and never a function: it must be this process' own child to end with it.
step() {
    local name=$1 log=$2 advice=$3 started=$SECONDS code=0
    shift 3
    mkdir -p "$(dirname "$log")"
    : >"$log"
    [ -t 2 ] || say "$name ..."
    # In the background, so that a trap runs at once and not when the command has finished.
    "$@" >>"$log" 2>&1 </dev/null &
    STEP_PROCESS=$!
    if [ -t 2 ]; then
        step_progress "$name" "$log" "$STEP_PROCESS" "$started"
    fi
    wait "$STEP_PROCESS" || code=$?
    STEP_PROCESS=
    [ ! -t 2 ] || printf '\r\033[K' >&2
    if [ "$code" -eq 0 ]; then
        say "$name: done ($((SECONDS - started)) s)"
        return 0
    fi
    say "$name: FAILED after $((SECONDS - started)) s (exit code $code). The end of its log:"
    tail -n 20 "$log" | sed 's/^/    | /' >&2
    say "    The whole log: $log"
    say "    What to do: $advice"
    return "$code"
}

step_progress() {
    local name=$1 log=$2 process=$3 started=$4 width last
    width=$(tput cols 2>/dev/null) || width=80
    while kill -0 "$process" 2>/dev/null; do
        last=$(tail -c 400 "$log" | tr '\r' '\n' | tr -cd '[:print:]\n' | grep -v '^ *$' | tail -n 1) || last=
        last="$name ... $((SECONDS - started)) s  $last"
        printf '\r\033[K%s' "${last:0:width-1}" >&2
        sleep 0.3
    done
}
