-- Creates or changes the record of a user.
-- KEYS: user:{a}, alias:{a}.
-- ARGV: "add", "set" or "put" (either), the address, now (ms), field, value, ... (an empty
-- value removes the field)
local exists = redis.call('EXISTS', KEYS[1]) == 1
if ARGV[1] == 'set' and not exists then
	return redis.error_reply('NOTFOUND there is no user ' .. ARGV[2])
elseif ARGV[1] == 'add' and exists then
	return redis.error_reply('EXISTS the user ' .. ARGV[2] .. ' exists already')
elseif not exists and redis.call('EXISTS', KEYS[2]) == 1 then
	return redis.error_reply('DENIED ' .. ARGV[2] .. ' is an alias')
end
if not exists then
	redis.call('HSET', KEYS[1], 'address', ARGV[2], 'enabled', '1', 'created_ms', ARGV[3])
end
for i = 4, #ARGV, 2 do
	if ARGV[i + 1] == '' then
		redis.call('HDEL', KEYS[1], ARGV[i])
	else
		redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
	end
end
return redis.status_reply('OK')
