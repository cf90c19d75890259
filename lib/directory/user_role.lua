-- Gives a user a role, or removes it; other roles are kept.
-- KEYS: user:{a}.
-- ARGV: "check" (only whether the user exists), "add" or "remove", the address, the
-- role
if redis.call('EXISTS', KEYS[1]) == 0 then
	return redis.error_reply('NOTFOUND there is no user ' .. ARGV[2])
end
if ARGV[1] == 'check' then
	return redis.status_reply('OK')
end
local roles = {}
if ARGV[1] == 'add' then
	roles[1] = ARGV[3]
end
for role in string.gmatch(redis.call('HGET', KEYS[1], 'roles') or '', '%S+') do
	if role ~= ARGV[3] then
		roles[#roles + 1] = role
	end
end
if #roles == 0 then
	redis.call('HDEL', KEYS[1], 'roles')
else
	redis.call('HSET', KEYS[1], 'roles', table.concat(roles, ' '))
end
return redis.status_reply('OK')
