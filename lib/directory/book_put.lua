-- Puts an entry into a domain's address book, or removes it. Nothing is written if it is
-- as it should be.
-- KEYS: book:{d}, its log, its version, domain:{d}, its state.
-- ARGV: the address, the entry ('': remove), changes kept in the log, the channel
if redis.call('EXISTS', KEYS[4]) == 0 then
	-- A late order about an account of a deleted domain.
	redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[5])
	return 0
end
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') == ARGV[2] then
	return 0
end
if ARGV[2] == '' then
	redis.call('HDEL', KEYS[1], ARGV[1])
else
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
if redis.call('EXISTS', KEYS[3]) == 0 then
	-- Higher than any before, should the domain have been deleted and added again.
	local t = redis.call('TIME')
	redis.call('SET', KEYS[3], string.format('%.0f', t[1] * 1000000 + t[2]))
end
local version = string.format('%.0f', redis.call('INCR', KEYS[3]))
redis.call('RPUSH', KEYS[2], version .. ' ' .. ARGV[1])
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
redis.call('PUBLISH', ARGV[4], version)
return 1
