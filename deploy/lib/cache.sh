# shellcheck shell=bash
# The cache folder: what is costly to fetch and the same for every checkout.

CACHE=${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast}

# Takes the lock of the cache for this process; a second run waits and says so.
# File descriptor 8 holds it, so it is let go at the latest when this process and its children end.
cache_lock() {
    mkdir -p "$CACHE" || fail "cannot make the cache folder $CACHE." \
        "Set HOLDFAST_CACHE to a folder that you can write to (about 5 GB)."
    CACHE=$(cd "$CACHE" && pwd -P)
    exec 8>"$CACHE/lock"
    if ! flock -n 8; then
        say "another run is setting up in $CACHE; waiting for it ..."
        flock 8
    fi
}

cache_unlock() { exec 8>&-; }

# in_use NAME DESCRIPTOR: marks a cached folder as used by this run, until this run ends.
in_use() {
    touch "$CACHE/$1.use"
    eval "exec $2<\"\$CACHE/\$1.use\""
    flock -s "$2"
}

# remove_folder NAME: under the lock. Contained, so that no other run's mount can be below the folder.
remove_folder() {
    "${CONTAIN[@]}" rm -rf --one-file-system -- "$CACHE/$1" ||
        fail "cannot remove $CACHE/$1." "Remove it by hand and start again."
}

# remove_stale PREFIX KEEP: under the lock, removes what an interrupted run left, and folders of an
# earlier set-up that no run uses and that none has used for two weeks (branches with other package
# lists live side by side).
remove_stale() {
    local folder name
    for folder in "$CACHE/$1"-*/; do
        name=$(basename "$folder")
        if [ ! -d "$folder" ] || [ "$name" = "$2" ]; then
            continue
        fi
        if [[ $name == *.partial ]]; then
            say "an earlier set-up was interrupted; removing $name and starting anew."
            remove_folder "$name"
        elif [ -z "$(find "$CACHE/$name.use" -mtime -14 2>/dev/null)" ] &&
            flock -n "$CACHE/$name.use" true; then
            say "no longer used; removing $name from the cache."
            remove_folder "$name"
            rm -f "$CACHE/$name.use"
        fi
    done
}
