-- Moves the due time of a claimed account, unless somebody has moved it since.
-- KEYS: retrieve:due   ARGV: member, the claim's score, milliseconds from now, or "at" and the time, or "gone"
-- Returns the new score, or false.
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or string.format('%.0f', score) ~= ARGV[2] then
	return false
end
if ARGV[3] == 'gone' then
	redis.call('ZREM', KEYS[1], ARGV[1])
	return '0'
end
local at = ARGV[4]
if ARGV[3] ~= 'at' then
	local t = redis.call('TIME')
	at = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[3])
end
redis.call('ZADD', KEYS[1], at, ARGV[1])
return at
