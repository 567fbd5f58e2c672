-- A closed warehouse has nothing available. Each partition of the ledger closes it at an entry of its own, and the rows of
-- the partition's SKUs follow in the transaction that adds this entry.

CREATE TABLE IF NOT EXISTS holdfast.warehouse_states (
    ledger_partition integer NOT NULL,
    warehouse_id     text    NOT NULL,
    is_active        boolean NOT NULL,
    ledger_sequence  bigint  NOT NULL,
    PRIMARY KEY (ledger_partition, warehouse_id)
);

COMMENT ON TABLE holdfast.warehouse_states IS
    'Which warehouses are open, as each partition of the ledger has it; warehouses has what was published';
COMMENT ON COLUMN holdfast.warehouse_states.ledger_partition IS 'The partition of stock.ledger';
COMMENT ON COLUMN holdfast.warehouse_states.ledger_sequence IS
    'The entry of @holdfast/partition/N that the row stands for';

ALTER TABLE holdfast.inventory
    ADD COLUMN IF NOT EXISTS ledger_partition integer,
    ADD COLUMN IF NOT EXISTS is_closed boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN holdfast.inventory.ledger_partition IS 'The partition of stock.ledger that the SKU is in';
COMMENT ON COLUMN holdfast.inventory.is_closed IS 'The warehouse is closed: nothing is available there';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE d.adrelid = 'holdfast.inventory'::regclass AND a.attname = 'quantity_available'
            AND pg_get_expr(d.adbin, d.adrelid) LIKE '%is_closed%')
    THEN
        -- PostgreSQL 17 and later: https://www.postgresql.org/docs/17/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-EXPRESSION
        EXECUTE 'ALTER TABLE holdfast.inventory ALTER COLUMN quantity_available SET EXPRESSION AS (
            CASE WHEN is_closed THEN 0 ELSE
                greatest(0, quantity_on_hand - quantity_reserved - quantity_set_apart - safety_stock) END)';
    END IF;
END
$$;

COMMENT ON COLUMN holdfast.inventory.quantity_available IS
    'Units that may be claimed by who sells through no channel; none in a closed warehouse';
COMMENT ON COLUMN holdfast.inventory.quantity_set_apart IS
    'Units that were set apart for channels and are claimed by none of their reservations; may be more than there are';

-- What earlier versions stored, once.
UPDATE holdfast.inventory i SET ledger_partition = t.ledger_partition
FROM holdfast.inventory_transactions t
WHERE i.ledger_partition IS NULL AND t.sku = i.sku AND t.sequence = i.ledger_sequence;

INSERT INTO holdfast.warehouse_states (ledger_partition, warehouse_id, is_active, ledger_sequence)
SELECT DISTINCT ON (t.ledger_partition, t.warehouse_id)
    t.ledger_partition, t.warehouse_id, (t.details::jsonb ->> 'active')::boolean, t.sequence
FROM generate_series(0, (SELECT max(ledger_partition) FROM holdfast.inventory_transactions)) AS p (number)
JOIN holdfast.inventory_transactions t ON t.sku = '@holdfast/partition/' || p.number
WHERE t.movement = 'set_warehouse'
ORDER BY t.ledger_partition, t.warehouse_id, t.sequence DESC
ON CONFLICT (ledger_partition, warehouse_id) DO NOTHING;

UPDATE holdfast.inventory i SET is_closed = NOT s.is_active
FROM holdfast.warehouse_states s
WHERE s.ledger_partition = i.ledger_partition AND s.warehouse_id = i.warehouse_id AND i.is_closed = s.is_active;

GRANT SELECT, INSERT, UPDATE ON holdfast.warehouse_states TO holdfast_application;
