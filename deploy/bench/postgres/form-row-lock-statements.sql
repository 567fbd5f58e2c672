-- The row lock as an application writes it: a round trip for each statement, and the lock is held meanwhile.
\set reservation random(1, 9223372036854775807)
\set order_id random(1, 9223372036854775807)
\set units random(1, 2)
BEGIN;
SELECT on_hand, reserved, sequence, on_hand - reserved >= :units AS suffices FROM bench.stock WHERE sku = :sku FOR UPDATE \gset
\if :suffices
UPDATE bench.stock SET reserved = reserved + :units, sequence = sequence + 1 WHERE sku = :sku;
INSERT INTO bench.reservations VALUES (:reservation, :order_id, :sku, :units, now() + interval '15 min');
INSERT INTO bench.ledger VALUES (:sku, :sequence::bigint + 1, 'reserve', now(), :reservation, :order_id, :units, :units, :on_hand, :reserved::bigint + :units::bigint);
\else
UPDATE bench.stock SET sequence = sequence + 1 WHERE sku = :sku;
INSERT INTO bench.ledger VALUES (:sku, :sequence::bigint + 1, 'rejection', now(), :reservation, :order_id, :units, 0, :on_hand, :reserved, 'insufficient_stock');
\endif
COMMIT;
