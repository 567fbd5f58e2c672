-- Orders of several lines, for fulfilment. The sink keeps these tables from the topic order.outcomes: what the newest
-- outcome of each order says. docs/operations.md has queries.

CREATE TABLE IF NOT EXISTS holdfast.orders (
    order_id             text        NOT NULL PRIMARY KEY,
    version              bigint      NOT NULL CHECK (version >= 1),
    outcome              text        NOT NULL
        CHECK (outcome IN ('reserved', 'partially_reserved', 'rejected', 'confirmed', 'released', 'expired',
            'refund_required', 'changed', 'lost')),
    is_final             boolean     NOT NULL,
    mode                 text        NOT NULL CHECK (mode IN ('all_or_nothing', 'partial', 'wait')),
    allow_split          boolean     NOT NULL,
    ship_to_latitude     numeric(8, 6),
    ship_to_longitude    numeric(9, 6),
    deliver_within_hours bigint,
    deadline             timestamptz NOT NULL,
    told_at              timestamptz NOT NULL,
    outcome_partition    integer     NOT NULL,
    outcome_offset       bigint      NOT NULL,
    CHECK ((ship_to_latitude IS NULL) = (ship_to_longitude IS NULL))
);

CREATE INDEX IF NOT EXISTS orders_live ON holdfast.orders (deadline) WHERE NOT is_final;

COMMENT ON TABLE holdfast.orders IS 'Orders of several lines, as the newest outcome of each tells them';
COMMENT ON COLUMN holdfast.orders.version IS 'Of the outcome: from 1, without a gap for each order';
COMMENT ON COLUMN holdfast.orders.outcome IS 'What was told last, in the words of order.outcomes';
COMMENT ON COLUMN holdfast.orders.is_final IS
    'The order has ended; what may follow is that a payment must go back';
COMMENT ON COLUMN holdfast.orders.mode IS 'What the order wants where not all is to be had';
COMMENT ON COLUMN holdfast.orders.allow_split IS 'Several warehouses may serve a line';
COMMENT ON COLUMN holdfast.orders.deliver_within_hours IS
    'How soon the parcels are to be there; null where nothing was promised';
COMMENT ON COLUMN holdfast.orders.deadline IS 'Until when the order is to be paid';
COMMENT ON COLUMN holdfast.orders.told_at IS 'The time of the record that brought the outcome about';
COMMENT ON COLUMN holdfast.orders.outcome_offset IS
    'The place of the outcome in the topic order.outcomes, with outcome_partition';
COMMENT ON INDEX holdfast.orders_live IS 'Orders that have not ended, by their deadlines';

CREATE TABLE IF NOT EXISTS holdfast.order_lines (
    order_id     text   NOT NULL,
    sku          text   NOT NULL,
    position     bigint NOT NULL CHECK (position >= 1),
    warehouse_id text,
    quantity     bigint NOT NULL CHECK (quantity >= 0),
    reserved     bigint NOT NULL CHECK (reserved >= 0),
    backordered  bigint NOT NULL CHECK (backordered >= 0),
    paid         bigint NOT NULL CHECK (paid >= 0),
    shipped      bigint NOT NULL CHECK (shipped >= 0),
    refund       bigint NOT NULL CHECK (refund >= 0),
    reason       text,
    PRIMARY KEY (order_id, sku)
);

CREATE INDEX IF NOT EXISTS order_lines_sku ON holdfast.order_lines (sku);

COMMENT ON TABLE holdfast.order_lines IS 'The lines of holdfast.orders, of one SKU each';
COMMENT ON COLUMN holdfast.order_lines.position IS 'The place of the line in its order, from 1';
COMMENT ON COLUMN holdfast.order_lines.warehouse_id IS 'The one that must serve the line, where the order names one';
COMMENT ON COLUMN holdfast.order_lines.quantity IS 'The units that the order wants';
COMMENT ON COLUMN holdfast.order_lines.reserved IS 'The units that warehouses keep for it';
COMMENT ON COLUMN holdfast.order_lines.backordered IS 'The units that are promised and not there yet';
COMMENT ON COLUMN holdfast.order_lines.paid IS 'The units that were paid';
COMMENT ON COLUMN holdfast.order_lines.shipped IS 'The units that ship: they have left the books of stock';
COMMENT ON COLUMN holdfast.order_lines.refund IS 'The units whose payment must go back';
COMMENT ON COLUMN holdfast.order_lines.reason IS 'Why the stock refused the line, or what more it was to have';
COMMENT ON INDEX holdfast.order_lines_sku IS 'From a SKU to the orders that have it';

CREATE TABLE IF NOT EXISTS holdfast.shipments_planned (
    order_id     text   NOT NULL,
    sku          text   NOT NULL,
    warehouse_id text   NOT NULL,
    state        text   NOT NULL CHECK (state IN ('planned', 'shipped')),
    quantity     bigint NOT NULL CHECK (quantity >= 1),
    PRIMARY KEY (order_id, sku, warehouse_id, state)
);

CREATE INDEX IF NOT EXISTS shipments_planned_warehouse ON holdfast.shipments_planned (warehouse_id, sku)
    WHERE state = 'planned';

COMMENT ON TABLE holdfast.shipments_planned IS 'Which warehouse sends how many units of each line';
COMMENT ON COLUMN holdfast.shipments_planned.state IS
    'planned: reserved there. shipped: out of the books; that is at the payment, unless orders ship on order.shipped';
COMMENT ON INDEX holdfast.shipments_planned_warehouse IS 'What is planned in a warehouse';

CREATE OR REPLACE VIEW holdfast.pick_list AS
SELECT s.warehouse_id, s.sku, s.quantity, s.order_id, o.deliver_within_hours, o.told_at
FROM holdfast.shipments_planned s
JOIN holdfast.order_lines l ON l.order_id = s.order_id AND l.sku = s.sku
JOIN holdfast.orders o ON o.order_id = s.order_id
WHERE s.state = 'planned' AND l.paid >= l.shipped + l.reserved;

COMMENT ON VIEW holdfast.pick_list IS
    'What a warehouse has to pick where orders ship on order.shipped: planned units of lines that are paid whole';

GRANT SELECT, INSERT, UPDATE, DELETE ON holdfast.orders, holdfast.order_lines, holdfast.shipments_planned
    TO holdfast_application;
GRANT SELECT ON holdfast.pick_list TO holdfast_application;
