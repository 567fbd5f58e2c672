-- For auditors: the levels derived from the movements, and what disagrees with them.

CREATE OR REPLACE VIEW holdfast.inventory_derived AS
SELECT sku, warehouse_id,
    sum(on_hand_delta)::bigint AS quantity_on_hand,
    sum(reserved_delta)::bigint AS quantity_reserved,
    max(sequence) AS ledger_sequence
FROM holdfast.inventory_transactions
WHERE movement <> 'rejection'
GROUP BY sku, warehouse_id;

COMMENT ON VIEW holdfast.inventory_derived IS 'The levels as sums of the movements';

CREATE OR REPLACE VIEW holdfast.inventory_differences AS
SELECT sku, warehouse_id,
    i.quantity_on_hand, d.quantity_on_hand AS derived_on_hand,
    i.quantity_reserved, d.quantity_reserved AS derived_reserved,
    i.ledger_sequence, d.ledger_sequence AS derived_sequence
FROM holdfast.inventory i
FULL JOIN holdfast.inventory_derived d USING (sku, warehouse_id)
WHERE (i.quantity_on_hand, i.quantity_reserved, i.ledger_sequence)
    IS DISTINCT FROM (d.quantity_on_hand, d.quantity_reserved, d.ledger_sequence);

COMMENT ON VIEW holdfast.inventory_differences IS
    'Where the levels and the sums of the movements disagree; empty when all is right';

CREATE OR REPLACE FUNCTION holdfast.check_ledger()
RETURNS TABLE (sku text, sequence bigint, problem text)
LANGUAGE sql STABLE AS $$
    SELECT t.sku, t.sequence, 'the entry before it is missing'
    FROM (
        SELECT l.sku, l.sequence, lag(l.sequence, 1, 0::bigint) OVER (PARTITION BY l.sku ORDER BY l.sequence) AS before
        FROM holdfast.inventory_transactions l
    ) t
    WHERE t.sequence <> t.before + 1
    UNION ALL
    SELECT t.sku, t.sequence, 'the balance is not the sum of the deltas'
    FROM (
        SELECT l.sku, l.sequence, l.on_hand, l.reserved,
            sum(l.on_hand_delta) OVER running AS on_hand_sum,
            sum(l.reserved_delta) OVER running AS reserved_sum
        FROM holdfast.inventory_transactions l
        WHERE l.movement <> 'rejection'
        WINDOW running AS (PARTITION BY l.sku, l.warehouse_id ORDER BY l.sequence)
    ) t
    WHERE t.on_hand <> t.on_hand_sum OR t.reserved <> t.reserved_sum
$$;

COMMENT ON FUNCTION holdfast.check_ledger() IS
    'Entries that are missing, and balances that are not the sum of their deltas; none when all is right';

GRANT SELECT ON holdfast.inventory_derived, holdfast.inventory_differences TO holdfast_application;
