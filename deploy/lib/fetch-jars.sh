#!/usr/bin/env bash
# fetch-jars.sh FOLDER REPOSITORY [MAVEN OPTION...]: the jars that FOLDER/pom.xml names, into FOLDER.
# Maven's own local repository is REPOSITORY, so that an interrupted fetch goes on where it was.
set -euo pipefail
folder=$1 repository=$2
shift 2

# Maven does not read the proxy variables that other programs share.
proxy_options() {
    local scheme value address
    for scheme in http https; do
        value=${scheme}_proxy
        value=${!value:-}
        [ -n "$value" ] || continue
        address=${value#*://}
        address=${address##*@}
        address=${address%%/*}
        echo "-D$scheme.proxyHost=${address%:*}"
        [ "${address##*:}" = "$address" ] || echo "-D$scheme.proxyPort=${address##*:}"
    done
    [ -z "${no_proxy:-}" ] || echo "-Dhttp.nonProxyHosts=$(echo "$no_proxy" | sed 's/,\./,*./g; s/,/|/g')"
}

mapfile -t proxies < <(proxy_options)
cd "$folder"
mvn --batch-mode --no-transfer-progress "-Dmaven.repo.local=$repository" "${proxies[@]}" "$@" \
    dependency:copy-dependencies "-DoutputDirectory=$folder" -DincludeScope=runtime
