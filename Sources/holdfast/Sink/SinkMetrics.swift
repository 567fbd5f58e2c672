import Operations

/// What the sink counts.
struct SinkMetrics: Sendable {
    private let rows: Counter
    private let seconds: Histogram
    private let lags: MetricFamily<Gauge>
    private let orders: Counter
    private let orderLags: MetricFamily<Gauge>

    init(_ registry: MetricsRegistry) {
        rows = registry.counter("holdfast_sink_rows_total", help: "Ledger entries written into PostgreSQL.")
        seconds = registry.histogram(
            "holdfast_sink_transaction_seconds", help: "One transaction of the sink, from BEGIN to COMMIT.")
        lags = registry.gauges(
            "holdfast_sink_lag_records",
            help: "Records of stock.ledger, markers included, that are not in PostgreSQL yet.",
            labels: ["partition"])
        orders = registry.counter(
            "holdfast_sink_orders_total", help: "Orders in PostgreSQL that a newer outcome made or changed.")
        orderLags = registry.gauges(
            "holdfast_sink_order_lag_records",
            help: "Records of order.outcomes, markers included, that are not in PostgreSQL yet.",
            labels: ["partition"])
    }

    func stored(rows count: Int, seconds length: Double) {
        rows.add(count)
        seconds.observe(length)
    }

    func lag(_ partition: Int32, _ records: Int64) { lags.with("\(partition)").set(Int(records)) }

    func stored(orders count: Int) { orders.add(count) }

    func orderLag(_ partition: Int32, _ records: Int64) {
        orderLags.with("\(partition)").set(Int(records))
    }
}
