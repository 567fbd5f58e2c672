#!/usr/bin/env bash
# enter-root.sh ROOT BINDS FOLDER COMMAND...: runs COMMAND in the Debian 13 root, in FOLDER.
# BINDS: folders to show in it, FROM=TO pairs with a newline between them, or - for none.
# Runs as the first process of namespaces of its own (deploy/lib/contain.sh): the mounts end with them.
set -euo pipefail
root=$1 binds=$2 folder=$3
shift 3

mount_inside() {
    local pair from to file
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    # Its own, so that shared memory of a killed PostgreSQL does not stay on the machine.
    [ ! -d "$root/dev/shm" ] || mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    # The resolver as it is now, not as it was when the root was made.
    for file in resolv.conf hosts; do
        [ ! -e "/etc/$file" ] || mount --bind "$(readlink -f "/etc/$file")" "$root/etc/$file"
    done
    [ "$binds" != - ] || return 0
    while IFS= read -r pair; do
        from=${pair%%=*} to=$root${pair#*=}
        make_path "$to"
        mount --bind "$from" "$to"
    done <<<"$binds"
}

# Makes the folder and lets every user pass through its parents: PostgreSQL runs as a user of its own.
make_path() {
    local path=$1
    mkdir -p "$path"
    while [ "$path" != "$root" ]; do
        path=$(dirname "$path")
        [ -n "$(find "$path" -maxdepth 0 -perm -001)" ] || chmod a+x "$path"
    done
}

# What passes in: a clean environment else, so that it is the same on every machine.
environment=(
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/17/bin
    HOME=/var/lib/holdfast
    LANG=C.UTF-8 # the only locale that is surely in the root
)
while IFS= read -r name; do
    case $name in
        KAFKA_BOOTSTRAP | DATABASE_URL | HOLDFAST_* | CI | TERM | COLORTERM | NO_COLOR | TZ | \
            http_proxy | https_proxy | no_proxy | all_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | ALL_PROXY)
            environment+=("$name=${!name}")
            ;;
    esac
done < <(compgen -e)

mount_inside
mkdir -p "$root/var/lib/holdfast"
# shellcheck disable=SC2016 # expanded by the inner shell
exec chroot "$root" /usr/bin/env -i "${environment[@]}" sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
