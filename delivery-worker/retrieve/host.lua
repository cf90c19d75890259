-- One of the few connections to a host.
-- KEYS: retrieve:host:<host>   ARGV: who, milliseconds (0: gives it back), how many there are
-- Returns 1, or 0: all are in use.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if ARGV[2] == '0' then
	redis.call('ZREM', KEYS[1], ARGV[1])
	return 1
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
	return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2)
return 1
