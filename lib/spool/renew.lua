-- Renews a shard's lease. An expired lease is taken again if the fence shows that
-- nobody has had the shard since.
-- KEYS: lease, fence. ARGV: value, its fence number, ttl in ms.
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then
	return redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if not held and redis.call('GET', KEYS[2]) == ARGV[2] then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
	return 1
end
return redis.error_reply('FENCED the lease is gone')
