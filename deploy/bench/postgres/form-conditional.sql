-- One statement: the update holds only if there is enough, and what it returns goes into the two tables. No row: not
-- enough (that is not in the ledger). A reservation id that is there already makes the statement fail as a whole.
\set reservation random(1, 9223372036854775807)
\set order_id random(1, 9223372036854775807)
\set units random(1, 2)
WITH taken AS (
    UPDATE bench.stock SET reserved = reserved + :units, sequence = sequence + 1
    WHERE sku = :sku AND on_hand - reserved >= :units
    RETURNING on_hand, reserved, sequence
), claimed AS (
    INSERT INTO bench.reservations
    SELECT :reservation, :order_id, :sku, :units, now() + interval '15 min' FROM taken
)
INSERT INTO bench.ledger
SELECT :sku, sequence, 'reserve', now(), :reservation, :order_id, :units, :units, on_hand, reserved FROM taken
RETURNING sequence;
