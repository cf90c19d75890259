-- Remote accounts of one address. In front of this stands PATTERNS: the keys of
-- REDIS_KEYS_OF_RETRIEVE (lib/redis/keys_table.h).
-- KEYS: user:{a}, retrieve:{a}
-- ARGV: verb, then
--   add: id, packed, the most accounts, and perhaps all ids as they were      1: added, 0: there are others now
--   list: id, or "" for all      {id, packed, status, id, packed, status, ...}
--   replace: id, packed as it was, as it shall be      1: replaced, 0: it has changed
--   status: id, field, value, ...
--   now: id
--   delete: id, or "" for all    the ids
local user, accounts = KEYS[1], KEYS[2]
local verb, id = ARGV[1], ARGV[2]

local function key(suffix)
	return accounts .. ':' .. id .. suffix
end

-- What there is of one account beside its field in the hash of all.
local function remove_keys()
	for _, pattern in ipairs(PATTERNS) do
		local suffix = pattern:match('<id>(.*)')
		if suffix then redis.call('DEL', key(suffix)) end
	end
end

local function missing()
	return redis.error_reply('NOTFOUND there is no remote account ' .. id)
end

if verb == 'add' then
	if redis.call('EXISTS', user) == 0 then
		return redis.error_reply('NOTFOUND there is no such user')
	elseif redis.call('HGET', user, 'enabled') == 'off' then
		return redis.error_reply('DENIED the user is disabled')
	elseif ARGV[5] and table.concat(redis.call('HKEYS', accounts), ' ') ~= ARGV[5] then
		return 0
	elseif redis.call('HLEN', accounts) >= tonumber(ARGV[4]) then
		return redis.error_reply('LIMIT an account may have ' .. ARGV[4] .. ' remote accounts')
	elseif redis.call('HSETNX', accounts, id, ARGV[3]) == 0 then
		return redis.error_reply('EXISTS there is a remote account ' .. id)
	end
	return 1
end

local ids = {id}
if id == '' then
	ids = redis.call('HKEYS', accounts)
elseif redis.call('HEXISTS', accounts, id) == 0 then
	return missing()
end

if verb == 'list' then
	local all = {}
	for _, one in ipairs(ids) do
		id = one
		all[#all + 1] = id
		all[#all + 1] = redis.call('HGET', accounts, id)
		all[#all + 1] = redis.call('HGETALL', key(':st'))
	end
	return all
elseif verb == 'replace' then
	if redis.call('HGET', accounts, id) ~= ARGV[3] then
		return 0
	end
	redis.call('HSET', accounts, id, ARGV[4])
elseif verb == 'status' then
	redis.call('HSET', key(':st'), unpack(ARGV, 3))
elseif verb == 'now' then
	redis.call('HDEL', key(':st'), 'stuck', 'stuck_rows') -- those that were put aside are tried too
	local t = redis.call('TIME')
	redis.call('HSET', key(':st'), 'wanted', string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)))
elseif verb == 'delete' then
	for _, one in ipairs(ids) do
		id = one
		redis.call('HDEL', accounts, id)
		remove_keys()
	end
	return ids
end
return 1
