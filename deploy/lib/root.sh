# shellcheck shell=bash
# The Debian 13 root in the cache, for machines that run another Linux.
# It is made as NAME.partial and renamed when whole; a .partial is never used.

ROOT_VERSION=1 # raise it when the way the root is made changes

# All that the root is made from is in its name, so a change makes another root.
root_name() {
    local hash
    hash=$(printf '%s\n' "$ROOT_VERSION" "$(packages)" "$(uname -m)" | sha256sum)
    ROOT_NAME=root-${hash:0:12}
    ROOT=$CACHE/$ROOT_NAME
}

root_setup() {
    root_name
    in_use "$ROOT_NAME" 7
    remove_stale root "$ROOT_NAME"
    if [ -d "$ROOT" ]; then
        say "Debian 13 root: there ($ROOT)"
        return
    fi
    root_tools
    say "making a Debian 13 root, once (a few minutes; about 3 GB in $CACHE)"
    step "Debian 13 base system" "$LOGS/debootstrap.log" \
        "is a Debian mirror within reach? HOLDFAST_DEBIAN_MIRROR=URL names another one; then start again." \
        "${CONTAIN[@]}" bash "$PROJECT/deploy/lib/make-root.sh" base "$ROOT.partial" "$(debian_mirror)" || exit 1
    # shellcheck disable=SC2046 # a word each
    step "Debian 13 packages" "$LOGS/packages.log" \
        "if it was the network, start again: it is made anew. See also docs/local.md." \
        "${CONTAIN[@]}" bash "$PROJECT/deploy/lib/make-root.sh" packages "$ROOT.partial" $(packages) || exit 1
    mv "$ROOT.partial" "$ROOT"
}

# debootstrap and what enters the root.
root_tools() {
    local tool
    for tool in chroot mount; do
        command -v "$tool" >/dev/null || fail "the command $tool is missing." "Install it with this machine's package manager."
    done
    command -v debootstrap >/dev/null && return
    command -v apt-get >/dev/null || fail "debootstrap is missing, and this machine has no apt-get to install it." \
        "Install debootstrap with this machine's package manager, then start again."
    step "install debootstrap with apt-get" "$LOGS/debootstrap-install.log" \
        "install debootstrap by hand (apt-get install debootstrap), then start again." \
        sh -c 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap &&
            { apt-get install -y --no-install-recommends debian-archive-keyring || true; }' || exit 1
}

# The mirror: the user's word, or the one that this machine itself uses if it is a Debian, or none:
# then debootstrap takes its default.
debian_mirror() {
    if [ -n "${HOLDFAST_DEBIAN_MIRROR:-}" ]; then
        echo "$HOLDFAST_DEBIAN_MIRROR"
    elif [ "$(. /etc/os-release && echo "${ID:-}")" = debian ] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2016 # apt's own placeholders
        apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
            sed -nE 's|^main (https?://.*/debian)/?$|\1|p' | head -n 1
    fi
}
