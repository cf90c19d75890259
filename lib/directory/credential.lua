-- Adds a credential to the record of a user, or removes one.
-- KEYS: user:{a}, alias:{a}; to remove one also auth:used:{a}.
-- ARGV: "add", the address, the kind ("token:"), the id, the name, how many there may
-- be, the value, which ends with the name; or "remove", the address, the kind, an id or
-- a name
local verb, address, kind = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', KEYS[1]) == 0 then
	return redis.error_reply('NOTFOUND there is no user ' .. address)
end

local record, count, named = redis.call('HGETALL', KEYS[1]), 0, nil
local name = verb == 'add' and ARGV[5] or ARGV[4]
for i = 1, #record, 2 do
	if string.sub(record[i], 1, #kind) == kind then
		count = count + 1
		if string.match(record[i + 1], '^%S+ %S+ %S+ %S+ (.*)$') == name then
			named = record[i]
		end
	end
end

if verb == 'remove' then
	if redis.call('HDEL', KEYS[1], kind .. ARGV[4]) == 0 and (named == nil or redis.call('HDEL', KEYS[1], named) == 0) then
		return redis.error_reply('NOTFOUND ' .. address .. ' has none with this id or name')
	end
	-- When it was used is of no interest any more, nor of others that are gone.
	local kept = {}
	for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
		kept[string.match(field, '^%a+:(.*)$') or ''] = true
	end
	for _, id in ipairs(redis.call('HKEYS', KEYS[3])) do
		if not kept[id] then
			redis.call('HDEL', KEYS[3], id)
		end
	end
	return redis.status_reply('OK')
end
if named ~= nil then
	return redis.error_reply('EXISTS ' .. address .. ' has one with this name')
elseif count >= tonumber(ARGV[6]) then
	return redis.error_reply('LIMIT ' .. address .. ' has ' .. count .. ' already, and may not have more')
end
redis.call('HSET', KEYS[1], kind .. ARGV[4], ARGV[7])
return redis.status_reply('OK')
