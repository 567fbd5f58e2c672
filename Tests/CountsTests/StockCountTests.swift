import Counts
import InventoryCore
import Testing

/// A count against the stock that there is.
@Suite("A warehouse's count against the stock")
struct StockCountTests {
    private static let stock: [(ID, [(ID, Int64)])] = [
        ("00123", [("BER", 41)]), ("TEA-250", [("BER", 120), ("HAM", 0)]), ("1E5", [("BER", 7)]),
        ("T\u{C9}-3", [("BER", 5)]), ("Shirt, \"red\"", [("BER", 4)]), ("4006381333931", [("BER", 9)]),
        ("COFFEE", [("HAM", 3)]), ("M\u{FC}sli", [("BER", 3)]),
    ]

    private func count(
        _ text: String, allowsNew: Bool = false, with more: [(ID, [(ID, Int64)])] = [],
        products: [ID] = [], warehouses: [ID] = []
    ) throws -> StockCount {
        let file = try CountFile(Array(text.utf8))
        var known = KnownStock(for: file)
        for (sku, levels) in Self.stock + more {
            known.set(
                sku,
                levels.map { KnownStock.Held(warehouse: $0.0, onHand: $0.1, reserved: min(2, $0.1)) })
        }
        for product in products { known.set(product: product, isPublished: true) }
        for warehouse in warehouses { known.set(warehouse: warehouse, isPublished: true) }
        return StockCount(file, known: known, allowsNew: allowsNew)
    }

    private static let header = "sku,warehouse,counted\n"
    private static let expecting = "sku,warehouse,counted,expected\n"

    /// Each count as SKU|WAREHOUSE|COUNTED|ON HAND.
    private func counts(_ count: StockCount) -> [String] {
        count.counts.map { "\($0.sku)|\($0.warehouse)|\($0.counted)|\($0.onHand)" }
    }

    private func refusals(_ count: StockCount) -> [String] { count.refusals.map(\.description) }

    @Test("An outcome of another SKU's command with the same id is none of the count's")
    func othersOutcome() throws {
        let read = try count(Self.header + "TEA-250,BER,118\n")
        let command = read.command(for: 0, of: read.name)
        var awaited = AwaitedOutcomes()
        awaited.add(command, for: read.counts[0])
        func outcome(_ sku: ID) -> Outcome {
            Outcome(
                kind: .adjusted, command: .adjust, commandID: command.id, sku: sku,
                at: Timestamp(milliseconds: 1))
        }
        #expect(!awaited.isAwaited(outcome("1E5")) && awaited.take(outcome("1E5")) == nil)
        #expect(awaited.isAwaited(outcome("TEA-250")) && awaited.count == 1)
        #expect(awaited.take(outcome("TEA-250")) == read.counts[0])
        #expect(awaited.isEmpty && awaited.take(outcome("TEA-250")) == nil)
    }

    // MARK: Names that are known

    @Test("A name is read without what spreadsheets put around it, if that is known")
    func cleaned() throws {
        let read = try count(
            Self.header
                + "\"=\"\"00123\"\"\",BER,40\nTEA-250 , BER,118\n\u{A0}1E5\u{202F},BER,7\n'00123,BER,0\nCOFFEE,HAM,3\n"
        )
        #expect(refusals(read) == [])
        #expect(
            counts(read) == ["00123|BER|40|41", "TEA-250|BER|118|120", "1E5|BER|7|7", "COFFEE|HAM|3|3"])
        #expect(read.cleanedNames == 5)
        #expect(counts(try count(Self.header + "=\"00123\",BER,40\n")) == ["00123|BER|40|41"])
    }

    @Test("A name that is known as it is written is that one, guard, blanks and all")
    func asWritten() throws {
        let read = try count(
            Self.header + "'S-HEERENBERG,BER,1\nold \u{200B},'S-HERTOGENBOSCH,1\n",
            with: [("'S-HEERENBERG", [("BER", 0)]), ("old \u{200B}", [("'S-HERTOGENBOSCH", 2)])])
        #expect(refusals(read) == [] && read.cleanedNames == 0)
        #expect(counts(read) == ["'S-HEERENBERG|BER|1|0", "old \u{200B}|'S-HERTOGENBOSCH|1|2"])
    }

    @Test("If it is known both as it is written and without what is around it, it is refused")
    func ambiguous() throws {
        let read = try count(Self.header + "TEA-250 ,BER,118\n", with: [("TEA-250 ", [("BER", 118)])])
        #expect(counts(read) == [])
        #expect(
            refusals(read).first?.hasPrefix("line 2: both \"TEA-250 \" and \"TEA-250\" are known") == true)
        #expect(
            refusals(try count(Self.header + "TEA-250,BER,118\n", with: [("TEA-250 ", [("BER", 1)])])) == [])
    }

    // MARK: Names that are not known

    @Test(
        "An unknown name is refused, and what it may have meant to be is proposed",
        arguments: [
            (
                "tea-250,BER,118",
                "there is no SKU \"tea-250\"; did you mean \"TEA-250\" (upper and lower case differ)?"
            ),
            (
                "123,BER,40",
                "there is no SKU \"123\"; did you mean \"00123\" (leading zeros differ, as spreadsheets"
            ),
            ("123.0,BER,40", "did you mean \"00123\" (a spreadsheet may have made a number of it)?"),
            ("000123,BER,40", "did you mean \"00123\" (leading zeros differ"),
            ("1.00E+05,BER,7", "did you mean \"1E5\" (a spreadsheet may have made a number of it)?"),
            ("100000,BER,7", "did you mean \"1E5\""),
            ("1e5,BER,7", "did you mean \"1E5\" (upper and lower case differ)?"),
            (
                "4.00638E+12,BER,9",
                "did you mean \"4006381333931\" (a spreadsheet may have made a number of it)?"
            ),
            ("\"4,00638E+12\",BER,9", "did you mean \"4006381333931\""),
            ("4.01E+12,BER,9", "did you mean \"4006381333931\""),
            (
                "TE\u{301}-3,BER,4",
                "did you mean \"T\u{C9}-3\" (the same letters in another Unicode form, so other bytes)?"
            ),
            (
                "TEA-250\u{200B},BER,118",
                "there is no SKU \"TEA-250\\u{200b}\"; it has U+200B, which cannot be seen; did you mean \"TEA-250\" "
                    + "(without the U+200B)?"
            ),
            ("TEA\u{AD}-250,BER,118", "did you mean \"TEA-250\" (without the U+00AD)?"),
            ("TEA -250,BER,118", "did you mean \"TEA-250\" (blanks differ)?"),
            ("\"TEA\n-250\",BER,118", "it has a control character; did you mean \"TEA-250\""),
            ("TEA-25,BER,118", "did you mean \"TEA-250\" (nearly the same)?"),
            ("TEA-2500,BER,118", "did you mean \"TEA-250\" (nearly the same)?"),
            ("TAE-250,BER,118", "did you mean \"TEA-250\" (nearly the same)?"),
            ("tae-250,BER,118", "did you mean \"TEA-250\" (nearly the same)?"),
            ("TEA-25O,BER,118", "did you mean \"TEA-250\" (nearly the same)?"),
            ("\u{422}EA-250,BER,118", "(nearly the same; U+0422 instead of U+0054)?"),
            ("\u{FF34}EA-250,BER,118", "did you mean \"TEA-250\""),
            ("Musli,BER,3", "did you mean \"M\u{FC}sli\""),
            ("LAMP,BER,1", "there is no SKU \"LAMP\", and none has a name like it"),
            ("TEA-250,BRE,118", "there is no warehouse \"BRE\"; did you mean \"BER\" (nearly the same)?"),
            (
                "TEA-250,ber,118",
                "there is no warehouse \"ber\"; did you mean \"BER\" (upper and lower case differ)?"
            ),
            ("TEA-250,\u{392}ER,118", "there is no warehouse \"\u{392}ER\"; did you mean \"BER\""),
            ("tea-250,BRE,1", "there is no SKU \"tea-250\"; did you mean"),
            ("tea-250,BRE,1", "there is no warehouse \"BRE\"; did you mean"),
            ("BER,TEA-250,118", "the SKU and the warehouse may have changed places"),
            ("TEA-250,LAGER,0", "there is no warehouse \"LAGER\", and none has a name like it"),
            ("LAMP,BER,0", "there is no SKU \"LAMP\""),
            ("@holdfast/partition/0,BER,1", "no SKU begins so"),
            ("COFFEE,BER,3", "\"COFFEE\" has never been in \"BER\"; it is in \"HAM\""),
        ])
    func unknown(_ row: String, _ told: String) throws {
        let read = try count(Self.header + "COFFEE,HAM,3\n" + row + "\n")
        #expect(counts(read) == ["COFFEE|HAM|3|3"])
        #expect(read.refusals.map(\.line) == [3])
        #expect(refusals(read).first?.contains(told) == true, "\(refusals(read))")
    }

    @Test("Several that are as near are proposed, three at most")
    func several() throws {
        let read = try count(
            Self.header + "S-1,BER,1\n",
            with: [("S-5", []), ("S-6", []), ("S-7", []), ("S-8", [])])
        #expect(
            refusals(read).first?.contains(
                "\"S-5\" (nearly the same), or \"S-6\" (nearly the same), or \"S-7\"") == true)
        #expect(refusals(read).first?.contains("S-8") == false)
    }

    @Test("A row that expects 0 may be new, and --allow-new lets every row be")
    func new() throws {
        for (text, allowsNew) in [
            (Self.expecting + "B09-NEW,BER,1,0\n", false), (Self.header + "B09-NEW,BER,1\n", true),
            (Self.expecting + "B09-NEW,BER,1,\n", true), (Self.expecting + " B09-NEW ,BER,1,0\n", false),
        ] {
            let read = try count(text, allowsNew: allowsNew)
            #expect(refusals(read) == [] && counts(read) == ["B09-NEW|BER|1|0"] && read.counts[0].isNew)
            #expect(read.counts[0].note == nil)
        }
        let places = try count(Self.expecting + "COFFEE,BER,1,0\nCOFFEE,LAGER,1,0\nCOFFEE,HAM,2,3\n")
        #expect(refusals(places) == [] && places.counts.map(\.isNew) == [true, true, false])
        #expect(refusals(try count(Self.expecting + "B09-NEW,BER,1,5\n")).count == 1)
    }

    @Test("A new name that is nearly a known one is taken, and that is noted")
    func noted() throws {
        let read = try count(Self.expecting + "tea-250,BER,1,0\nTEA-250,BRE,1,0\n")
        #expect(refusals(read) == [])
        #expect(
            read.counts.map(\.note) == [
                "\"TEA-250\" is known (upper and lower case differ)", "\"BER\" is known (nearly the same)",
            ])
    }

    @Test(
        "No new name has characters that cannot be seen, whatever the file says",
        arguments: [
            "NEW\u{200B},BER,1,0", "N\u{2060}EW,BER,1,0", "\"N\nEW\",BER,1,0", "NEW,LA\u{A0}GER,1,0",
            "\u{202E}NEW,BER,1,0", "@holdfast/partition/0,BER,1,0",
        ])
    func hiddenNew(_ row: String) throws {
        let read = try count(Self.expecting + row + "\n", allowsNew: true)
        #expect(counts(read) == [] && read.refusals.count == 1)
    }

    @Test("Where nothing was found of a known SKU in a known warehouse, nothing is new")
    func nothingThere() throws {
        let read = try count(
            Self.header + "COFFEE,BER,0\nCOFFEE,EMPTY,0\nLAMP,BER,0\n", products: ["LAMP"],
            warehouses: ["EMPTY"])
        #expect(refusals(read) == [] && read.counts.allSatisfy { $0.difference == 0 && !$0.isNew })
    }

    @Test("A published product or warehouse is known, but units are new there")
    func published() throws {
        let read = try count(
            Self.header + "LAMP,BER,2\nCOFFEE,EMPTY,2\n", products: ["LAMP"], warehouses: ["EMPTY"])
        #expect(
            refusals(read) == [
                "line 2: \"LAMP\" has never been in \"BER\"; it is in no warehouse",
                "line 3: \"COFFEE\" has never been in \"EMPTY\"; it is in \"HAM\"",
            ])
        let proposed = try count(
            Self.header + "LAPM,BER,2\nCOFFEE,EMPYT,2\n", products: ["LAMP"], warehouses: ["EMPTY"])
        #expect(refusals(proposed)[0].contains("did you mean \"LAMP\""))
        #expect(refusals(proposed)[1].contains("did you mean \"EMPTY\""))
    }

    @Test("A SKU that is gone, a product and a warehouse that are published no longer are not known")
    func gone() throws {
        let file = try CountFile(Array((Self.header + "A,BER,1\n").utf8))
        var known = KnownStock(for: file)
        known.set("A", [KnownStock.Held(warehouse: "BER", onHand: 1, reserved: 0)])
        known.set("A", nil)
        known.set("AB", [])
        known.set("AB", nil)
        known.set(product: "A", isPublished: true)
        known.set(product: "A", isPublished: false)
        known.set(warehouse: "XER", isPublished: true)
        known.set(warehouse: "XER", isPublished: false)
        let refused = StockCount(file, known: known, allowsNew: false).refusals.map(\.description)
        #expect(refused == ["line 2: there is no SKU \"A\", and none has a name like it"])
        #expect(known.lacksLevels)
    }

    @Test("A partition's own book is no SKU, and what stands there is no warehouse")
    func books() throws {
        let read = try count(
            Self.header + "TEA-250,X,1\n", with: [("@holdfast/partition/0", [("X", 1)])])
        #expect(refusals(read).first?.contains("there is no warehouse \"X\"") == true)
    }

    // MARK: Bins

    @Test("Several rows of a SKU in a warehouse are summed, however they are written")
    func bins() throws {
        let read = try count(
            Self.header
                + "TEA-250,BER,100\n00123,BER,40\n TEA-250,BER,15\n=\"TEA-250\",'BER,3\nTEA-250,HAM,1\n")
        #expect(refusals(read) == [])
        #expect(counts(read) == ["TEA-250|BER|118|120", "00123|BER|40|41", "TEA-250|HAM|1|0"])
        #expect(read.counts.map(\.lines) == [[2, 4, 5], [3], [6]])
    }

    @Test("What is expected of its bins is summed, and stands with each of them or with none")
    func expectedOfBins() throws {
        let read = try count(Self.expecting + "TEA-250,BER,100,101\nTEA-250,BER,18,19\n")
        #expect(read.counts.map(\.expected) == [120] && refusals(read) == [])
        #expect(
            refusals(try count(Self.expecting + "TEA-250,BER,100,101\nTEA-250,BER,18,\n")) == [
                "line 3: \"TEA-250\" in \"BER\" has expected on line 2 and not here; write it for each of its bins, or "
                    + "for none"
            ])
        #expect(
            refusals(try count(Self.expecting + "TEA-250,BER,100,\nTEA-250,BER,18,19\n")).first?.hasPrefix(
                "line 3: \"TEA-250\" in \"BER\" has expected here and not on line 2") == true)
    }

    @Test("A sum over what there may be is refused")
    func largeSum() throws {
        let read = try count(Self.header + "TEA-250,BER,1000000000000\nTEA-250,BER,1\n")
        #expect(refusals(read).first?.hasPrefix("line 3: with the rows before, 1000000000001 units") == true)
    }

    @Test("A sum of what is expected over what there may be is refused, for no command can say it")
    func largeExpectedSum() throws {
        let read = try count(Self.expecting + "TEA-250,BER,1,1000000000000\nTEA-250,BER,1,1\n")
        #expect(
            refusals(read) == [
                "line 3: with the rows before, 1000000000001 units of \"TEA-250\" in \"BER\" were expected; at most "
                    + "1000000000000 are allowed"
            ])
    }

    @Test("A scanner's row for each of 400,000 units of a SKU costs each of them as little as the first")
    func rowForEachUnit() throws {
        let rows = 400_000
        let file = try CountFile(
            Array((Self.header + String(repeating: "TEA-250,BER,1\n", count: rows)).utf8))
        var known = KnownStock(for: file)
        known.set("TEA-250", [KnownStock.Held(warehouse: "BER", onHand: 120, reserved: 0)])
        let clock = ContinuousClock()
        var read: StockCount?
        let took = clock.measure { read = StockCount(file, known: known, allowsNew: false) }
        #expect(read?.counts.map(\.counted) == [400_000] && read?.counts.first?.otherLines.count == rows - 1)
        #expect(took < .seconds(20))
    }

    @Test("Refusals stand in the order of their lines, whatever they are for")
    func order() throws {
        let read = try count(Self.header + "LAMP,BER,1\nTEA-250,BER,x\nTEA-250,BRE,1\nTEA-250,BER\n")
        #expect(read.refusals.map(\.line) == [2, 3, 4, 5])
    }

    // MARK: Commands

    @Test("The ids of its commands follow from its counts alone, and differ from row to row and file to file")
    func ids() throws {
        let one = try count(Self.header + "TEA-250,BER,5\n00123,BER,5\n")
        let same = try count("warehouse;SKU;counted;x\nBER;TEA-250 ;+5;\n\nBER;'00123;05;y\n")
        let other = try count(Self.header + "TEA-250,BER,5\n00123,BER,6\n")
        #expect(one.name == same.name && one.name != other.name)
        let command = one.command(for: 1, of: one.name)
        #expect(command.id == "count-\(one.name)-2" && command.sku == "00123")
        #expect(
            command.body
                == .adjust(
                    Command.Adjust(
                        warehouse: "BER", change: .count(5, expected: 41), reasonCode: .cycleCount)))
        let expecting = try count(Self.expecting + "TEA-250,BER,5,7\n")
        #expect(
            expecting.command(for: 0, of: "x").body
                == .adjust(
                    Command.Adjust(
                        warehouse: "BER", change: .count(5, expected: 7), reasonCode: .cycleCount)))
    }

    @Test("Names that differ in their bytes alone have commands of different names")
    func bytes() throws {
        let composed = try count(Self.header + "T\u{C9}-3,BER,4\n")
        let both = try count(
            Self.header + "TE\u{301}-3,BER,4\n", with: [("TE\u{301}-3", [("BER", 6)])])
        #expect(composed.counts.map(\.onHand) == [5] && both.counts.map(\.onHand) == [6])
        #expect(composed.name != both.name)
        let file = try count(
            Self.header + "TE\u{301}-3,BER,4\nT\u{C9}-3,BER,4\n", with: [("TE\u{301}-3", [("BER", 6)])])
        #expect(file.counts.map(\.onHand) == [6, 5])
    }

    // MARK: Size

    @Test("A hundred thousand unknown names are refused in seconds", .timeLimit(.minutes(1)))
    func manyUnknown() throws {
        var text = Self.header
        for number in 0..<100_000 { text += "s-\(number),BER,1\n" }
        let more = (0..<2_000).map { (ID("S-\($0)"), [(ID("BER"), Int64(1))]) }
        let read = try count(text, with: more)
        #expect(read.refusals.count == 100_000 && read.counts.isEmpty)
        #expect(
            read.refusals[1_999].problem.contains("did you mean \"S-1999\" (upper and lower case differ)?"))
    }
}
