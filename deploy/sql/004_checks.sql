-- For auditors: the levels derived from the movements, and what disagrees with them.

CREATE OR REPLACE VIEW holdfast.inventory_derived AS
SELECT sku, warehouse_id,
    sum(on_hand_delta)::bigint AS quantity_on_hand,
    sum(reserved_delta)::bigint AS quantity_reserved,
    sum(in_transit_delta)::bigint AS quantity_in_transit,
    sum(damaged_delta)::bigint AS quantity_damaged,
    max(sequence) AS ledger_sequence
FROM holdfast.inventory_transactions
WHERE on_hand IS NOT NULL
GROUP BY sku, warehouse_id;

COMMENT ON VIEW holdfast.inventory_derived IS 'The levels as sums of the movements';

CREATE OR REPLACE VIEW holdfast.inventory_differences AS
SELECT sku, warehouse_id,
    i.quantity_on_hand, d.quantity_on_hand AS derived_on_hand,
    i.quantity_reserved, d.quantity_reserved AS derived_reserved,
    i.quantity_in_transit, d.quantity_in_transit AS derived_in_transit,
    i.quantity_damaged, d.quantity_damaged AS derived_damaged,
    i.ledger_sequence, d.ledger_sequence AS derived_sequence
FROM holdfast.inventory i
FULL JOIN holdfast.inventory_derived d USING (sku, warehouse_id)
WHERE (i.quantity_on_hand, i.quantity_reserved, i.quantity_in_transit, i.quantity_damaged, i.ledger_sequence)
    IS DISTINCT FROM (d.quantity_on_hand, d.quantity_reserved, d.quantity_in_transit, d.quantity_damaged,
        d.ledger_sequence);

COMMENT ON VIEW holdfast.inventory_differences IS
    'Where the levels and the sums of the movements disagree; empty when all is right';

CREATE OR REPLACE VIEW holdfast.reservation_allocations AS
SELECT sku, origin AS reserved_sequence, reservation_id, order_id, warehouse_id,
    sum(reserved_delta)::bigint AS quantity
FROM holdfast.inventory_transactions
WHERE reservation_id IS NOT NULL AND on_hand IS NOT NULL
GROUP BY sku, origin, reservation_id, order_id, warehouse_id
HAVING sum(reserved_delta) <> 0;

COMMENT ON VIEW holdfast.reservation_allocations IS
    'Which warehouse serves how many units of each live reservation';

CREATE OR REPLACE FUNCTION holdfast.check_ledger()
RETURNS TABLE (sku text, sequence bigint, problem text)
LANGUAGE sql STABLE AS $$
    SELECT t.sku, t.sequence, 'the entry before it is missing'
    FROM (
        SELECT l.sku, l.sequence,
            lag(l.sequence, 1, 0::bigint) OVER (PARTITION BY l.sku ORDER BY l.sequence) AS before
        FROM holdfast.inventory_transactions l
    ) t
    WHERE t.sequence <> t.before + 1
    UNION ALL
    SELECT t.sku, t.sequence, 'the balance is not the sum of the deltas'
    FROM (
        SELECT l.sku, l.sequence, l.on_hand, l.reserved, l.in_transit, l.damaged,
            sum(l.on_hand_delta) OVER running AS on_hand_sum,
            sum(l.reserved_delta) OVER running AS reserved_sum,
            sum(l.in_transit_delta) OVER running AS in_transit_sum,
            sum(l.damaged_delta) OVER running AS damaged_sum
        FROM holdfast.inventory_transactions l
        WHERE l.on_hand IS NOT NULL
        WINDOW running AS (PARTITION BY l.sku, l.warehouse_id ORDER BY l.sequence)
    ) t
    WHERE t.on_hand <> t.on_hand_sum OR t.reserved <> t.reserved_sum OR t.in_transit <> t.in_transit_sum
        OR t.damaged <> t.damaged_sum
    UNION ALL
    SELECT t.sku, t.sequence, 'backordered is not the sum of the deltas'
    FROM (
        SELECT l.sku, l.sequence, l.backordered,
            sum(l.backordered_delta) OVER (PARTITION BY l.sku ORDER BY l.sequence) AS backordered_sum
        FROM holdfast.inventory_transactions l
        WHERE l.backordered_delta <> 0
    ) t
    WHERE t.backordered IS DISTINCT FROM t.backordered_sum
$$;

COMMENT ON FUNCTION holdfast.check_ledger() IS
    'Entries that are missing, and balances that are not the sum of their deltas; none when all is right';

GRANT SELECT ON holdfast.inventory_derived, holdfast.inventory_differences, holdfast.reservation_allocations
    TO holdfast_application;
