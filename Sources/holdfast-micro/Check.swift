import Foundation

/// Compares what is exact, and so the same on every machine, with stored figures.
enum Check {
    /// What is stored: a name, and how much it may be.
    private struct Figures: Codable {
        /// Calls of malloc for a command, by load.
        let mallocs: [String: Double]
        /// Bytes of the heap, for a live reservation and for a SKU.
        let bytes: [String: Double]
        /// Instructions for a command, by load.
        let instructions: [String: Double]
    }

    /// The part by which a figure may be over the stored one.
    private static let slack = 0.05

    /// - Returns: whether nothing is over.
    static func run(_ file: String, _ options: Options) throws -> Bool {
        let figures = try JSONDecoder().decode(
            Figures.self, from: Data(contentsOf: URL(fileURLWithPath: file)))
        var isRight = true
        func compare(_ name: String, _ measured: Double, _ stored: Double?) {
            guard let stored else {
                isRight = false
                return print("\(name): \(text(measured)), and the file has no figure")
            }
            // Less than a hundredth of a call is a table that grew.
            let isOver = measured > stored * (1 + slack) + 0.01
            if isOver { isRight = false }
            let difference = stored == 0 ? "" : String(format: " (%+.1f %%)", 100 * (measured / stored - 1))
            print(
                "\(isOver ? "over " : "ok   ")\(name): \(text(measured)); stored \(text(stored))\(difference)"
            )
        }
        for load in Load.allCases {
            compare("mallocs, \(load.rawValue)", mallocs(load), figures.mallocs[load.rawValue])
        }
        for (name, bytes) in memory(200_000) { compare("bytes, \(name)", bytes, figures.bytes[name]) }
        if let obstacle = Instructions.obstacle {
            print("instructions: not counted, for \(obstacle)")
            return isRight
        }
        for load in Instructions.loads {
            compare(
                "instructions, \(load.rawValue)", try Instructions.count(load),
                figures.instructions[load.rawValue])
        }
        return isRight
    }

    /// For a command, when the dedupe window is full.
    private static func mallocs(_ load: Load) -> Double {
        var bench = Bench(load, skuCount: 10_000)
        _ = bench.run(80_000)
        return bench.run(40_000).mallocs
    }

    static func memory(_ count: Int) -> [(name: String, bytes: Double)] {
        [
            ("live reservation", Memory.perReservation(count)),
            ("SKU in one warehouse", Memory.perSKU(count, warehouses: ["BER"])),
            ("SKU in three warehouses", Memory.perSKU(count, warehouses: ["BER", "HAM", "MUC"])),
        ]
    }

    private static func text(_ value: Double) -> String { String(format: "%.3f", value) }
}
