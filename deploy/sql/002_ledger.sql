-- The ledger: one row for each entry of the topic stock.ledger, append only.

CREATE TABLE IF NOT EXISTS holdfast.inventory_transactions (
    sku              text        NOT NULL,
    sequence         bigint      NOT NULL CHECK (sequence >= 1),
    movement         text        NOT NULL
        CHECK (movement IN ('receive', 'reserve', 'ship', 'release', 'expire', 'rejection')),
    warehouse_id     text,
    quantity         bigint      NOT NULL CHECK (quantity >= 0),
    on_hand_delta    bigint      NOT NULL,
    reserved_delta   bigint      NOT NULL,
    on_hand          bigint      NOT NULL,
    reserved         bigint      NOT NULL CHECK (reserved BETWEEN 0 AND on_hand),
    at               timestamptz NOT NULL,
    command          text        NOT NULL,
    command_id       text        NOT NULL,
    reservation_id   text,
    order_id         text,
    expires_at       timestamptz,
    reason           text,
    reference        text,
    source_topic     text        NOT NULL,
    source_partition integer     NOT NULL,
    source_offset    bigint      NOT NULL,
    ledger_partition integer     NOT NULL,
    ledger_offset    bigint      NOT NULL,
    PRIMARY KEY (sku, sequence),
    CHECK (movement = 'rejection' OR warehouse_id IS NOT NULL),
    CHECK ((movement = 'rejection') = (reason IS NOT NULL)),
    CHECK (movement <> 'rejection' OR (on_hand_delta = 0 AND reserved_delta = 0))
);

CREATE INDEX IF NOT EXISTS inventory_transactions_command ON holdfast.inventory_transactions (command_id);

COMMENT ON TABLE holdfast.inventory_transactions IS
    'The ledger: every movement and every rejection, in order; append only';
COMMENT ON COLUMN holdfast.inventory_transactions.sequence IS 'Without gaps for each SKU, from 1';
COMMENT ON COLUMN holdfast.inventory_transactions.quantity IS
    'The units that moved or, for a rejection, that were asked for';
COMMENT ON COLUMN holdfast.inventory_transactions.on_hand IS
    'Units of the SKU in the warehouse after the entry; 0 for a rejection';
COMMENT ON COLUMN holdfast.inventory_transactions.reserved IS
    'Units claimed by live reservations in the warehouse after the entry; 0 for a rejection';
COMMENT ON COLUMN holdfast.inventory_transactions.at IS
    'When the broker appended the command that caused the entry';
COMMENT ON COLUMN holdfast.inventory_transactions.source_offset IS
    'The place of the command, with source_topic and source_partition';
COMMENT ON COLUMN holdfast.inventory_transactions.ledger_offset IS
    'The place of the entry in the topic stock.ledger, with ledger_partition';

CREATE OR REPLACE FUNCTION holdfast.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is refused: the ledger is append only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
            HINT = 'A mistake is put right by a further movement, never by changing an entry.';
END
$$;

CREATE OR REPLACE TRIGGER ledger_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON holdfast.inventory_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION holdfast.refuse_change();

COMMENT ON FUNCTION holdfast.refuse_change() IS 'Refuses every change of an append-only table';
COMMENT ON TRIGGER ledger_is_append_only ON holdfast.inventory_transactions IS
    'Refuses UPDATE, DELETE and TRUNCATE, also to the owner';
COMMENT ON INDEX holdfast.inventory_transactions_command IS 'From a command to what it did';

GRANT SELECT, INSERT ON holdfast.inventory_transactions TO holdfast_application;
