#!/usr/bin/env bash
# install-packages.sh PACKAGE...: with apt-get, in a Debian 13 (the machine itself, or a new root).
# No server is started, and no PostgreSQL cluster of the machine's own is made.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
if [ ! -e /etc/postgresql-common ]; then
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/holdfast.conf
fi

dpkg --configure -a # in case an earlier run was interrupted
apt-get update
apt-get install -y --no-install-recommends "$@"
