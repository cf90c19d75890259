-- Takes a shard's lease if it is free.
-- KEYS: lease, fence. ARGV: broker, ttl in ms, 1 to take over an own old lease.
-- Returns the lease's value.
local held = redis.call('GET', KEYS[1])
if held then
	local owner = string.match(held, '^(%S+) ')
	if ARGV[3] ~= '1' or owner ~= ARGV[1] then
		return redis.error_reply('EXISTS the shard is held by ' .. tostring(owner))
	end
end
local value = ARGV[1] .. ' ' .. redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], value, 'PX', ARGV[2])
return value
