-- Notes when a credential was used, unless it was removed since it was read: what is
-- noted then would never be removed.
-- KEYS: auth:used:{a}, user:{a}. ARGV: its kind ("token:"), its id, now, how long this is
-- kept (ms).
if redis.call('HEXISTS', KEYS[2], ARGV[1] .. ARGV[2]) == 1 then
	redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
	redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return redis.status_reply('OK')
