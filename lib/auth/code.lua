-- A try at the second factor. Each code is good for once, and nobody guesses on.
-- KEYS[1]: auth:totp:{a}. ARGV: the step of the code (0: it is wrong), how many wrong
-- ones are taken, how long this is kept (ms). Returns 1: accepted, 0: not, -1: not, and
-- from now on none is.
local tries = tonumber(redis.call('HGET', KEYS[1], 'tries')) or 0
if tries >= tonumber(ARGV[2]) then
	return 0
end
local accepted = tonumber(ARGV[1]) > (tonumber(redis.call('HGET', KEYS[1], 'step')) or 0)
if accepted then
	redis.call('HSET', KEYS[1], 'step', ARGV[1])
	redis.call('HDEL', KEYS[1], 'tries')
else
	tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if accepted then
	return 1
end
return tries >= tonumber(ARGV[2]) and -1 or 0
