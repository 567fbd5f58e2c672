# shellcheck shell=bash
# Kafka's jars in the cache, fetched by Maven from deploy/kafka/pom.xml.
# Fetched as NAME.partial and renamed when whole.

# kafka_setup: returns 1 if they cannot be had, with the reason in KAFKA_MISSING; else KAFKA_LIBS is the folder.
kafka_setup() {
    local hash settings=() tool
    if [ -n "${HOLDFAST_KAFKA_LIBS:-}" ]; then
        compgen -G "$HOLDFAST_KAFKA_LIBS/kafka_2.13-*.jar" >/dev/null ||
            fail "HOLDFAST_KAFKA_LIBS=$HOLDFAST_KAFKA_LIBS has no Kafka jars." "Unset it, or name the libs folder of a Kafka."
        KAFKA_LIBS=$HOLDFAST_KAFKA_LIBS
        say "Kafka: there ($KAFKA_LIBS, from HOLDFAST_KAFKA_LIBS)"
        return 0
    fi
    hash=$(sha256sum <"$PROJECT/deploy/kafka/pom.xml")
    KAFKA_NAME=kafka-${hash:0:12}
    KAFKA_LIBS=$CACHE/$KAFKA_NAME
    in_use "$KAFKA_NAME" 6
    remove_stale kafka "$KAFKA_NAME"
    if [ -d "$KAFKA_LIBS" ]; then
        say "Kafka: there ($KAFKA_LIBS)"
        return 0
    fi
    mkdir -p "$CACHE/$KAFKA_NAME.partial" "$CACHE/m2" "$CACHE/home"
    cp "$PROJECT/deploy/kafka/pom.xml" "$CACHE/$KAFKA_NAME.partial/"
    if [ -r "$HOME/.m2/settings.xml" ]; then
        cp "$HOME/.m2/settings.xml" "$CACHE/$KAFKA_NAME.partial/"
        settings=(--settings "$CACHE/$KAFKA_NAME.partial/settings.xml")
    fi
    tool=(bash "$PROJECT/deploy/lib/fetch-jars.sh" "$CACHE/$KAFKA_NAME.partial" "$CACHE/m2" "${settings[@]}")
    inside_words "$CACHE=$CACHE" # the whole cache: this step alone writes to it
    if ! step "fetch Kafka with Maven" "$LOGS/maven.log" \
        "can Maven reach its repository? A mirror can be named in ~/.m2/settings.xml; then start again." \
        "${INSIDE[@]}" "${tool[@]}"; then
        KAFKA_LIBS=
        KAFKA_MISSING="Maven could not fetch Kafka (see $LOGS/maven.log)"
        return 1
    fi
    rm -f "$CACHE/$KAFKA_NAME.partial/"*.xml
    mv "$CACHE/$KAFKA_NAME.partial" "$KAFKA_LIBS"
}
