# shellcheck shell=bash
# What kind of machine this is, and so how the reference environment (Debian 13) is had on it.

MACHINE= # native: Debian 13 itself; root: a Debian 13 root in the cache

machine_detect() {
    local id='' version='' name=''
    [ "$(uname -s)" = Linux ] || fail "this is $(uname -s), and the reference environment is Debian 13 (Linux)." \
        "Run it in a container: an image debian:trixie with this folder mounted, then deploy/local in it."
    if [ -r /etc/os-release ]; then
        id=$(. /etc/os-release && echo "${ID:-}")
        version=$(. /etc/os-release && echo "${VERSION_ID:-}")
        name=$(. /etc/os-release && echo "${PRETTY_NAME:-}")
    fi
    if [ "$id" = debian ] && [ "$version" = 13 ]; then
        MACHINE=native
        return
    fi
    [ "$EUID" -eq 0 ] || fail "${name:-this Linux} is not Debian 13, and making a Debian 13 root needs root." \
        "Either: sudo deploy/local $SUBCOMMAND" \
        "or in a container: an image debian:trixie with this folder mounted, then deploy/local in it."
    [ "$CONTAIN_OWN" = yes ] || fail "${name:-this Linux} is not Debian 13, and this user may not make namespaces and mounts." \
        "In a container: start it with the right to do so (privileged)," \
        "or use an image debian:trixie, where neither is needed."
    MACHINE=root
}

# packages: the names in deploy/packages.txt.
packages() { grep -v '^ *#' "$PROJECT/deploy/packages.txt" | tr -s '\n ' ' '; }

native_setup() {
    local missing=() package
    for package in $(packages); do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        say "packages of Debian 13: all there"
        return
    fi
    [ "$EUID" -eq 0 ] || fail "these Debian packages are missing: ${missing[*]}" \
        "Either: sudo apt-get install --no-install-recommends ${missing[*]}" \
        "or: sudo deploy/local $SUBCOMMAND"
    step "install with apt-get: ${missing[*]}" "$LOGS/packages.log" \
        "see whether 'apt-get update' works on this machine; then start again." \
        bash "$PROJECT/deploy/lib/install-packages.sh" "${missing[@]}" || exit 1
}
