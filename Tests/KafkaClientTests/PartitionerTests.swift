import KafkaClient
import Testing

@Suite struct PartitionerTests {
    @Test(
        "Keys are hashed as Java's producers hash them",
        arguments: [
            ("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971), ("abc", 479_470_107),
        ] as [(String, Int32)])
    func javaHash(key: String, hash: Int32) {
        for count in [Int32.max, 1, 2, 7, 12, 1000] {
            let partition = Array(key.utf8).withUnsafeBytes {
                murmur2Partition(key: $0, partitionCount: count)
            }
            #expect(partition == (hash & 0x7fff_ffff) % count)
        }
    }

    @Test("A key hashes alike wherever it stands in memory")
    func alignment() {
        let bytes = Array("..foobar".utf8)
        bytes.withUnsafeBytes { all in
            let moved = murmur2Partition(
                key: UnsafeRawBufferPointer(rebasing: all[2...]), partitionCount: .max)
            #expect(moved == (-790_332_482 & 0x7fff_ffff) % Int32.max)
        }
    }

    @Test("An empty key has a partition")
    func empty() {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        // Java's murmur2 of no bytes is 275646681.
        #expect(murmur2Partition(key: empty, partitionCount: .max) == 275_646_681)
    }
}
