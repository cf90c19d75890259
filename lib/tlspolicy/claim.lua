-- KEYS: due. ARGV: lease in ms, maximum number of domains. Uses the store's
-- clock.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
for _, domain in ipairs(found) do
	redis.call('ZADD', KEYS[1], 'XX', now + ARGV[1], domain)
end
return found
