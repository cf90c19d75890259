-- Changes the DKIM keys of a domain.
-- KEYS: domain:{d}, domain:{d}:dkim.
-- ARGV: "add", selector, key as text | "activate", selector | "delete", selector
if redis.call('EXISTS', KEYS[1]) == 0 then
	return redis.error_reply('NOTFOUND there is no such domain')
end
local selector = ARGV[2]
local text = redis.call('HGET', KEYS[2], selector)
if ARGV[1] == 'add' then
	if text then
		return redis.error_reply('EXISTS the domain has a key of selector ' .. selector .. ' already')
	end
	text = ARGV[3]
elseif not text then
	return redis.error_reply('NOTFOUND the domain has no key of selector ' .. selector)
end
if ARGV[1] == 'delete' then
	redis.call('HDEL', KEYS[2], selector)
	return redis.status_reply('OK')
end
local algorithm, state, rest = text:match('^(%S+) (%S+) (.*)$')
if not algorithm then
	return redis.error_reply('INVALID the key of selector ' .. selector .. ' is damaged')
end
if ARGV[1] == 'activate' then
	state = 'active'
end
if state == 'active' then
	local all = redis.call('HGETALL', KEYS[2])
	for i = 1, #all, 2 do
		local other, tail = all[i + 1]:match('^(%S+) active (.*)$')
		if other == algorithm then
			redis.call('HSET', KEYS[2], all[i], other .. ' retired ' .. tail)
		end
	end
end
redis.call('HSET', KEYS[2], selector, algorithm .. ' ' .. state .. ' ' .. rest)
return redis.status_reply('OK')
