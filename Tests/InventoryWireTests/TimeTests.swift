import InventoryCore
import InventoryWire
import Testing

@Suite("Times as other languages write them")
struct TimeTests {
    @Test("Each form of RFC 3339 is taken, and is the moment that it says")
    func taken() {
        let quarterPast: Int64 = 1_799_144_100_000
        for (text, milliseconds) in [
            ("2027-01-05T10:15:00Z", quarterPast), ("2027-01-05t10:15:00z", quarterPast),
            ("2027-01-05 10:15:00Z", quarterPast), ("2027-01-05 10:15:00z", quarterPast),
            ("2027-01-05T11:15:00+01:00", quarterPast), ("2027-01-05 04:45:00-05:30", quarterPast),
            ("2027-01-05T10:15:00-00:00", quarterPast), ("2027-01-05T10:15:00.1Z", quarterPast + 100),
            ("2027-01-05T10:15:00.123456789Z", quarterPast + 123),
            ("2027-01-05T10:15:00.000000000000000000001+00:00", quarterPast),
            // A leap second, and the moment that follows it.
            ("2026-12-31T23:59:60Z", 1_798_761_600_000), ("2027-01-01T00:59:60+01:00", 1_798_761_600_000),
        ] {
            #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds, "\(text)")
        }
    }

    @Test("What is not RFC 3339 is no time")
    func refused() {
        for text in [
            "2027-01-05T10:15Z", "2027-01-05T10:15:00+0100", "2027-01-05T10:15:00,123Z",
            "2027-01-05T10:15:00",
            "2027-01-05T10:15:00+01", "2027-01-05T10:15:00.Z", "2027-01-05T10:15:00Z[UTC]",
            "2027-01-05T24:00:00Z", "2027-01-05T10:15:60Z", "2026-12-31T23:59:61Z", "2027-01-05_10:15:00Z",
            "2027-01-05  10:15:00Z", "2027-02-29T10:15:00Z", "Tue, 05 Jan 2027 10:15:00 GMT",
        ] {
            #expect(Timestamp(rfc3339: text) == nil, "\(text)")
        }
    }
}
