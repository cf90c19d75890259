-- Creates or changes the record of a domain.
-- KEYS: domain:{d}, its users, its aliases, its DKIM keys; its address book, the book's
-- log, version and state.
-- ARGV: "add" or "set", the domain, now (ms), field, value, ... (an empty value removes
-- the field)
local exists = redis.call('EXISTS', KEYS[1]) == 1
if ARGV[1] == 'add' and exists then
	return redis.error_reply('EXISTS the domain ' .. ARGV[2] .. ' exists already')
elseif ARGV[1] == 'set' and not exists then
	return redis.error_reply('NOTFOUND there is no domain ' .. ARGV[2])
end
if not exists then
	redis.call('HSET', KEYS[1], 'created_ms', ARGV[3])
	-- Its address book is complete: it has no accounts yet.
	redis.call('HSET', KEYS[8], 'made_ms', ARGV[3])
end
for i = 4, #ARGV, 2 do
	if ARGV[i + 1] == '' then
		redis.call('HDEL', KEYS[1], ARGV[i])
	else
		redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
	end
end
return redis.status_reply('OK')
