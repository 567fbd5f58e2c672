-- What the ledger amounts to. The sink keeps these tables in the transaction that adds the ledger's rows.

CREATE TABLE IF NOT EXISTS holdfast.inventory (
    sku                 text   NOT NULL,
    warehouse_id        text   NOT NULL,
    quantity_on_hand    bigint NOT NULL,
    quantity_reserved   bigint NOT NULL CHECK (quantity_reserved >= 0),
    quantity_in_transit bigint NOT NULL,
    quantity_damaged    bigint NOT NULL,
    quantity_set_apart  bigint NOT NULL,
    safety_stock        bigint NOT NULL DEFAULT 0,
    quantity_available  bigint GENERATED ALWAYS AS
        (greatest(0, quantity_on_hand - quantity_reserved - quantity_set_apart - safety_stock)) STORED,
    ledger_sequence     bigint NOT NULL,
    PRIMARY KEY (sku, warehouse_id)
);

COMMENT ON TABLE holdfast.inventory IS 'The level of each SKU in each warehouse, by the newest ledger entry';
COMMENT ON COLUMN holdfast.inventory.quantity_in_transit IS 'Units on the way to the warehouse';
COMMENT ON COLUMN holdfast.inventory.quantity_damaged IS 'Spoiled units that lie in the warehouse; not on hand';
COMMENT ON COLUMN holdfast.inventory.quantity_set_apart IS
    'Units that are set apart for channels and claimed by none of their reservations';
COMMENT ON COLUMN holdfast.inventory.safety_stock IS 'Units withheld from sale';
COMMENT ON COLUMN holdfast.inventory.quantity_available IS
    'Units that may be claimed by who sells through no channel';
COMMENT ON COLUMN holdfast.inventory.ledger_sequence IS 'The ledger entry that the level stands for';

CREATE TABLE IF NOT EXISTS holdfast.policies (
    sku             text   NOT NULL,
    warehouse_id    text   NOT NULL,
    safety_stock    bigint,
    policy          jsonb,
    ledger_sequence bigint NOT NULL,
    PRIMARY KEY (sku, warehouse_id)
);

COMMENT ON TABLE holdfast.policies IS
    'What is laid down for a SKU (warehouse_id is empty) and for a SKU in a warehouse';
COMMENT ON COLUMN holdfast.policies.policy IS 'As in the command set_policy; null when the SKU was retired';

CREATE TABLE IF NOT EXISTS holdfast.reservations (
    id                text        NOT NULL,
    order_id          text        NOT NULL,
    sku               text        NOT NULL,
    warehouse_id      text,
    quantity          bigint      NOT NULL CHECK (quantity >= 1),
    remaining         bigint      NOT NULL CHECK (remaining BETWEEN 0 AND quantity),
    channel           text,
    status            text        NOT NULL
        CHECK (status IN ('reserved', 'confirmed', 'released', 'expired', 'lost')),
    expires_at        timestamptz NOT NULL,
    reserved_at       timestamptz NOT NULL,
    ended_at          timestamptz,
    reserved_sequence bigint      NOT NULL,
    ended_sequence    bigint,
    ledger_sequence   bigint      NOT NULL,
    PRIMARY KEY (sku, reserved_sequence),
    CHECK ((status = 'reserved') = (ended_sequence IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_sequence IS NULL)),
    CHECK ((remaining = 0) = (ended_sequence IS NOT NULL))
);

-- An id is unique among the live reservations of its SKU only: long after its end it may be used again, and other SKUs
-- may use it at any time. So the ledger entry that made the reservation is its key.
CREATE INDEX IF NOT EXISTS reservations_id ON holdfast.reservations (id, sku, reserved_sequence);
CREATE INDEX IF NOT EXISTS reservations_order ON holdfast.reservations (order_id);

COMMENT ON TABLE holdfast.reservations IS 'Every reservation, live and ended';
COMMENT ON COLUMN holdfast.reservations.id IS
    'The reservation_id, unique among the live reservations of its SKU; other SKUs may use the same';
COMMENT ON COLUMN holdfast.reservations.warehouse_id IS
    'The first warehouse that served it, null for one that was backordered as a whole; '
    'reservation_allocations has all';
COMMENT ON COLUMN holdfast.reservations.quantity IS 'The units that were granted';
COMMENT ON COLUMN holdfast.reservations.remaining IS 'The units that it still claims';
COMMENT ON COLUMN holdfast.reservations.status IS
    'How it ended, by what took its last units: reserved while it lives';
COMMENT ON COLUMN holdfast.reservations.reserved_sequence IS 'The ledger entry that made it';
COMMENT ON COLUMN holdfast.reservations.ended_sequence IS 'The ledger entry that ended it';
COMMENT ON COLUMN holdfast.reservations.ledger_sequence IS 'The ledger entry that the row stands for';

CREATE TABLE IF NOT EXISTS holdfast.transfers (
    id                  text        NOT NULL,
    sku                 text        NOT NULL,
    from_warehouse_id   text        NOT NULL,
    to_warehouse_id     text        NOT NULL,
    quantity            bigint      NOT NULL CHECK (quantity >= 1),
    remaining           bigint      NOT NULL CHECK (remaining BETWEEN 0 AND quantity),
    status              text        NOT NULL
        CHECK (status IN ('in_transit', 'overdue', 'received', 'cancelled')),
    dispatched_at       timestamptz NOT NULL,
    expected_at         timestamptz,
    ended_at            timestamptz,
    dispatched_sequence bigint      NOT NULL,
    ledger_sequence     bigint      NOT NULL,
    PRIMARY KEY (sku, dispatched_sequence)
);

CREATE INDEX IF NOT EXISTS transfers_id ON holdfast.transfers (id);

COMMENT ON TABLE holdfast.transfers IS 'Every transfer, under way and ended';
COMMENT ON COLUMN holdfast.transfers.id IS
    'The transfer_id, unique among the transfers of its SKU that are under way; other SKUs may use the same';
COMMENT ON COLUMN holdfast.transfers.remaining IS 'The units that are still under way';
COMMENT ON COLUMN holdfast.transfers.dispatched_sequence IS 'The ledger entry that made it';
COMMENT ON COLUMN holdfast.transfers.ledger_sequence IS 'The ledger entry that the row stands for';

CREATE TABLE IF NOT EXISTS holdfast.sink_offsets (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (topic, partition)
);

COMMENT ON TABLE holdfast.sink_offsets IS
    'Up to where the sink has read each topic; changed in the transaction that adds the rows';

GRANT SELECT, INSERT, UPDATE ON holdfast.inventory, holdfast.policies, holdfast.reservations,
    holdfast.transfers, holdfast.sink_offsets TO holdfast_application;
