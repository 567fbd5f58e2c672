# shellcheck shell=bash
# A peer of the benchmark: the stock processor in Kafka Streams (deploy/bench/streams, README.md there).
# For use in the reference environment, after say.sh:
#   streams_jars                  builds it with Maven into the cache, once for each state of its folder; then
#                                 STREAMS_JARS is the folder of its jars. 1 if it cannot be had; STREAMS_MISSING says why.
#   streams_command ARGUMENT...   after streams_jars: sets STREAMS_COMMAND, the words of a command that runs it with
#                                 the arguments of holdfast.streams.Main. It prints `ready` when it processes, and ends
#                                 in order on SIGTERM. HOLDFAST_STREAMS_JVM replaces the options of its JVM.
# By hand, with the servers of `deploy/local up`: deploy/bench/streams/try.

PROJECT=${PROJECT:-$HOLDFAST_ROOT}
LOGS=${LOGS:-$PROJECT/.local/log}

STREAMS_JARS='' STREAMS_MISSING='' STREAMS_COMMAND=()

# The cache folder as it is seen in the reference environment: in a Debian 13 root only the home in it is shown.
streams_cache() {
    if [ "$HOME" = /var/lib/holdfast ]; then
        echo "$HOME"
    else
        echo "${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast}"
    fi
}

# streams_hash: of all that the program is built from.
streams_hash() {
    (cd "$PROJECT/deploy/bench/streams" && find pom.xml src -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
        sha256sum | cut -c 1-12
}

streams_jars() {
    local cache folder lock old
    cache=$(streams_cache)
    STREAMS_JARS=$cache/streams-$(streams_hash)
    mkdir -p "$cache"
    exec {lock}>"$cache/streams.lock"
    flock "$lock" # another run may build it
    if [ -e "$STREAMS_JARS/streams-1.jar" ]; then
        exec {lock}>&-
        return 0
    fi
    folder=$STREAMS_JARS.partial
    rm -rf "$folder"
    mkdir -p "$folder"
    cp -R "$PROJECT/deploy/bench/streams/pom.xml" "$PROJECT/deploy/bench/streams/src" "$folder/"
    if ! step "build of the Kafka Streams peer" "$LOGS/streams.build.log" \
        "can Maven reach its repository? Does the log name a file and line?" \
        bash "$PROJECT/deploy/lib/fetch-jars.sh" "$folder" "$cache/m2" package -Dmaven.test.skip=true; then
        STREAMS_JARS=
        STREAMS_MISSING="Maven could not build it (see $LOGS/streams.build.log)"
        exec {lock}>&-
        return 1
    fi
    mv "$folder/target/streams-1.jar" "$folder/"
    rm -rf "$folder/target" "$folder/src" "$folder/pom.xml"
    # Of earlier states of the folder; who runs one has its jars open.
    for old in "$cache"/streams-*/; do
        [ "${old%/}" = "$folder" ] || rm -rf "$old"
    done
    mv "$folder" "$STREAMS_JARS"
    exec {lock}>&-
}

streams_command() {
    local options
    # The heap has room for a million reservations, and is touched before the start. The parallel collector takes
    # the least of two cores, and with a small young generation its pauses are short (README.md).
    read -ra options <<<"${HOLDFAST_STREAMS_JVM:--Xms1g -Xmx1g -Xmn128m -XX:+AlwaysPreTouch -XX:+UseParallelGC}"
    STREAMS_COMMAND=(java "${options[@]}" -XX:+ExitOnOutOfMemoryError -cp "$STREAMS_JARS/*" holdfast.streams.Main "$@")
}
