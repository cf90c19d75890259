-- Adds targets to an alias, or removes them (none given: the whole alias). Returns how
-- many targets it has now.
-- KEYS: alias:{a}, user:{a}.
-- ARGV: "add" or "remove", the address, most targets, target, ...
local count = redis.call('SCARD', KEYS[1])
if ARGV[1] == 'add' then
	if redis.call('EXISTS', KEYS[2]) == 1 then
		return redis.error_reply('DENIED ' .. ARGV[2] .. ' is a user')
	end
	local added = 0
	for i = 4, #ARGV do
		added = added + 1 - redis.call('SISMEMBER', KEYS[1], ARGV[i])
	end
	if added == 0 then
		return redis.error_reply('EXISTS the alias ' .. ARGV[2] .. ' has these targets already')
	end
	if count + added > tonumber(ARGV[3]) then
		return redis.error_reply('LIMIT an alias may have no more than ' .. ARGV[3] .. ' targets')
	end
	for i = 4, #ARGV do
		redis.call('SADD', KEYS[1], ARGV[i])
	end
	return redis.call('SCARD', KEYS[1])
end

if count == 0 then
	return redis.error_reply('NOTFOUND there is no alias ' .. ARGV[2])
end
if #ARGV == 3 then
	redis.call('DEL', KEYS[1])
	return 0
end
for i = 4, #ARGV do
	if redis.call('SISMEMBER', KEYS[1], ARGV[i]) == 0 then
		return redis.error_reply('NOTFOUND the alias ' .. ARGV[2] .. ' has no target ' .. ARGV[i])
	end
end
for i = 4, #ARGV do
	redis.call('SREM', KEYS[1], ARGV[i])
end
return redis.call('SCARD', KEYS[1])
