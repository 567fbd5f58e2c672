-- By the place of its entries in the topic the ledger is read by audits, partition after partition.
-- On a ledger that is there already the index is made once, and the sink waits for it.

CREATE INDEX IF NOT EXISTS inventory_transactions_place
    ON holdfast.inventory_transactions (ledger_partition, ledger_offset);

COMMENT ON INDEX holdfast.inventory_transactions_place IS 'From a place in the topic stock.ledger to the entry';

-- Earlier versions left the units that were set apart where a SKU was retired.
UPDATE holdfast.inventory i SET quantity_set_apart = 0
WHERE i.quantity_set_apart <> 0 AND EXISTS (
    SELECT FROM holdfast.inventory_transactions t
    WHERE t.sku = i.sku AND t.movement = 'retire' AND t.sequence > i.ledger_sequence);
