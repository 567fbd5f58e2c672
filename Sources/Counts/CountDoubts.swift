import InventoryCore

/// The rows whose SKU has not been in their warehouse before: a new place, or more often a slip. A slip must not make
/// units that nobody has.
struct CountDoubts {
    private struct Doubt {
        let line: Int
        let sku: ID
        let warehouse: ID
        let isSKUKnown: Bool
        let isWarehouseKnown: Bool
    }

    private var refused: [Doubt] = []
    private var skus: [ID] = []
    private var warehouses: [ID] = []
    private var skuProposals = NameProposals(for: [])
    private var warehouseProposals = NameProposals(for: [])

    /// - Parameter isAllowed: whether the file, or who gave it, says that the place may be new.
    /// - Returns: whether it is taken as a new one.
    mutating func takesAsNew(
        _ sku: ID, _ warehouse: ID, _ line: Int, _ known: KnownStock, isAllowed: Bool
    ) -> Bool {
        let doubt = Doubt(
            line: line, sku: sku, warehouse: warehouse, isSKUKnown: known.isKnown(sku: sku),
            isWarehouseKnown: known.isKnown(warehouse: warehouse))
        if !doubt.isSKUKnown { skus.append(sku) }
        if !doubt.isWarehouseKnown { warehouses.append(warehouse) }
        if isAllowed, doubt.isSKUKnown || flaw(sku) == nil, doubt.isWarehouseKnown || flaw(warehouse) == nil {
            return true
        }
        refused.append(doubt)
        return false
    }

    /// Looks through what is known.
    mutating func propose(_ known: KnownStock) {
        skuProposals = NameProposals(for: skus)
        warehouseProposals = NameProposals(for: warehouses)
        if !skus.isEmpty { known.eachSKU { skuProposals.consider($0) } }
        if !warehouses.isEmpty { known.eachWarehouse { warehouseProposals.consider($0) } }
    }

    func refusals(_ known: KnownStock) -> [CountFile.Refusal] {
        refused.map { CountFile.Refusal(line: $0.line, problem: problem($0, known)) }
    }

    /// What a new name of a row may have been meant to be.
    func note(_ sku: ID, _ warehouse: ID) -> String? {
        let names =
            skuProposals.proposals(for: sku).map { ($0, sku) }
            + warehouseProposals.proposals(for: warehouse).map { ($0, warehouse) }
        return names.first.map { "\(CountText.quoted($0.0.name.text)) is known (\(reason($0.1, $0.0)))" }
    }

    // MARK: What is said

    private func problem(_ doubt: Doubt, _ known: KnownStock) -> String {
        let (sku, warehouse) = (CountText.quoted(doubt.sku.text), CountText.quoted(doubt.warehouse.text))
        var parts: [String] = []
        if !doubt.isSKUKnown {
            parts.append("there is no SKU \(sku)" + told(doubt.sku, skuProposals))
        }
        if !doubt.isWarehouseKnown {
            parts.append("there is no warehouse \(warehouse)" + told(doubt.warehouse, warehouseProposals))
        }
        if known.isKnown(warehouse: doubt.sku), known.isKnown(sku: doubt.warehouse) {
            parts.append("the SKU and the warehouse may have changed places")
        }
        if parts.isEmpty {
            let places = known.warehouses(of: doubt.sku).sorted()
            let shown = places.prefix(CountLimits.namedWarehouses).map { CountText.quoted($0.text) }
                .joined(separator: ", ")
            let rest = places.count - CountLimits.namedWarehouses
            parts = [
                "\(sku) has never been in \(warehouse); "
                    + (places.isEmpty ? "it is in no warehouse" : "it is in \(shown)")
                    + (rest > 0 ? " and \(rest) more" : "")
            ]
        }
        return parts.joined(separator: "; ")
    }

    private func told(_ name: ID, _ all: NameProposals) -> String {
        let flaw = flaw(name).map { "; \($0)" } ?? ""
        let proposals = all.proposals(for: name)
        guard !proposals.isEmpty else {
            return flaw + (all.isCompared(name) ? ", and none has a name like it" : "")
        }
        return flaw + "; did you mean "
            + proposals.map { "\(CountText.quoted($0.name.text)) (\(reason(name, $0)))" }.joined(
                separator: ", or ")
            + "?"
    }

    private func reason(_ unknown: ID, _ proposal: NameProposals.Proposal) -> String {
        switch proposal.likeness {
        case .unicodeForm: return "the same letters in another Unicode form, so other bytes"
        case .hidden:
            return CountText.hidden(in: unknown.text).map { "without the \(CountText.codePoint($0))" }
                ?? "blanks differ"
        case .letterCase: return "upper and lower case differ"
        case .leadingZeros: return "leading zeros differ, as spreadsheets drop them"
        case .number: return "a spreadsheet may have made a number of it"
        case .spelling: return "nearly the same" + differing(unknown.text, proposal.name.text)
        }
    }

    /// Letters of two scripts may look alike.
    private func differing(_ unknown: String, _ known: String) -> String {
        let pairs = zip(unknown.unicodeScalars, known.unicodeScalars)
        guard let (one, other) = pairs.first(where: { $0 != $1 }), !one.isASCII || !other.isASCII else {
            return ""
        }
        return "; \(CountText.codePoint(one)) instead of \(CountText.codePoint(other))"
    }

    // MARK: New names

    /// Why a name that is not known cannot be a new one, whatever the file says.
    private func flaw(_ name: ID) -> String? {
        if PartitionBook.isBook(name) { return "no SKU begins so" }
        if CountText.hasControl(name.text) { return "it has a control character" }
        return CountText.hidden(in: name.text).map {
            "it has \(CountText.codePoint($0)), which cannot be seen"
        }
    }
}
