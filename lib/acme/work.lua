-- Changes of what ACME keeps.
-- KEYS: work, accounts, names, index, renew, and one that the verb names
-- ARGV: verb, then
--   take: holder, lease in ms; returns the fence
--   ask: name
--   forget: name                                  (6: its certificate)
-- and of the holder, each with its fence first:
--   keep: lease in ms
--   drop
--   trouble: problem, rest until (unix ms)
--   account: directory, JSON
--   name: name, JSON or ""
--   challenge: text, time to live in ms           (6: the challenge)
--   certificate: name, entry, chain, key, state   (6: its certificate)
--   gone: name                                    (6: its certificate)
local work, accounts, names, index, renew, one = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local verb = ARGV[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function text(number)
	return string.format('%.0f', number)
end

if verb == 'take' then
	local holder = redis.call('HGET', work, 'holder')
	local ends = tonumber(redis.call('HGET', work, 'until_ms') or 0)
	if holder and holder ~= ARGV[2] and ends > now then
		return redis.error_reply('EXISTS ' .. holder)
	end
	redis.call('HSET', work, 'holder', ARGV[2], 'until_ms', text(now + ARGV[3]))
	return redis.call('HINCRBY', work, 'fence', 1)
elseif verb == 'ask' then
	redis.call('SADD', renew, ARGV[2])
	return 1
elseif verb == 'forget' then
	redis.call('SREM', renew, ARGV[2])
	if redis.call('DEL', one) + redis.call('HDEL', names, ARGV[2]) + redis.call('HDEL', index, ARGV[2]) == 0 then
		return redis.error_reply('NOTFOUND there is no certificate for ' .. ARGV[2])
	end
	return 1
end

if redis.call('HGET', work, 'fence') ~= ARGV[2] or not redis.call('HGET', work, 'holder') then
	return redis.error_reply('FENCED another process orders certificates now')
end
if verb == 'keep' then
	redis.call('HSET', work, 'until_ms', text(now + ARGV[3]))
elseif verb == 'drop' then
	redis.call('HDEL', work, 'holder', 'until_ms')
elseif verb == 'trouble' then
	redis.call('HSET', work, 'problem', ARGV[3], 'rest_until_ms', ARGV[4])
elseif verb == 'account' then
	redis.call('HSET', accounts, ARGV[3], ARGV[4])
elseif verb == 'challenge' then
	redis.call('SET', one, ARGV[3], 'PX', ARGV[4])
elseif verb == 'name' then
	redis.call('SREM', renew, ARGV[3])
	if ARGV[4] == '' then
		redis.call('HDEL', names, ARGV[3])
	else
		redis.call('HSET', names, ARGV[3], ARGV[4])
	end
elseif verb == 'certificate' then
	redis.call('HSET', one, 'entry', ARGV[4], 'chain', ARGV[5], 'key', ARGV[6])
	redis.call('HSET', index, ARGV[3], ARGV[4])
	redis.call('HSET', names, ARGV[3], ARGV[7])
	redis.call('SREM', renew, ARGV[3])
elseif verb == 'gone' then
	redis.call('DEL', one)
	redis.call('HDEL', index, ARGV[3])
	redis.call('HDEL', names, ARGV[3])
end
return 1
