#!/usr/bin/env bash
# make-root.sh base ROOT [MIRROR]       a minimal Debian 13 in the folder ROOT
# make-root.sh packages ROOT PACKAGE... the packages of the reference environment in it
# Runs as root in namespaces of its own (deploy/lib/contain.sh), so that no mount outlives it.
set -euo pipefail
what=$1 root=$2
shift 2

# debootstrap fetches without apt, and so does not know apt's proxy.
apt_proxy() {
    command -v apt-config >/dev/null || return 0
    local http='' https=''
    eval "$(apt-config shell http Acquire::http::Proxy https Acquire::https::Proxy)"
    if [ -n "$http" ] && [ "$http" != DIRECT ]; then export http_proxy=${http_proxy:-$http}; fi
    if [ -n "$https" ] && [ "$https" != DIRECT ]; then export https_proxy=${https_proxy:-$https}; fi
}

make_base() {
    local script=()
    # A debootstrap older than Debian 13 knows its name not yet; all Debian suites share one script.
    [ -e /usr/share/debootstrap/scripts/trixie ] || script=(/usr/share/debootstrap/scripts/sid)
    apt_proxy
    # ca-certificates at once, for mirrors that are reached by TLS.
    debootstrap --variant=minbase --include=ca-certificates trixie "$root" "${1:-}" "${script[@]}"
}

# What this machine knows about its network: apt's settings, and certificate authorities of its own.
carry_in() {
    local file
    if command -v apt-config >/dev/null; then
        # IndexTargets and CompressionTypes describe this machine's apt, which may be another version.
        apt-config dump | grep '^Acquire::' | grep -vE '^Acquire::(IndexTargets|CompressionTypes)' \
            >"$root/etc/apt/apt.conf.d/90machine" || true
        # Files that those settings name (certificates, keys) must be there as well.
        sed -nE '/(CaInfo|CaPath|SslCert|SslKey|Proxy-?Auto-?Detect)/s|.* "(/[^"]*)";$|\1|p' \
            "$root/etc/apt/apt.conf.d/90machine" |
            while read -r file; do
                [ ! -e "$file" ] || { mkdir -p "$root/${file%/*}" && cp -aL "$file" "$root/${file%/*}/"; }
            done
    fi
    mkdir -p "$root/usr/local/share/ca-certificates"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp -L {} "$root/usr/local/share/ca-certificates/" \; 2>/dev/null || true
    rm -f "$root/etc/resolv.conf" "$root/etc/hosts" # perhaps symbolic links; enter-root.sh mounts over these
    : >"$root/etc/resolv.conf"
    : >"$root/etc/hosts"
}

install_packages() {
    local here
    here=$(dirname "${BASH_SOURCE[0]}")
    carry_in
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no server starts in here, ever
    chmod 755 "$root/usr/sbin/policy-rc.d"
    install -m 755 "$here/install-packages.sh" "$root/usr/local/sbin/install-packages"
    bash "$here/enter-root.sh" "$root" - / update-ca-certificates
    bash "$here/enter-root.sh" "$root" - / install-packages "$@"
    # Again now that Java is there: it keeps the authorities in a file of its own.
    bash "$here/enter-root.sh" "$root" - / update-ca-certificates --fresh
    bash "$here/enter-root.sh" "$root" - / apt-get clean
}

case $what in
    base) make_base "$@" ;;
    packages) install_packages "$@" ;;
esac
