-- The peer of the stock processor in Valkey, for the benchmark: checks, reserves and writes the ledger in one script,
-- which the server runs alone, to its end.
--
--   EVALSHA sha 3 SKU RESERVATION LEDGER units ttl_ms
--
-- KEYS  1: the SKU's hash of on_hand, reserved and sequence; 2: the reservation, which expires by itself;
--       3: the ledger, a stream
-- Answer: {'reserved', sequence}, {'duplicate', units}, or {'insufficient_stock', sequence}
--
-- A reservation that expires here does not give its units back: something else would have to read the expiry and
-- do so. The script is spared that, the window of command ids, and the chain of hashes, which all favours Valkey.
local held = redis.call('GET', KEYS[2])
if held then
    return { 'duplicate', held }
end
local units = tonumber(ARGV[1])
local level = redis.call('HMGET', KEYS[1], 'on_hand', 'reserved')
-- A SKU that was never seen has plenty: so a million of them need not be written before a measurement.
local on_hand = tonumber(level[1] or '1000000000000')
local reserved = tonumber(level[2] or '0')
local sequence = redis.call('HINCRBY', KEYS[1], 'sequence', 1)
if on_hand - reserved < units then
    redis.call('XADD', KEYS[3], '*', 'sku', KEYS[1], 'sequence', sequence, 'movement', 'rejection',
        'reason', 'insufficient_stock', 'reservation_id', KEYS[2], 'quantity', units)
    return { 'insufficient_stock', sequence }
end
reserved = redis.call('HINCRBY', KEYS[1], 'reserved', units)
redis.call('SET', KEYS[2], units, 'PX', ARGV[2])
redis.call('XADD', KEYS[3], '*', 'sku', KEYS[1], 'sequence', sequence, 'movement', 'reserve',
    'reservation_id', KEYS[2], 'quantity', units, 'reserved_delta', units, 'on_hand', on_hand, 'reserved', reserved)
return { 'reserved', sequence }
