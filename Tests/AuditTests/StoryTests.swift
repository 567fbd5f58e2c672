import Audit
import InventoryCore
import InventoryWire
import Testing

@Suite("Stories and differences")
struct StoryTests {
    @Test("The story of a reservation, told by the entries about it alone, is what the state says")
    func stories() throws {
        let books = try Books.live(commands(900, seed: 31))
        var stock = Stock()
        var stories: [ReservationStory] = []
        var ended: [ReservationStory.Status: Int] = [:]
        for index in books[.ledger].indices {
            let entry = try books.entry(at: index)
            try stock.foldChecked(entry)
            if let place = stories.lastIndex(where: { $0.isAbout(entry) }) {
                stories[place].add(entry)
            } else if let story = ReservationStory(entry) {
                stories.append(story)
            }
            if entry.more { continue }
            for story in stories where story.status == .reserved {
                let live = try #require(stock.reservation(story.id, of: story.sku))
                #expect(live.quantity == story.remaining && live.backordered == story.backordered)
                #expect(live.expiresAt == story.expiresAt && live.reservedAt == story.reservedAt)
                #expect(
                    live.allocations.sorted { $0.warehouse < $1.warehouse }
                        == story.allocations.sorted { $0.warehouse < $1.warehouse })
            }
        }
        for story in stories { ended[story.status, default: 0] += 1 }
        #expect(stories.filter { $0.status == .reserved }.count == stock.liveReservations)
        #expect(ended.keys.count >= 4, "\(ended)")
        for story in stories where story.status != .reserved {
            #expect(story.remaining == 0 && story.allocations.isEmpty && story.endedAt != nil)
        }
    }

    @Test("Two records differ in the fields that differ, whatever their texts hold")
    func fields() {
        let one = #"{"a":"x,\"y\":1","b":{"c":[1,2]},"d":3}"#
        let other = #"{"a":"x,\"y\":2","b":{"c":[1,2]},"e":4}"#
        let found = FieldDifference.between(Array(one.utf8), Array(other.utf8))
        #expect(found.found == #"a "x,\"y\":1", d 3, e missing"#)
        #expect(found.expected == #"a "x,\"y\":2", d missing, e 4"#)
        #expect(FieldDifference.between(Array(one.utf8), Array(one.utf8)) == ("", ""))
        #expect(FieldDifference.fields(Array("{}".utf8)).isEmpty)
        #expect(FieldDifference.fields([]).isEmpty)
    }
}
