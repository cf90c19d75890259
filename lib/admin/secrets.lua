-- Replaces a sealed text, unless it has changed meanwhile.
-- KEYS[1]: where it is. ARGV: the field of a hash ("": it is a string), the value as it was, as it shall be.
-- Returns 1: replaced, 0: not.
if ARGV[1] == '' then
	if redis.call('GET', KEYS[1]) ~= ARGV[2] then
		return 0
	end
	redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
else
	if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
		return 0
	end
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
