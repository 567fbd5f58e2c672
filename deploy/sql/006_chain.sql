-- The hash chain of the ledger, computed anew from the rows: docs/ledger.md tells the form.

CREATE OR REPLACE FUNCTION holdfast.netstring(field text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(octet_length(convert_to(field, 'UTF8')) || ':' || field || ',', '-,')
$$;

COMMENT ON FUNCTION holdfast.netstring(text) IS
    'The number of bytes, a colon, the bytes, a comma; -, for null';

CREATE OR REPLACE FUNCTION holdfast.milliseconds(moment timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (extract(epoch FROM moment) * 1000)::bigint::text
$$;

COMMENT ON FUNCTION holdfast.milliseconds(timestamptz) IS 'Milliseconds since 1970';

CREATE OR REPLACE FUNCTION holdfast.ledger_hash(previous text, entry holdfast.inventory_transactions) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(sha256(convert_to(string_agg(holdfast.netstring(field), '' ORDER BY place), 'UTF8')), 'hex')
    FROM unnest(ARRAY[
        'holdfast ledger 1', previous, entry.sku, entry.generation::text, entry.sequence::text, entry.more::text,
        entry.movement, holdfast.milliseconds(entry.at), entry.command, entry.command_id, entry.command_hash,
        entry.source_partition::text, entry.source_offset::text, entry.reservation_id, entry.order_id,
        entry.transfer_id, entry.origin::text, entry.channel, entry.warehouse_id, entry.counterpart_id,
        entry.quantity::text, entry.requested::text, entry.remaining::text,
        holdfast.milliseconds(entry.expires_at), holdfast.milliseconds(entry.expected_at), entry.named::text,
        entry.allow_split::text, entry.on_hand_delta::text, entry.reserved_delta::text,
        entry.in_transit_delta::text, entry.damaged_delta::text, entry.backordered_delta::text,
        entry.on_hand::text, entry.reserved::text, entry.in_transit::text, entry.damaged::text,
        entry.set_apart::text, entry.backordered::text, entry.reason, entry.condition, entry.reason_code,
        entry.note, entry.reference, entry.details
    ]) WITH ORDINALITY AS fields (field, place)
$$;

COMMENT ON FUNCTION holdfast.ledger_hash(text, holdfast.inventory_transactions) IS
    'The hash of a ledger entry; previous is that of the entry before it of the same SKU, 64 zeros for the first';

CREATE OR REPLACE FUNCTION holdfast.check_chain()
RETURNS TABLE (sku text, sequence bigint, problem text)
LANGUAGE sql STABLE AS $$
    SELECT t.sku, t.sequence,
        CASE WHEN t.before = t.sequence - 1 THEN 'the hash does not follow from the entry and the one before it'
            ELSE 'the entry before it is missing' END
    FROM (
        SELECT l.sku, l.sequence, l.hash,
            lag(l.sequence, 1, 0::bigint) OVER chain AS before,
            holdfast.ledger_hash(lag(l.hash, 1, repeat('0', 64)) OVER chain, l) AS computed
        FROM holdfast.inventory_transactions l
        WINDOW chain AS (PARTITION BY l.sku ORDER BY l.sequence)
    ) t
    WHERE t.before <> t.sequence - 1 OR t.hash <> t.computed
    ORDER BY t.sku COLLATE "C", t.sequence
$$;

COMMENT ON FUNCTION holdfast.check_chain() IS
    'Entries whose hash does not follow, and gaps; none when nobody has changed, removed or swapped an entry';
