#!/usr/bin/env bash
# Certificates for tests and for trying things out: an authority, and servers that it vouches for.
#   certificates.sh authority DIR          DIR/authority.pem and its key, DIR/authority-key.pem
#   certificates.sh server DIR NAME HOST   DIR/NAME.pem for HOST (a DNS name), its key DIR/NAME-key.pem, and for
#                                          Kafka DIR/NAME-with-key.pem, which holds both
#   certificates.sh client DIR NAME        DIR/NAME.pem for a client of that name, and its key DIR/NAME-key.pem
# They are valid for a day. In earnest use the certificates of your own authority.
set -euo pipefail
umask 077

# P-256: made at once, and every client of today takes it.
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

authority() {
    mkdir -p "$1"
    openssl req -x509 "${key[@]}" -days 1 -subj "/CN=holdfast test authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" \
        -keyout "$1/authority-key.pem" -out "$1/authority.pem" 2>"$1/authority.log"
}

server() {
    local dir=$1 name=$2 host=$3
    openssl req -x509 "${key[@]}" -days 1 -subj "/CN=holdfast-broker" -addext "subjectAltName=DNS:$host" \
        -addext "basicConstraints=critical,CA:FALSE" -addext "extendedKeyUsage=serverAuth,clientAuth" \
        -CA "$dir/authority.pem" -CAkey "$dir/authority-key.pem" \
        -keyout "$dir/$name-key.pem" -out "$dir/$name.pem" 2>"$dir/$name.log"
    cat "$dir/$name-key.pem" "$dir/$name.pem" >"$dir/$name-with-key.pem"
}

client() {
    local dir=$1 name=$2
    openssl req -x509 "${key[@]}" -days 1 -subj "/CN=$name" -addext "basicConstraints=critical,CA:FALSE" \
        -addext "extendedKeyUsage=clientAuth" -CA "$dir/authority.pem" -CAkey "$dir/authority-key.pem" \
        -keyout "$dir/$name-key.pem" -out "$dir/$name.pem" 2>"$dir/$name.log"
}

case ${1:-} in
    authority) authority "${2:?DIR}" ;;
    server) server "${2:?DIR}" "${3:?NAME}" "${4:?HOST}" ;;
    client) client "${2:?DIR}" "${3:?NAME}" ;;
    *)
        sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \?//' >&2
        exit 2
        ;;
esac
