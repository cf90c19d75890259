-- Replaces the sealed secret of a second factor, unless it has changed meanwhile.
-- KEYS[1]: user:{a}. ARGV: the sealed secret as it was, as it shall be. Returns 1: replaced, 0: not.
if redis.call('HGET', KEYS[1], 'totp') ~= ARGV[1] then
	return 0
end
redis.call('HSET', KEYS[1], 'totp', ARGV[2])
return 1
