// swift-tools-version: 6.0
import PackageDescription

// The targets are the architecture (ARCHITECTURE.md): dependencies point to the core.
// No Swift packages: all that is not ours comes from the system's libraries.
let package = Package(
    name: "holdfast",
    products: [
        .executable(name: "holdfast", targets: ["holdfast"]),
        .executable(name: "holdfast-simulate", targets: ["holdfast-simulate"]),
        .executable(name: "holdfast-micro", targets: ["holdfast-micro"]),
    ],
    targets: [
        // System libraries: module maps only, each imported by one target.
        // librdkafka and libpq without pkg-config: their files name Kerberos' include path, which SwiftPM
        // refuses with a warning, and their own headers are on the default path.
        .systemLibrary(name: "CRdKafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CLibpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CCrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CYyjson", pkgConfig: "yyjson", providers: [.apt(["libyyjson-dev"])]),
        .systemLibrary(
            name: "CMicrohttpd", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),

        // The domain. InventoryCore imports nothing, Foundation included.
        .target(name: "InventoryCore"),
        .target(name: "OrderCore", dependencies: ["InventoryCore"]),
        .target(name: "InventoryWire", dependencies: ["InventoryCore", "OrderCore", "CCrypto", "CYyjson"]),
        .target(name: "StreamRuntime", dependencies: ["InventoryCore", "OrderCore", "InventoryWire"]),

        // Which warehouses should serve an order; pure.
        .target(name: "Optimizer", dependencies: ["InventoryCore", "OrderCore"]),

        // Whether what the topics hold is right; pure, on records that someone else reads.
        .target(name: "Audit", dependencies: ["InventoryCore", "InventoryWire", "StreamRuntime"]),

        // Clients: they know bytes, not stock.
        .target(name: "KafkaClient", dependencies: ["CRdKafka"]),
        .target(name: "PostgresClient", dependencies: ["CLibpq"]),

        .target(
            name: "LedgerSink",
            dependencies: ["InventoryCore", "OrderCore", "InventoryWire", "PostgresClient"]),
        .target(name: "Operations", dependencies: ["CMicrohttpd"]),

        // A warehouse's count: its file, and what it changes; pure.
        .target(name: "Counts", dependencies: ["InventoryCore", "InventoryWire", "Operations"]),

        // What a system of a size does, as a queueing network, and the search for the rate that a machine carries; pure.
        .target(name: "Sizing"),

        .executableTarget(
            name: "holdfast",
            dependencies: [
                "InventoryCore", "OrderCore", "InventoryWire", "StreamRuntime", "Optimizer", "Audit",
                "Counts",
                "KafkaClient", "PostgresClient", "LedgerSink", "Operations", "Sizing",
            ]),

        // The production code over a model of Kafka and PostgreSQL; and the rules once more, for whoever checks.
        .target(name: "NaiveStock", dependencies: ["InventoryCore"], path: "Tests/NaiveStock"),
        .target(
            name: "Simulation",
            dependencies: [
                "InventoryCore", "OrderCore", "InventoryWire", "StreamRuntime", "LedgerSink", "NaiveStock",
            ]),
        .executableTarget(name: "holdfast-simulate", dependencies: ["Simulation", "Operations"]),

        // What a command costs, without Kafka; with an allocator that counts.
        .target(name: "CMallocCount"),
        .target(name: "CCallgrind"),
        .executableTarget(
            name: "holdfast-micro",
            dependencies: ["InventoryCore", "InventoryWire", "StreamRuntime", "CMallocCount", "CCallgrind"]),

        .testTarget(
            name: "InventoryCoreTests", dependencies: ["InventoryCore", "NaiveStock"], exclude: ["Rules"]),
        .testTarget(name: "OrderCoreTests", dependencies: ["InventoryCore", "OrderCore"]),
        .testTarget(name: "OptimizerTests", dependencies: ["InventoryCore", "OrderCore", "Optimizer"]),
        .testTarget(
            name: "InventoryWireTests", dependencies: ["InventoryCore", "OrderCore", "InventoryWire"]),
        .testTarget(
            name: "StreamRuntimeTests",
            dependencies: ["InventoryCore", "OrderCore", "InventoryWire", "StreamRuntime"]),
        .testTarget(
            name: "AuditTests", dependencies: ["InventoryCore", "InventoryWire", "StreamRuntime", "Audit"]),
        .testTarget(name: "KafkaClientTests", dependencies: ["KafkaClient"]),
        .testTarget(name: "PostgresClientTests", dependencies: ["PostgresClient"]),
        .testTarget(
            name: "LedgerSinkTests",
            dependencies: ["InventoryCore", "OrderCore", "InventoryWire", "LedgerSink"]),
        .testTarget(name: "OperationsTests", dependencies: ["Operations"]),
        .testTarget(name: "CountsTests", dependencies: ["InventoryCore", "Counts"]),
        .testTarget(name: "SizingTests", dependencies: ["Sizing"]),
        .testTarget(name: "SimulationTests", dependencies: ["InventoryCore", "Simulation", "KafkaClient"]),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "InventoryCore", "OrderCore", "InventoryWire", "KafkaClient", "PostgresClient", "Operations",
                "holdfast",
            ],
            exclude: ["Field/Cases", "Field/README.md"]),
    ],
    swiftLanguageModes: [.v6]
)
