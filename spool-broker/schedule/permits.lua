-- A broker's share of the limits of one site.
-- KEYS: the site's hash.
-- ARGV: broker, parts in flight, parts wanted, most at once (0: no limit),
--       most a minute (0: no limit), tokens returned, ms for which the answer is valid.
-- Answer: quota, tokens, ms until asking again is useful.
local key, me = KEYS[1], 'b:' .. ARGV[1]
local active, wanted = tonumber(ARGV[2]), tonumber(ARGV[3])
local at_once, per_minute = tonumber(ARGV[4]), tonumber(ARGV[5])
local returned, valid = tonumber(ARGV[6]), tonumber(ARGV[7])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- What the others hold, and whether they need more.
local held, wanting, starving, sharing = 0, 0, 0, 1
local had, since, tokens, at = 0, now, nil, now
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
	local name, value = all[i], all[i + 1]
	if name == 'tokens' then
		tokens = tonumber(value)
	elseif name == 'at' then
		at = tonumber(value)
	else
		local h, w, u, s = string.match(value, '(%d+) (%d+) (%d+) (%d+)')
		h, w, u = tonumber(h), tonumber(w), tonumber(u)
		if name == me then
			if u > now then
				had, since = h, tonumber(s)
			end
		elseif u <= now then
			redis.call('HDEL', key, name)
		else
			held = held + h
			sharing = sharing + 1
			if w > 0 then
				wanting = wanting + 1
				if h == 0 then
					starving = starving + 1
				end
			end
		end
	end
end

local wait = 0
local quota = 0
local need = active + wanted
if at_once > 0 then
	local free = math.max(0, at_once - held)
	if wanting == 0 then
		quota = math.min(need, free)
	elseif sharing <= at_once then
		-- The remainder is for anyone, once everyone has something.
		local share = at_once / sharing
		quota = math.min(need, starving > 0 and math.floor(share) or math.ceil(share), free)
	elseif had > 0 and starving > 0 and now - since >= 1000 then
		quota = 0 -- fewer places than brokers: they take turns
	else
		quota = math.min(need, 1, free)
	end
	if quota < need then
		wait = 200
	end
end

local granted = 0
if per_minute > 0 then
	local most = math.max(1, math.floor(per_minute / 60))
	tokens = math.min(most, (tokens or most) + returned + math.max(0, now - at) * per_minute / 60000)
	granted = math.min(wanted, math.ceil(math.floor(tokens) / (1 + wanting)))
	if at_once > 0 then
		granted = math.min(granted, math.max(0, quota - active))
	end
	tokens = tokens - granted
	redis.call('HSET', key, 'tokens', string.format('%.6f', tokens), 'at', string.format('%d', now))
	if granted < wanted then
		wait = math.max(wait, 20, math.ceil(math.max(0, 1 - tokens) * 60000 / per_minute))
	end
end

local holds = at_once > 0 and math.max(active, quota) or 0
local wants = (at_once > 0 and quota < need or granted < wanted) and 1 or 0
if holds > 0 or wants > 0 then
	if had == 0 or holds == 0 then
		since = now
	end
	redis.call('HSET', key, me, string.format('%d %d %d %d', holds, wants, now + valid, since))
else
	redis.call('HDEL', key, me)
end
redis.call('PEXPIRE', key, math.max(120000, 2 * valid))
return {quota, granted, wait}
