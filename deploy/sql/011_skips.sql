-- A processor may have stepped over records of stock.commands that nobody can read, and noted it.

ALTER TABLE holdfast.inventory_transactions DROP CONSTRAINT IF EXISTS inventory_transactions_movement_check;
-- Not valid: the rows that are there were checked by the narrower one, and need not be read again.
ALTER TABLE holdfast.inventory_transactions ADD CONSTRAINT inventory_transactions_movement_check
    CHECK (movement IN ('receive', 'return', 'damaged', 'adjust', 'transfer_out', 'in_transit', 'transfer_in',
        'transfer_cancel', 'transfer_back', 'transfer_overdue', 'reserve', 'backorder', 'fill', 'reacquire',
        'ship', 'release', 'expire', 'lose', 'reallocate', 'extend', 'set_policy', 'retire', 'set_warehouse',
        'set_settings', 'skip', 'rejection')) NOT VALID;

COMMENT ON COLUMN holdfast.inventory_transactions.quantity IS
    'The units that moved or, for a rejection, that were asked for; for skip, the offsets that were stepped over';
