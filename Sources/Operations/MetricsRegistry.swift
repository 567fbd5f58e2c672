import Synchronization

/// All metrics of one name: one handle for each combination of label values.
package final class MetricFamily<Metric: Sendable>: Sendable {
    package let name: String
    let help: String
    let labels: [String]
    private let make: @Sendable () -> Metric
    private let metrics = Mutex<[[String]: Metric]>([:])

    init(name: String, help: String, labels: [String], make: @escaping @Sendable () -> Metric) {
        precondition(MetricNames.isMetricName(name), "\(name) is no Prometheus metric name")
        precondition(
            labels.allSatisfy(MetricNames.isLabelName), "\(labels) has what is no Prometheus label name")
        self.name = name
        self.help = help
        self.labels = labels
        self.make = make
    }

    /// The handle for these label values, in the order of the labels; made at its first use. Takes a lock:
    /// fetch it once and keep it.
    package func with(_ values: String...) -> Metric {
        with(values: values)
    }

    /// The same for values that stand in an array.
    package func with(values: [String]) -> Metric {
        precondition(values.count == labels.count, "\(name) has the labels \(labels), not \(values)")
        return metrics.withLock { metrics in
            if let metric = metrics[values] { return metric }
            let metric = make()
            metrics[values] = metric
            return metric
        }
    }

    /// Takes a handle out of the text, such as the lag of a partition that has gone to another process.
    package func remove(_ values: String...) {
        metrics.withLock { _ = $0.removeValue(forKey: values) }
    }

    /// All handles, ordered by their label values so that two renderings can be compared.
    var sorted: [(values: [String], metric: Metric)] {
        metrics.withLock { $0.map { (values: $0.key, metric: $0.value) } }
            .sorted { $0.values.lexicographicallyPrecedes($1.values) }
    }
}

/// The metrics of a process, and their text for Prometheus.
package final class MetricsRegistry: Sendable {
    private struct Entry {
        let family: any Sendable
        let render: @Sendable (inout PrometheusText) -> Void
    }

    /// In alphabetical order of the names when rendered.
    private let entries = Mutex<[String: Entry]>([:])

    package init() {}

    /// A counter without labels. By convention its name ends in `_total`.
    package func counter(_ name: String, help: String) -> Counter {
        counters(name, help: help, labels: []).with()
    }

    /// Counters told apart by labels. Asking again for the same name gives the same family.
    package func counters(_ name: String, help: String, labels: [String]) -> MetricFamily<Counter> {
        register(name, help: help, labels: labels, make: Counter.init) { family, text in
            text.head(family.name, help: family.help, type: "counter")
            for (values, counter) in family.sorted {
                text.sample(family.name, labels: zip(family.labels, values), value: String(counter.value))
            }
        }
    }

    /// A gauge without labels.
    package func gauge(_ name: String, help: String) -> Gauge {
        gauges(name, help: help, labels: []).with()
    }

    /// A gauge that is read when the text is made.
    package func gauge(_ name: String, help: String, reading: @escaping @Sendable () -> Double) {
        register(name, help: help, labels: [], make: Gauge.init) { family, text in
            text.head(family.name, help: family.help, type: "gauge")
            text.sample(family.name, labels: [], value: PrometheusText.number(reading()))
        }
    }

    /// Gauges told apart by labels.
    package func gauges(_ name: String, help: String, labels: [String]) -> MetricFamily<Gauge> {
        register(name, help: help, labels: labels, make: Gauge.init) { family, text in
            text.head(family.name, help: family.help, type: "gauge")
            for (values, gauge) in family.sorted {
                text.sample(
                    family.name, labels: zip(family.labels, values), value: PrometheusText.number(gauge.value)
                )
            }
        }
    }

    /// A histogram without labels; `buckets` are inclusive upper bounds, rising and finite.
    package func histogram(
        _ name: String, help: String, buckets: [Double] = Histogram.durationBuckets
    ) -> Histogram {
        histograms(name, help: help, labels: [], buckets: buckets).with()
    }

    /// Histograms told apart by labels.
    package func histograms(
        _ name: String, help: String, labels: [String], buckets: [Double] = Histogram.durationBuckets
    ) -> MetricFamily<Histogram> {
        precondition(
            !buckets.isEmpty && buckets.allSatisfy(\.isFinite)
                && zip(buckets, buckets.dropFirst()).allSatisfy(<),
            "the buckets of \(name) must be finite and rising")
        precondition(!labels.contains("le"), "a histogram writes the label le itself")
        let make: @Sendable () -> Histogram = { Histogram(bounds: buckets) }
        return register(name, help: help, labels: labels, make: make) { family, text in
            text.head(family.name, help: family.help, type: "histogram")
            for (values, histogram) in family.sorted {
                text.histogram(family.name, labels: zip(family.labels, values), histogram)
            }
        }
    }

    /// The text of all metrics in the Prometheus text format, version 0.0.4.
    package func prometheusText() -> String {
        var text = PrometheusText()
        let sorted = entries.withLock { $0.sorted { $0.key < $1.key }.map(\.value.render) }
        for render in sorted {
            render(&text)
        }
        return text.text
    }

    @discardableResult
    private func register<Metric: Sendable>(
        _ name: String, help: String, labels: [String], make: @escaping @Sendable () -> Metric,
        render: @escaping @Sendable (MetricFamily<Metric>, inout PrometheusText) -> Void
    ) -> MetricFamily<Metric> {
        entries.withLock { entries in
            if let entry = entries[name] {
                guard let family = entry.family as? MetricFamily<Metric>, family.labels == labels else {
                    preconditionFailure("\(name) is registered already with another type or other labels")
                }
                return family
            }
            let family = MetricFamily<Metric>(name: name, help: help, labels: labels, make: make)
            entries[name] = Entry(family: family, render: { text in render(family, &text) })
            return family
        }
    }
}

/// What Prometheus takes for names.
enum MetricNames {
    static func isMetricName(_ name: String) -> Bool {
        isLabelName(name.replacing(":", with: "_"))
    }

    static func isLabelName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
    }
}
