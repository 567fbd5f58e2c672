import InventoryCore
import OrderCore

/// The fields of a proposal, `order.reallocate`.
enum ReallocationFields {
    /// What a proposal may say that it saves, or costs.
    private static let savings = -Limits.quantity...Limits.quantity

    static func reallocation(_ object: JSONObject) throws(DecodingFailure) -> Reallocation {
        let version = try object.integer("version", 1 ... .max)
        var lines: [ReallocatedLine] = []
        for element in try OrderFields.elements(object) {
            lines.append(
                ReallocatedLine(
                    sku: try OrderFields.sku(element),
                    allocations: try Shared.wantedAllocations(element)))
        }
        if lines.isEmpty { throw DecodingFailure(.outOfRange, "lines is empty; 1 or more are needed") }
        guard Set(lines.map(\.sku)).count == lines.count else {
            throw DecodingFailure(.conflictingFields, "lines names a SKU twice")
        }
        return Reallocation(version: version, lines: lines, saving: try saving(object))
    }

    private static func saving(_ object: JSONObject) throws(DecodingFailure) -> Saving? {
        guard let saving = try object.optionalObject("saving") else { return nil }
        try saving.checkFields(limit: Limits.commandFields)
        return Saving(
            shipments: try saving.integer("shipments", savings),
            kilometres: try saving.integer("kilometres", savings), late: try saving.integer("late", savings))
    }
}

extension JSONBuffer {
    /// The fields of a proposal, without an object around them.
    mutating func reallocation(_ proposal: Reallocation) {
        integer("version", proposal.version)
        beginArray("lines")
        for line in proposal.lines {
            beginElement()
            string("sku", line.sku)
            allocations(line.allocations)
            endElement()
        }
        endArray()
        guard let saving = proposal.saving else { return }
        beginObject("saving")
        integer("shipments", saving.shipments)
        integer("kilometres", saving.kilometres)
        integer("late", saving.late)
        endElement()
    }
}
