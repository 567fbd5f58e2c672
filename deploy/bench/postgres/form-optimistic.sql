-- Optimistic, repeated in the function when somebody else came first: one round trip.
\set reservation random(1, 9223372036854775807)
\set order_id random(1, 9223372036854775807)
\set units random(1, 2)
SELECT bench.reserve_optimistic(:sku, :reservation, :order_id, :units);
