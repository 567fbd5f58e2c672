import KafkaClient
import Operations
import StreamRuntime

extension KafkaError {
    /// Whether the group has given this member's `group.instance.id` to another.
    var isFencedInstance: Bool { code.name == "FENCED_INSTANCE_ID" }
}

extension Service {
    /// How often it is asked who has an instance id, in milliseconds.
    private static let lookInterval = 250

    /// Whether a member that was lost may join its group once more, as one that the group took for another does. Waits
    /// until that is clear.
    ///
    /// - Parameter beat: is called at least every few seconds while it waits.
    /// - Returns: false if the error says something else, or if the process is to end.
    /// - Throws: `RoleFailure` with 70 that names the other, where another process lives under the same id.
    func mayJoinAgain(
        after error: KafkaError?, _ claim: inout InstanceClaim, group: String, beat: () -> Void
    ) throws -> Bool {
        guard let error, error.isFencedInstance, let instance = configuration.optionalString("instance_id")
        else { return false }
        let now = { Int64(MonotonicTime.now() / MonotonicTime.nanosecondsPerMillisecond) }
        var administrator: Admin?
        var action = claim.fenced(at: now())
        while !shutdown.isRequested {
            beat()
            switch action {
            case .join:
                logger.warning(
                    "the group took this member for another of its instance_id: joining again",
                    ["instance_id": instance, "reason": error.description])
                return true
            case .look:
                if administrator == nil {
                    logger.warning(
                        "fenced once more: looking who has the instance_id",
                        ["instance_id": instance, "reason": error.description])
                }
                _ = shutdown.wait(timeoutMilliseconds: Self.lookInterval)
                action = look(&administrator, instance, group, &claim, now)
            case .giveWay(let holder):
                throw RoleFailure(.internalFault, Self.story(of: holder, instance, group))
            }
        }
        return false
    }

    private func look(
        _ administrator: inout Admin?, _ instance: String, _ group: String, _ claim: inout InstanceClaim,
        _ now: () -> Int64
    ) -> InstanceClaim.Action {
        do throws(KafkaError) {
            if administrator == nil {
                administrator = try Admin(configuration: KafkaSettings(configuration).common())
            }
            let found = try administrator!.describeConsumerGroup(group, timeoutMilliseconds: 2_000)
            let holder = found.members.first { $0.instanceID == instance }.map {
                InstanceClaim.Holder(memberID: $0.memberID, clientID: $0.clientID, host: $0.host)
            }
            return claim.saw(holder, isStable: found.state == "Stable", at: now())
        } catch {
            logger.debug("nobody tells who has the instance_id", ["reason": error.description])
            return claim.sawNothing(at: now())
        }
    }

    private static func story(of holder: InstanceClaim.Holder?, _ instance: String, _ group: String) -> String
    {
        guard let holder else {
            return
                "fenced by another member with instance_id \(instance) of the group \(group), and no broker tells "
                + "who has it"
        }
        return "another process has instance_id \(instance) in the group \(group): \(holder.clientID) at "
            + "\(holder.host), member \(holder.memberID); give each process an instance_id of its own"
    }
}
