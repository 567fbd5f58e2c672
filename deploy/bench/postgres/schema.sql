-- The peer of the stock processor in PostgreSQL, for the benchmark: the same decision by a transaction of its own.
-- In a schema of its own, which deploy/lib/bench-postgres.sh makes and drops. Variable: rows, the number of SKUs.
--
-- It is spared what ours does beyond it: no hash chain, no window of command ids, one warehouse, ids that are numbers
-- and not texts. All of that favours PostgreSQL.
\set ON_ERROR_STOP on
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
SET search_path = bench;

-- Half of each page stays free, so that an update finds room beside the old row and touches no index (HOT).
CREATE TABLE stock (
    sku bigint PRIMARY KEY,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL DEFAULT 0,
    sequence bigint NOT NULL DEFAULT 0, -- of the SKU's newest ledger entry; the version of the optimistic form
    CHECK (reserved BETWEEN 0 AND on_hand)
) WITH (fillfactor = 50);

CREATE TABLE reservations (
    id bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    sku bigint NOT NULL,
    quantity bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Every decision, with the deltas and the balances that resulted.
CREATE TABLE ledger (
    sku bigint NOT NULL,
    sequence bigint NOT NULL,
    movement text NOT NULL,
    at timestamptz NOT NULL,
    reservation_id bigint NOT NULL,
    order_id bigint NOT NULL,
    quantity bigint NOT NULL,
    reserved_delta bigint NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    reason text,
    PRIMARY KEY (sku, sequence)
);

-- More than any run asks for: what is measured are reservations that are granted.
INSERT INTO stock (sku, on_hand) SELECT sku, 1000000000000 FROM generate_series(1, :rows) AS sku;

-- The row lock, in one round trip. The lock is taken first: who waits for it sees what the one before did.
CREATE FUNCTION reserve_locked(wanted_sku bigint, reservation bigint, for_order bigint, units bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    level bench.stock;
BEGIN
    SELECT * INTO STRICT level FROM bench.stock WHERE sku = wanted_sku FOR UPDATE;
    IF EXISTS (SELECT FROM bench.reservations WHERE id = reservation) THEN
        RETURN 'duplicate';
    END IF;
    IF level.on_hand - level.reserved < units THEN
        UPDATE bench.stock SET sequence = sequence + 1 WHERE sku = wanted_sku;
        INSERT INTO bench.ledger VALUES (wanted_sku, level.sequence + 1, 'rejection', clock_timestamp(), reservation,
            for_order, units, 0, level.on_hand, level.reserved, 'insufficient_stock');
        RETURN 'insufficient_stock';
    END IF;
    UPDATE bench.stock SET reserved = reserved + units, sequence = sequence + 1 WHERE sku = wanted_sku;
    INSERT INTO bench.reservations VALUES (reservation, for_order, wanted_sku, units, clock_timestamp() + '15 min');
    INSERT INTO bench.ledger VALUES (wanted_sku, level.sequence + 1, 'reserve', clock_timestamp(), reservation,
        for_order, units, units, level.on_hand, level.reserved + units);
    RETURN 'reserved';
END $$;

-- Optimistic: nothing is locked while it is read; the update holds only if nobody else came first, else it is read
-- again. Each statement of a function sees what is committed by then, so the repeats need no round trip either.
CREATE FUNCTION reserve_optimistic(wanted_sku bigint, reservation bigint, for_order bigint, units bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    level bench.stock;
BEGIN
    FOR attempt IN 1..1000 LOOP
        SELECT * INTO STRICT level FROM bench.stock WHERE sku = wanted_sku;
        IF EXISTS (SELECT FROM bench.reservations WHERE id = reservation) THEN
            RETURN 'duplicate';
        END IF;
        IF level.on_hand - level.reserved < units THEN
            UPDATE bench.stock SET sequence = sequence + 1 WHERE sku = wanted_sku AND sequence = level.sequence;
            CONTINUE WHEN NOT FOUND;
            INSERT INTO bench.ledger VALUES (wanted_sku, level.sequence + 1, 'rejection', clock_timestamp(), reservation,
                for_order, units, 0, level.on_hand, level.reserved, 'insufficient_stock');
            RETURN 'insufficient_stock';
        END IF;
        UPDATE bench.stock SET reserved = reserved + units, sequence = sequence + 1
        WHERE sku = wanted_sku AND sequence = level.sequence;
        CONTINUE WHEN NOT FOUND;
        INSERT INTO bench.reservations VALUES (reservation, for_order, wanted_sku, units, clock_timestamp() + '15 min');
        INSERT INTO bench.ledger VALUES (wanted_sku, level.sequence + 1, 'reserve', clock_timestamp(), reservation,
            for_order, units, units, level.on_hand, level.reserved + units);
        RETURN 'reserved';
    END LOOP;
    RAISE EXCEPTION 'no luck in 1000 attempts' USING ERRCODE = 'serialization_failure';
END $$;

-- What must hold after a run; no row is what is wanted.
CREATE VIEW faults AS
SELECT 'levels are not the sum of reservations' AS fault
WHERE (SELECT sum(reserved) FROM bench.stock) IS DISTINCT FROM coalesce((SELECT sum(quantity) FROM bench.reservations), 0)
UNION ALL
SELECT 'levels are not the sum of the ledger'
WHERE (SELECT sum(reserved) FROM bench.stock) IS DISTINCT FROM coalesce((SELECT sum(reserved_delta) FROM bench.ledger), 0)
UNION ALL
SELECT 'the ledger has gaps'
WHERE (SELECT sum(sequence) FROM bench.stock) IS DISTINCT FROM (SELECT count(*) FROM bench.ledger);
