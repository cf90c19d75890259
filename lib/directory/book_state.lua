-- The lease under which a domain's address book is compared with the records, and when it
-- last was.
-- KEYS: book:{d}:state, domain:{d}. ARGV: verb, holder, then
--   take: lease in ms, least ms since the last comparison (0: in any case), by which
--         settings numbers are given out: if the last one knew others, it is due
--   keep: lease in ms
--   end:  how many entries were examined, how many were mended, the settings of numbers
--   drop
local key, verb, holder = KEYS[1], ARGV[1], ARGV[2]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function get(field)
	return tonumber(redis.call('HGET', key, field) or 0) or 0
end

local function text(number)
	return string.format('%.0f', number)
end

if redis.call('EXISTS', KEYS[2]) == 0 then
	redis.call('DEL', key)
	return redis.error_reply('NOTFOUND there is no such domain here')
end
if verb == 'take' then
	local other = redis.call('HGET', key, 'holder')
	if other and other ~= holder and get('until_ms') > now then
		return redis.error_reply('EXISTS ' .. other .. ' is at it')
	end
	-- A clock that was set back must not stop it forever.
	local made, due = get('made_ms'), tonumber(ARGV[4])
	local is_same = (redis.call('HGET', key, 'numbers') or '') == ARGV[5]
	if due > 0 and made <= now and now - made < due and is_same then
		return redis.error_reply('DENIED no comparison is due')
	end
	redis.call('HSET', key, 'holder', holder, 'until_ms', text(now + ARGV[3]))
	return 1
end

if redis.call('HGET', key, 'holder') ~= holder then
	return redis.error_reply('FENCED another process is at it')
end
if verb == 'keep' then
	redis.call('HSET', key, 'until_ms', text(now + ARGV[3]))
	return 1
end
if verb == 'end' then
	redis.call('HSET', key, 'made_ms', text(now), 'examined', ARGV[3], 'mended', ARGV[4], 'numbers', ARGV[5])
end
redis.call('HDEL', key, 'holder', 'until_ms')
return 1
