-- What the ledger amounts to. The sink keeps these tables in the transaction that adds the ledger's rows.

CREATE TABLE IF NOT EXISTS holdfast.inventory (
    sku                text   NOT NULL,
    warehouse_id       text   NOT NULL,
    quantity_on_hand   bigint NOT NULL,
    quantity_reserved  bigint NOT NULL CHECK (quantity_reserved BETWEEN 0 AND quantity_on_hand),
    quantity_available bigint GENERATED ALWAYS AS (quantity_on_hand - quantity_reserved) STORED,
    ledger_sequence    bigint NOT NULL,
    PRIMARY KEY (sku, warehouse_id)
);

COMMENT ON TABLE holdfast.inventory IS 'The level of each SKU in each warehouse, by the newest ledger entry';
COMMENT ON COLUMN holdfast.inventory.ledger_sequence IS 'The ledger entry that the level stands for';

CREATE TABLE IF NOT EXISTS holdfast.reservations (
    id                text        NOT NULL,
    order_id          text        NOT NULL,
    sku               text        NOT NULL,
    warehouse_id      text        NOT NULL,
    quantity          bigint      NOT NULL CHECK (quantity >= 1),
    status            text        NOT NULL CHECK (status IN ('reserved', 'confirmed', 'released', 'expired')),
    expires_at        timestamptz NOT NULL,
    reserved_at       timestamptz NOT NULL,
    ended_at          timestamptz,
    reserved_sequence bigint      NOT NULL,
    ended_sequence    bigint,
    PRIMARY KEY (sku, reserved_sequence),
    CHECK ((status = 'reserved') = (ended_sequence IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_sequence IS NULL))
);

-- An id is unique among live reservations only: long after its end it may be used again.
CREATE INDEX IF NOT EXISTS reservations_id ON holdfast.reservations (id, sku, reserved_sequence);
CREATE INDEX IF NOT EXISTS reservations_order ON holdfast.reservations (order_id);

COMMENT ON TABLE holdfast.reservations IS 'Every reservation, live and ended';
COMMENT ON COLUMN holdfast.reservations.reserved_sequence IS 'The ledger entry that made it';
COMMENT ON COLUMN holdfast.reservations.ended_sequence IS 'The ledger entry that ended it';

CREATE TABLE IF NOT EXISTS holdfast.sink_offsets (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (topic, partition)
);

COMMENT ON TABLE holdfast.sink_offsets IS
    'Up to where the sink has read the ledger; changed in the transaction that adds the rows';

GRANT SELECT, INSERT, UPDATE ON holdfast.inventory, holdfast.reservations, holdfast.sink_offsets
    TO holdfast_application;
