-- Creates, changes or reads the record of a user.
-- KEYS: user:{a}, alias:{a}.
-- ARGV: "add", "set", "put" (either) or "read" (the record, and its version as the last
-- field), the address, now (ms), the version that it must have (empty: any), field, value,
-- ... (an empty value removes the field). A password is three pairs: password_id, password,
-- scram_sha256.
local function version()
	local flat = redis.call('HGETALL', KEYS[1])
	local pieces = {}
	for i = 1, #flat, 2 do
		pieces[#pieces + 1] = redis.sha1hex(flat[i]) .. redis.sha1hex(flat[i + 1])
	end
	table.sort(pieces)
	return redis.sha1hex(table.concat(pieces))
end

local exists = redis.call('EXISTS', KEYS[1]) == 1
if not exists and ARGV[1] ~= 'add' and ARGV[1] ~= 'put' then
	return redis.error_reply('NOTFOUND there is no user ' .. ARGV[2])
elseif ARGV[1] == 'add' and exists then
	return redis.error_reply('EXISTS the user ' .. ARGV[2] .. ' exists already')
elseif not exists and redis.call('EXISTS', KEYS[2]) == 1 then
	return redis.error_reply('DENIED ' .. ARGV[2] .. ' is an alias')
end
if ARGV[1] == 'read' then
	local record = redis.call('HGETALL', KEYS[1])
	record[#record + 1] = 'version'
	record[#record + 1] = version()
	return record
end
if ARGV[4] ~= '' and ARGV[4] ~= version() then
	return redis.error_reply('FENCED the user ' .. ARGV[2] .. ' has been changed by somebody else')
end
if not exists then
	redis.call('HSET', KEYS[1], 'address', ARGV[2], 'enabled', '1', 'created_ms', ARGV[3])
end
-- Is it the hash whose place the one that is stored has taken (lib/auth/upgrade.lua)?
local function was_replaced(hash, stored)
	return stored and redis.call('HGET', KEYS[1], 'password_from') == redis.sha1hex(hash .. '\n' .. stored)
end

local i = 5
while i <= #ARGV do
	local field, value = ARGV[i], ARGV[i + 1]
	i = i + 2
	if field == 'password_id' then
		local hash, stored = ARGV[i + 1], redis.call('HGET', KEYS[1], 'password')
		if was_replaced(hash, stored) then
			i = i + 4 -- the same password again, and what is stored is better
		elseif hash ~= stored then
			redis.call('HSET', KEYS[1], field, value)
			redis.call('HDEL', KEYS[1], 'password_from')
		end
	elseif value == '' then
		redis.call('HDEL', KEYS[1], field)
	else
		redis.call('HSET', KEYS[1], field, value)
	end
end
return redis.status_reply('OK')
