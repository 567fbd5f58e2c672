# shellcheck shell=bash
# Fuzzing: the decoder's test with many more inputs, under the address sanitizer.

# run_fuzz COUNT SEED
run_fuzz() {
    local folder=$PROJECT/.local/fuzz log=$LOGS/fuzz.log code=0
    mkdir -p "$folder"
    ln -sfn ../../Sources "$folder/Sources"
    ln -sfn ../../Tests "$folder/Tests"
    ln -sfn ../../topics "$folder/topics"
    # Only what the decoder needs, so that the build is short.
    cat >"$folder/Package.swift" <<'TEXT'
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "holdfast",
    targets: [
        .systemLibrary(name: "CCrypto"),
        .systemLibrary(name: "CYyjson", pkgConfig: "yyjson"),
        .target(name: "InventoryCore"),
        .target(name: "OrderCore", dependencies: ["InventoryCore"]),
        .target(name: "InventoryWire", dependencies: ["InventoryCore", "OrderCore", "CCrypto", "CYyjson"]),
        .testTarget(name: "InventoryWireTests", dependencies: ["InventoryWire"]),
    ],
    swiftLanguageModes: [.v6]
)
TEXT
    step "build of the decoder with the address sanitizer" "$LOGS/fuzz.build.log" "mend what the compiler names." \
        swift build --package-path "$folder" -c release --sanitize=address --build-tests
    say "fuzz: $1 inputs, seed $2"
    # Swift's runtime keeps what it has made of types for ever, which is no leak of ours.
    child env ASAN_OPTIONS=detect_leaks=0 HOLDFAST_TEST_FUZZ="$1" HOLDFAST_TEST_FUZZ_SEED="$2" \
        bash -c 'set -o pipefail; log=$1; shift; "$@" 2>&1 | tee "$log"' _ "$log" \
        swift test --package-path "$folder" -c release --sanitize=address --skip-build --disable-xctest \
        --filter FuzzTests || code=$?
    report_tests "$log" "$code" FuzzTests
}
