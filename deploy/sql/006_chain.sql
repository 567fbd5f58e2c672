-- The hash chain of the ledger, computed anew from the rows: docs/ledger.md tells the form.
-- Each function is one expression or one query, so that the planner puts it into the query that calls it.

CREATE OR REPLACE FUNCTION holdfast.netstring(field text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(octet_length(field)::text || ':' || field || ',', '-,')
$$;

COMMENT ON FUNCTION holdfast.netstring(text) IS
    'The number of bytes, a colon, the bytes, a comma; -, for null';

CREATE OR REPLACE FUNCTION holdfast.milliseconds(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (extract(epoch FROM moment) * 1000)::bigint::text
$$;

COMMENT ON FUNCTION holdfast.milliseconds(timestamptz) IS 'Milliseconds since 1970';

CREATE OR REPLACE FUNCTION holdfast.ledger_hash(previous text, entry holdfast.inventory_transactions) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT encode(sha256(convert_to(concat(
        holdfast.netstring('holdfast ledger 1'), holdfast.netstring(previous), holdfast.netstring(entry.sku),
        holdfast.netstring(entry.generation::text), holdfast.netstring(entry.sequence::text),
        holdfast.netstring(entry.more::text), holdfast.netstring(entry.movement),
        holdfast.netstring(holdfast.milliseconds(entry.at)), holdfast.netstring(entry.command),
        holdfast.netstring(entry.command_id), holdfast.netstring(entry.command_hash),
        holdfast.netstring(entry.source_partition::text), holdfast.netstring(entry.source_offset::text),
        holdfast.netstring(entry.reservation_id), holdfast.netstring(entry.order_id),
        holdfast.netstring(entry.transfer_id), holdfast.netstring(entry.origin::text),
        holdfast.netstring(entry.channel), holdfast.netstring(entry.warehouse_id),
        holdfast.netstring(entry.counterpart_id), holdfast.netstring(entry.quantity::text),
        holdfast.netstring(entry.requested::text), holdfast.netstring(entry.remaining::text),
        holdfast.netstring(holdfast.milliseconds(entry.expires_at)),
        holdfast.netstring(holdfast.milliseconds(entry.expected_at)), holdfast.netstring(entry.named::text),
        holdfast.netstring(entry.allow_split::text), holdfast.netstring(entry.on_hand_delta::text),
        holdfast.netstring(entry.reserved_delta::text), holdfast.netstring(entry.in_transit_delta::text),
        holdfast.netstring(entry.damaged_delta::text), holdfast.netstring(entry.backordered_delta::text),
        holdfast.netstring(entry.on_hand::text), holdfast.netstring(entry.reserved::text),
        holdfast.netstring(entry.in_transit::text), holdfast.netstring(entry.damaged::text),
        holdfast.netstring(entry.set_apart::text), holdfast.netstring(entry.backordered::text),
        holdfast.netstring(entry.reason), holdfast.netstring(entry.condition),
        holdfast.netstring(entry.reason_code), holdfast.netstring(entry.note),
        holdfast.netstring(entry.reference), holdfast.netstring(entry.details)
    ), 'UTF8')), 'hex')
$$;

COMMENT ON FUNCTION holdfast.ledger_hash(text, holdfast.inventory_transactions) IS
    'The hash of a ledger entry; previous is that of the entry before it of the same SKU, 64 zeros for the first';

-- Each entry is held against the one before it by a join and not by a window, so that several processes share the work.
CREATE OR REPLACE FUNCTION holdfast.check_chain(
    ledger_partition integer, since bigint, until bigint DEFAULT NULL)
RETURNS TABLE (sku text, sequence bigint, problem text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT l.sku, l.sequence,
        CASE WHEN b.sku IS NULL AND l.sequence > 1 THEN 'the entry before it is missing'
            ELSE 'the hash does not follow from the entry and the one before it' END
    FROM holdfast.inventory_transactions l
    LEFT JOIN holdfast.inventory_transactions b ON b.sku = l.sku AND b.sequence = l.sequence - 1
    WHERE ($1 IS NULL OR l.ledger_partition = $1) AND ($2 IS NULL OR l.ledger_offset >= $2)
        AND ($3 IS NULL OR l.ledger_offset < $3)
        AND ((b.sku IS NULL AND l.sequence > 1)
            OR l.hash <> holdfast.ledger_hash(coalesce(b.hash, repeat('0', 64)), l))
    ORDER BY l.sku COLLATE "C", l.sequence
$$;

COMMENT ON FUNCTION holdfast.check_chain(integer, bigint, bigint) IS
    'As check_chain(), of a partition of stock.ledger alone: of its entries from an offset on and before another';

CREATE OR REPLACE FUNCTION holdfast.check_chain()
RETURNS TABLE (sku text, sequence bigint, problem text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM holdfast.check_chain(NULL, NULL)
$$;

COMMENT ON FUNCTION holdfast.check_chain() IS
    'Entries whose hash does not follow, and gaps; none when nobody has changed, removed or swapped an entry';

CREATE OR REPLACE FUNCTION holdfast.ledger_ends()
RETURNS TABLE (ledger_partition integer, next_offset bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE partitions AS (
        SELECT min(t.ledger_partition) AS number FROM holdfast.inventory_transactions t
        UNION ALL
        SELECT (SELECT min(t.ledger_partition) FROM holdfast.inventory_transactions t
            WHERE t.ledger_partition > p.number)
        FROM partitions p WHERE p.number IS NOT NULL
    )
    SELECT p.number, (SELECT max(t.ledger_offset) + 1 FROM holdfast.inventory_transactions t
        WHERE t.ledger_partition = p.number)
    FROM partitions p WHERE p.number IS NOT NULL ORDER BY p.number
$$;

COMMENT ON FUNCTION holdfast.ledger_ends() IS
    'Of each partition of stock.ledger, the offset after its last entry: where the next check_chain() goes on';
