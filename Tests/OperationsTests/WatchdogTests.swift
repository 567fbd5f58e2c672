import Foundation
import Operations
import Synchronization
import Testing

/// A watchdog, its clock, and what it barked.
private final class Yard: Sendable {
    let clock = SettableClock()
    let watchdog: Watchdog
    private let told: Told

    init() {
        let told = Told()
        self.told = told
        watchdog = Watchdog(now: clock.read) { told.add($0) }
    }

    /// Lets time go by, looks, and gives who was told in this look.
    func look(afterMilliseconds milliseconds: Int) -> [String] {
        clock.advance(milliseconds: milliseconds)
        watchdog.check()
        return told.take().map { "\($0.name): \($0.silentMilliseconds) of \($0.limitMilliseconds) ms" }
    }

    private final class Told: Sendable {
        private let workers = Mutex<[OverdueWorker]>([])
        func add(_ worker: OverdueWorker) { workers.withLock { $0.append(worker) } }
        func take() -> [OverdueWorker] {
            workers.withLock { workers in
                defer { workers = [] }
                return workers
            }
        }
    }
}

@Suite("The watchdog")
struct WatchdogTests {
    @Test("A worker that comes back in time is left alone")
    func inTime() {
        let yard = Yard()
        let worker = yard.watchdog.register("worker 1")
        for _ in 0..<10 {
            worker.beat(limitMilliseconds: 1000)
            #expect(yard.look(afterMilliseconds: 500) == [])
            #expect(yard.look(afterMilliseconds: 500) == [])
        }
    }

    @Test("A worker that stays away longer than it said is told, once for each hang")
    func overdue() {
        let yard = Yard()
        let worker = yard.watchdog.register("worker 1")
        worker.beat(limitMilliseconds: 1000)
        #expect(yard.look(afterMilliseconds: 1001) == [])
        #expect(yard.look(afterMilliseconds: 500) == ["worker 1: 1501 of 1000 ms"])
        #expect(yard.look(afterMilliseconds: 500) == [])
        worker.beat(limitMilliseconds: 2000)
        #expect(yard.look(afterMilliseconds: 2000) == [])
        #expect(yard.look(afterMilliseconds: 1) == [])
        #expect(yard.look(afterMilliseconds: 500) == ["worker 1: 2501 of 2000 ms"])
    }

    @Test("After a pause of the whole process a worker gets a chance to beat")
    func afterPause() {
        let yard = Yard()
        let worker = yard.watchdog.register("worker 1")
        worker.beat(limitMilliseconds: 1000)
        #expect(yard.look(afterMilliseconds: 3_600_000) == [])
        worker.beat(limitMilliseconds: 1000)
        #expect(yard.look(afterMilliseconds: 500) == [])
    }

    @Test("A worker that has not begun, that rests or that has ended is not watched")
    func notWatched() {
        let yard = Yard()
        _ = yard.watchdog.register("not begun")
        let resting = yard.watchdog.register("resting")
        resting.beat(limitMilliseconds: 10)
        resting.rest()
        let ended = yard.watchdog.register("ended")
        ended.beat(limitMilliseconds: 10)
        yard.watchdog.unregister(ended)
        #expect(yard.look(afterMilliseconds: 60_000) == [])
        #expect(yard.look(afterMilliseconds: 60_000) == [])
    }

    @Test("Only those that hang are told, by name")
    func several() {
        let yard = Yard()
        let workers = ["c", "a", "b"].map { yard.watchdog.register($0) }
        for worker in workers { worker.beat(limitMilliseconds: 100) }
        #expect(yard.look(afterMilliseconds: 101) == [])
        workers[2].beat(limitMilliseconds: 100)
        #expect(yard.look(afterMilliseconds: 50) == ["a: 151 of 100 ms", "c: 151 of 100 ms"])
    }

    @Test("Once started it looks by itself")
    func thread() {
        let barked = DispatchSemaphore(value: 0)
        let watchdog = Watchdog(intervalMilliseconds: 1) { _ in barked.signal() }
        let worker = watchdog.register("hangs")
        worker.beat(limitMilliseconds: 1)
        watchdog.start()
        #expect(barked.wait(timeout: .now() + 10) == .success)
        watchdog.stop()
    }
}
