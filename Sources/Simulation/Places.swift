import InventoryCore
import InventoryWire

extension Topic {
    /// Its place among all topics.
    var ordinal: Int {
        switch self {
        case .commands: 0
        case .results: 1
        case .ledger: 2
        case .levels: 3
        case .reservations: 4
        case .transfers: 5
        case .alerts: 6
        case .deadLetters: 7
        case .warehouses: 8
        case .products: 9
        case .settings: 10
        case .orders: 11
        case .orderReplies: 12
        case .orderOutcomes: 13
        case .orderState: 14
        }
    }
}

extension ModelPartition {
    /// The offset after the last record that read_committed shows.
    var endOfRecords: Int64 {
        for record in records.reversed() where ModelPartition.isVisible(record.state, .committed) {
            return record.offset + 1
        }
        return start
    }
}

extension TransferSnapshot {
    var isOverdueOrNeverDue: Bool { isOverdue || expectedAt == nil }
}
