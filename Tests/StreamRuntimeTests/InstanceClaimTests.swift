import StreamRuntime
import Testing

@Suite("The claim of a static member to its instance id")
struct InstanceClaimTests {
    typealias Holder = InstanceClaim.Holder

    static let ghost = Holder(memberID: "one-1", clientID: "holdfast-process", host: "/10.0.0.1")
    static let other = Holder(memberID: "one-2", clientID: "holdfast-process", host: "/10.0.0.2")

    /// One that was fenced a second time at 2000, and is to look.
    func doubtful() -> InstanceClaim {
        var claim = InstanceClaim(sessionTimeout: 6_000)
        #expect(claim.fenced(at: 1_000) == .join)
        #expect(claim.fenced(at: 2_000) == .look)
        return claim
    }

    @Test("Who is fenced for the first time in a while joins again at once")
    func first() {
        var claim = InstanceClaim(sessionTimeout: 6_000)
        #expect(claim.fenced(at: 1_000) == .join)
        #expect(claim.fenced(at: 1_000 + 66_000) == .join)
        #expect(claim.fenced(at: 1_000 + 66_000 + 65_999) == .look)
    }

    @Test("Who is fenced again looks, and joins when nobody has the id")
    func nobody() {
        var claim = doubtful()
        #expect(claim.saw(nil, isStable: true, at: 2_100) == .join)
    }

    @Test("A holder that is gone when its session is over was nobody")
    func ghost() {
        var claim = doubtful()
        #expect(claim.saw(Self.ghost, isStable: true, at: 2_100) == .look)
        #expect(claim.saw(Self.ghost, isStable: true, at: 8_200) == .look)
        #expect(claim.saw(nil, isStable: false, at: 8_400) == .join)
    }

    @Test("A holder that outlives its session is somebody else, and is named")
    func somebody() {
        var claim = doubtful()
        #expect(claim.saw(Self.other, isStable: true, at: 2_100) == .look)
        #expect(claim.saw(Self.other, isStable: true, at: 10_099) == .look)
        #expect(claim.saw(Self.other, isStable: true, at: 10_100) == .giveWay(to: Self.other))
    }

    @Test("While the group rebalances no session ends, so that time does not count")
    func rebalancing() {
        var claim = doubtful()
        #expect(claim.saw(Self.ghost, isStable: true, at: 2_100) == .look)
        #expect(claim.saw(Self.ghost, isStable: false, at: 9_000) == .look)
        #expect(claim.saw(Self.ghost, isStable: true, at: 16_999) == .look)
        #expect(claim.saw(Self.ghost, isStable: true, at: 17_000) == .giveWay(to: Self.ghost))
    }

    @Test("Another holder's time counts anew")
    func another() {
        var claim = doubtful()
        #expect(claim.saw(Self.ghost, isStable: true, at: 2_100) == .look)
        #expect(claim.saw(Self.other, isStable: true, at: 9_000) == .look)
        #expect(claim.saw(Self.other, isStable: true, at: 16_999) == .look)
    }

    @Test("Who gets no answer for two minutes gives way")
    func silence() {
        let claim = doubtful()
        #expect(claim.sawNothing(at: 2_000 + 125_999) == .look)
        #expect(claim.sawNothing(at: 2_000 + 126_000) == .giveWay(to: nil))
    }
}
