-- Begins a round: the number of the claim (the fence), under which the ledger is written from now on.
-- KEYS: account, status, folders, pending   ARGV: id, worker, lease in ms
-- Returns the packed account, the fence, and the three hashes; the status as it was before.
local packed = redis.call('HGET', KEYS[1], ARGV[1])
if not packed then
	return redis.error_reply('NOTFOUND there is no such account')
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local holder = redis.call('HMGET', KEYS[2], 'holder', 'until_ms')
if holder[1] and holder[1] ~= ARGV[2] and tonumber(holder[2] or 0) > now then
	return redis.error_reply('EXISTS ' .. holder[2])
end
local status = redis.call('HGETALL', KEYS[2])
local fence = redis.call('HINCRBY', KEYS[2], 'fence', 1)
redis.call('HSET', KEYS[2], 'holder', ARGV[2], 'until_ms', string.format('%.0f', now + ARGV[3]), 'state', 'running')
return {packed, fence, status, redis.call('HGETALL', KEYS[3]), redis.call('HGETALL', KEYS[4])}
