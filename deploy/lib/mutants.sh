# shellcheck shell=bash
# Mutants: wrong versions of the core and of orders, made one at a time in a copy, each of which the tests must catch.
# The list is deploy/mutants.txt.

MUTANTS_LIST=$PROJECT/deploy/mutants.txt
MUTANTS_COPY=$PROJECT/.local/mutants
MUTANTS_LOG=$LOGS/mutants.log
# A mutant that never comes back has been caught.
MUTANTS_LIMIT=120
# The tests that draw something draw the same each time, so that a mutant is caught today and tomorrow.
MUTANTS_SETTINGS=(HOLDFAST_TEST_COMMANDS=20000 HOLDFAST_TEST_ORDERS=1000 HOLDFAST_TEST_SEED=7)
# The targets that the copy has: OrderCore only where a mutant of it is made, for it is built with each.
MUTANTS_TARGETS=(InventoryCore)

# run_mutants [--list | --only NAME | --sample N]
run_mutants() {
    local name='' file='' from='' to='' number=0 survived=() caught=0 began=$SECONDS
    local -A chosen=()
    mutants_choose "$@"
    [ "${#chosen[@]}" -gt 0 ] || return 0
    mutants_each mutants_check
    mutants_copy
    step "build of the core and its tests, as they are" "$MUTANTS_LOG" "mend what the compiler names." \
        swift build --package-path "$MUTANTS_COPY" --build-tests
    step "the tests of the core, as it is" "$MUTANTS_LOG" "mend the tests that fail: deploy/local test." \
        env "${MUTANTS_SETTINGS[@]}" swift test --package-path "$MUTANTS_COPY" --skip-build --disable-xctest \
        --skip CostTests
    say "${#chosen[@]} mutants of $(grep -c '^name: ' "$MUTANTS_LIST")"
    mutants_each mutants_try
    caught=$((number - ${#survived[@]}))
    say "mutants: ended after $((SECONDS - began)) s"
    [ "${#survived[@]}" -eq 0 ] || say "survived, so a test is missing:" "${survived[@]/#/    }"
    echo "$number mutants, $caught caught, ${#survived[@]} survived"
    [ "${#survived[@]}" -eq 0 ]
}

# mutants_each FUNCTION: calls it for each chosen mutant, with name, file, from and to set.
mutants_each() {
    local key value line
    while IFS= read -r line <&3 || [ -n "$line" ]; do
        key=${line%%: *} value=${line#*: }
        case $key in
            name) name=$value ;;
            file) file=$value ;;
            from) from=$value ;;
            to)
                to=$value
                [ -z "${chosen[$name]:-}" ] || "$1"
                ;;
        esac
    done 3<"$MUTANTS_LIST"
}

# mutants_file: the mutant's file below Sources.
mutants_file() { case $file in */*) echo "$file" ;; *) echo "InventoryCore/$file" ;; esac; }

# One that cannot be made proves nothing.
mutants_check() {
    local text rest
    case $file in OrderCore/*) MUTANTS_TARGETS=(InventoryCore OrderCore) ;; esac
    text=$(cat "$PROJECT/Sources/$(mutants_file)") ||
        fail "mutant $name: there is no file $file." "Mend deploy/mutants.txt."
    rest=${text#*"$from"}
    if [ "$rest" = "$text" ] || [[ $rest == *"$from"* ]]; then
        fail "mutant $name: its text does not stand exactly once in $file: $from" "Mend deploy/mutants.txt."
    fi
}

# Fills chosen.
mutants_choose() {
    local names count index first
    mapfile -t names < <(sed -n 's/^name: //p' "$MUTANTS_LIST")
    count=${#names[@]}
    [ "$(printf '%s\n' "${names[@]}" | sort -u | wc -l)" -eq "$count" ] ||
        fail "$MUTANTS_LIST has a name twice." "Give each mutant a name of its own."
    case ${1:-} in
        '') for name in "${names[@]}"; do chosen[$name]=1; done ;;
        --list) sed -n 's/^name: //p; s/^what: /    /p' "$MUTANTS_LIST" ;;
        --only)
            printf '%s\n' "${names[@]}" | grep -qxF -- "$2" ||
                fail "there is no mutant $2." "deploy/local mutants --list tells all."
            chosen[$2]=1
            ;;
        --sample)
            # Other ones with each commit, the same for the same commit.
            first=$(git -C "$PROJECT" rev-parse HEAD 2>/dev/null | cksum | cut -d' ' -f1) || first=0
            for ((index = 0; index < $2 && index < count; index++)); do
                chosen[${names[$(((first + index * count / $2) % count))]}]=1
            done
            ;;
    esac
}

# A package of the core and its tests alone, so that a build takes seconds. Its build folder stays.
mutants_copy() {
    rm -rf "$MUTANTS_COPY/Sources" "$MUTANTS_COPY/Tests" "$MUTANTS_COPY/docs"
    mkdir -p "$MUTANTS_COPY/Sources" "$MUTANTS_COPY/Tests"
    local target
    # A test of the core looks at its sources, too.
    cp -R "$PROJECT/Sources/OrderCore" "$MUTANTS_COPY/Sources/"
    for target in "${MUTANTS_TARGETS[@]}"; do
        cp -R "$PROJECT/Sources/$target" "$MUTANTS_COPY/Sources/"
        cp -R "$PROJECT/Tests/${target}Tests" "$MUTANTS_COPY/Tests/"
    done
    cp -R "$PROJECT/Tests/NaiveStock" "$MUTANTS_COPY/Tests/"
    # A test compares what the docs say.
    cp -R "$PROJECT/docs" "$MUTANTS_COPY/"
    cat >"$MUTANTS_COPY/Package.swift" <<'TEXT'
// swift-tools-version: 6.0
import PackageDescription

var targets: [Target] = [
    .target(name: "InventoryCore"),
    .target(name: "NaiveStock", dependencies: ["InventoryCore"], path: "Tests/NaiveStock"),
    .testTarget(
        name: "InventoryCoreTests", dependencies: ["InventoryCore", "NaiveStock"], exclude: ["Rules"]),
]
TEXT
    case " ${MUTANTS_TARGETS[*]} " in *' OrderCore '*)
        cat >>"$MUTANTS_COPY/Package.swift" <<'TEXT'
targets += [
    .target(name: "OrderCore", dependencies: ["InventoryCore"]),
    .testTarget(name: "OrderCoreTests", dependencies: ["OrderCore"]),
]
TEXT
        ;;
    esac
    echo 'let package = Package(name: "holdfast", targets: targets, swiftLanguageModes: [.v6])' \
        >>"$MUTANTS_COPY/Package.swift"
}

# Makes the mutant, and adds it to survived if no test catches it.
mutants_try() {
    local path=$MUTANTS_COPY/Sources/$(mutants_file) text code=0 began=$SECONDS by
    number=$((number + 1))
    text=$(<"$path")
    printf '%s\n' "${text%%"$from"*}$to${text#*"$from"}" >"$path"
    if ! child swift build --package-path "$MUTANTS_COPY" --build-tests >"$MUTANTS_LOG" 2>&1; then
        tail -n 20 "$MUTANTS_LOG" | sed 's/^/    | /' >&2
        fail "mutant $name does not compile." "Mend deploy/mutants.txt."
    fi
    # The quick tests first; what is drawn only for those that they let through.
    case $file in
        OrderCore/*)
            mutants_test --filter OrderCoreTests --skip ModelTests --skip ContentionTests || code=$?
            [ "$code" -ne 0 ] || mutants_test --filter 'OrderCoreTests\.(Model|Contention)Tests' || code=$?
            ;;
        *)
            mutants_test --skip CostTests --skip PropertyTests --skip OrderCoreTests || code=$?
            [ "$code" -ne 0 ] || mutants_test --filter PropertyTests || code=$?
            ;;
    esac
    cp "$PROJECT/Sources/$(mutants_file)" "$path"
    case $code in
        0)
            by='SURVIVED'
            survived+=("$name")
            ;;
        124 | 137) by="caught: it does not come back within $MUTANTS_LIMIT s" ;;
        *)
            by=$(failed_tests <"$MUTANTS_LOG" | sort -u)
            if [[ $by == *'(did not end)'* ]]; then by='caught: the process ends itself'; else by="caught by ${by//$'\n'/, }"; fi
            ;;
    esac
    say "$(printf '%3d. %-36s %3d s  %s' "$number" "$name" "$((SECONDS - began))" "$by")"
}

# mutants_test FILTER...: the tests of the core on the copy as it is.
mutants_test() {
    child timeout --kill-after=5 "$MUTANTS_LIMIT" env "${MUTANTS_SETTINGS[@]}" \
        swift test --package-path "$MUTANTS_COPY" --skip-build --disable-xctest "$@" >"$MUTANTS_LOG" 2>&1
}
