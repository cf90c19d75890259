-- The number of an address on Linux machines: the one that it has, or the next one.
-- KEYS: posix:numbers. ARGV: the address, the lowest and the highest number to give out
local number = redis.call('HGET', KEYS[1], ARGV[1])
if number then
	return number
end
local following = math.max(tonumber(redis.call('HGET', KEYS[1], 'next') or '0'), tonumber(ARGV[2]))
if following > tonumber(ARGV[3]) then
	return redis.error_reply('LIMIT all numbers up to ' .. ARGV[3] .. ' are given out')
end
number = string.format('%.0f', following)
redis.call('HSET', KEYS[1], ARGV[1], number, 'next', string.format('%.0f', following + 1))
return number
