-- Adds a session to the index of its account.
-- KEYS[1]: web:sessions:{a}. ARGV: its id, now, how long a session lasts at most (ms),
-- how many there may be. Returns the ids of those that are to end.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2] - ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local over = redis.call('ZCARD', KEYS[1]) - ARGV[4]
if over <= 0 then
	return {}
end
local old = redis.call('ZRANGE', KEYS[1], 0, over - 1)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1)
return old
