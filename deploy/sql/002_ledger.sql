-- The ledger: one row for each entry of the topic stock.ledger, append only.

CREATE TABLE IF NOT EXISTS holdfast.inventory_transactions (
    sku               text        NOT NULL,
    sequence          bigint      NOT NULL CHECK (sequence >= 1),
    generation        bigint      NOT NULL CHECK (generation >= 1),
    more              boolean     NOT NULL,
    movement          text        NOT NULL
        CHECK (movement IN ('receive', 'return', 'damaged', 'adjust', 'transfer_out', 'in_transit', 'transfer_in',
            'transfer_cancel', 'transfer_back', 'transfer_overdue', 'reserve', 'backorder', 'fill', 'reacquire',
            'ship', 'release', 'expire', 'lose', 'reallocate', 'extend', 'set_policy', 'retire', 'set_warehouse',
            'set_settings', 'rejection')),
    warehouse_id      text,
    counterpart_id    text,
    quantity          bigint      NOT NULL CHECK (quantity >= 0),
    requested         bigint,
    remaining         bigint      CHECK (remaining >= 0),
    on_hand_delta     bigint      NOT NULL,
    reserved_delta    bigint      NOT NULL,
    in_transit_delta  bigint      NOT NULL,
    damaged_delta     bigint      NOT NULL,
    backordered_delta bigint      NOT NULL,
    on_hand           bigint      CHECK (on_hand >= 0),
    reserved          bigint      CHECK (reserved >= 0),
    in_transit        bigint      CHECK (in_transit >= 0),
    damaged           bigint      CHECK (damaged >= 0),
    set_apart         bigint      CHECK (set_apart >= 0),
    backordered       bigint      CHECK (backordered >= 0),
    at                timestamptz NOT NULL,
    command           text        NOT NULL,
    command_id        text        NOT NULL,
    command_hash      text        NOT NULL,
    reservation_id    text,
    order_id          text,
    transfer_id       text,
    origin            bigint,
    channel           text,
    expires_at        timestamptz,
    expected_at       timestamptz,
    reason            text,
    condition         text,
    reason_code       text,
    note              text,
    reference         text,
    details           text,
    named             boolean     NOT NULL,
    allow_split       boolean     NOT NULL,
    hash              text        NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    source_topic      text        NOT NULL,
    source_partition  integer     NOT NULL,
    source_offset     bigint      NOT NULL,
    ledger_partition  integer     NOT NULL,
    ledger_offset     bigint      NOT NULL,
    PRIMARY KEY (sku, sequence),
    -- Where damage or a count leaves less on hand than is reserved, further entries of the same command mend it.
    CHECK (reserved <= on_hand OR more),
    CHECK ((movement = 'rejection') = (reason IS NOT NULL)),
    CHECK (on_hand IS NOT NULL OR (on_hand_delta = 0 AND reserved_delta = 0 AND in_transit_delta = 0
        AND damaged_delta = 0)),
    CHECK (on_hand IS NULL OR (warehouse_id IS NOT NULL AND reserved IS NOT NULL AND in_transit IS NOT NULL
        AND damaged IS NOT NULL AND set_apart IS NOT NULL))
);

CREATE INDEX IF NOT EXISTS inventory_transactions_command ON holdfast.inventory_transactions (command_id);
CREATE INDEX IF NOT EXISTS inventory_transactions_origin ON holdfast.inventory_transactions (sku, origin)
    WHERE origin IS NOT NULL;

COMMENT ON TABLE holdfast.inventory_transactions IS
    'The ledger: every movement and every rejection, in order; append only';
COMMENT ON COLUMN holdfast.inventory_transactions.sequence IS 'Without gaps for each SKU, from 1';
COMMENT ON COLUMN holdfast.inventory_transactions.generation IS
    'How often the SKU was begun: 2 after it was retired and begun again';
COMMENT ON COLUMN holdfast.inventory_transactions.more IS 'Further entries of the same command follow';
COMMENT ON COLUMN holdfast.inventory_transactions.counterpart_id IS
    'The other warehouse of a transfer or of a reallocation';
COMMENT ON COLUMN holdfast.inventory_transactions.quantity IS
    'The units that moved or, for a rejection, that were asked for';
COMMENT ON COLUMN holdfast.inventory_transactions.requested IS
    'The units that a reserve asked for, where it was granted fewer';
COMMENT ON COLUMN holdfast.inventory_transactions.remaining IS
    'Units that the reservation still claims, or that the transfer still has in transit';
COMMENT ON COLUMN holdfast.inventory_transactions.on_hand IS
    'Units of the SKU in the warehouse after the entry; null where the entry is about no level';
COMMENT ON COLUMN holdfast.inventory_transactions.reserved IS
    'Units claimed by live reservations in the warehouse after the entry';
COMMENT ON COLUMN holdfast.inventory_transactions.in_transit IS
    'Units on the way to the warehouse after the entry';
COMMENT ON COLUMN holdfast.inventory_transactions.damaged IS
    'Spoiled units in the warehouse after the entry; not on hand';
COMMENT ON COLUMN holdfast.inventory_transactions.set_apart IS
    'Units in the warehouse that are set apart for channels and claimed by none of their reservations';
COMMENT ON COLUMN holdfast.inventory_transactions.backordered IS
    'Units of the SKU that are backordered after the entry; null where the entry does not change them';
COMMENT ON COLUMN holdfast.inventory_transactions.at IS
    'When the broker appended the command that caused the entry';
COMMENT ON COLUMN holdfast.inventory_transactions.command_id IS
    'Unique within the SKU; commands of other SKUs may have the same, as reservations and transfers may';
COMMENT ON COLUMN holdfast.inventory_transactions.origin IS
    'The sequence of the entry that began the reservation or the transfer';
COMMENT ON COLUMN holdfast.inventory_transactions.details IS
    'What was laid down: the policy, the facts of a warehouse, the settings; JSON';
COMMENT ON COLUMN holdfast.inventory_transactions.named IS
    'The command named the warehouse, which alone may serve the reservation';
COMMENT ON COLUMN holdfast.inventory_transactions.allow_split IS
    'Several warehouses may serve the reservation';
COMMENT ON COLUMN holdfast.inventory_transactions.hash IS
    'SHA-256 over the entry and the hash of the entry before it of the same SKU: holdfast.ledger_hash()';
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
COMMENT ON INDEX holdfast.inventory_transactions_origin IS 'From a reservation or transfer to its history';

GRANT SELECT, INSERT ON holdfast.inventory_transactions TO holdfast_application;
