-- Adds an address to the index of its domain, or removes it, or only records whether it
-- is an admin. Repeating the call changes nothing.
-- KEYS: domain:{d}, its users, its aliases; further ones are not used.
-- ARGV: "add", "remove" or "role", "users" or "aliases", the address, the domain, role:
-- "" (unchanged), "admin" or "plain"
local set = ARGV[2] == 'users' and KEYS[2] or KEYS[3]
local address = ARGV[3]

local function set_admin(is_admin)
	local others, found = {}, false
	for admin in string.gmatch(redis.call('HGET', KEYS[1], 'admins') or '', '%S+') do
		if admin ~= address then
			others[#others + 1] = admin
		else
			found = true
		end
	end
	if found == is_admin then
		return
	end
	if is_admin then
		others[#others + 1] = address
	end
	if #others == 0 then
		redis.call('HDEL', KEYS[1], 'admins')
	else
		redis.call('HSET', KEYS[1], 'admins', table.concat(others, ' '))
	end
end

if ARGV[1] == 'remove' then
	redis.call('SREM', set, address)
	if ARGV[2] == 'users' and redis.call('EXISTS', KEYS[1]) == 1 then
		set_admin(false)
	end
	return redis.status_reply('OK')
end

if redis.call('EXISTS', KEYS[1]) == 0 then
	return redis.error_reply('NOTFOUND there is no domain ' .. ARGV[4] .. ' here')
end
if ARGV[1] == 'role' then
	set_admin(ARGV[5] == 'admin')
	return redis.status_reply('OK')
end
if redis.call('HEXISTS', KEYS[1], 'deleting') == 1 then
	return redis.error_reply('DENIED the domain ' .. ARGV[4] .. ' is being deleted')
end
if ARGV[2] == 'users' and redis.call('SISMEMBER', set, address) == 0 then
	local most = tonumber(redis.call('HGET', KEYS[1], 'max_users') or '0') or 0
	if most > 0 and redis.call('SCARD', set) >= most then
		return redis.error_reply('LIMIT the domain ' .. ARGV[4] .. ' may have no more than ' .. most .. ' users')
	end
end
redis.call('SADD', set, address)
if ARGV[5] ~= '' then
	set_admin(ARGV[5] == 'admin')
end
return redis.status_reply('OK')
