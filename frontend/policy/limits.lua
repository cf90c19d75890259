-- Takes one from a limit, if there is one left. A leaky bucket: what is kept is how much was in it, and when; it runs
-- out evenly, a whole limit in a period. Then the key is gone too.
-- KEYS[1]: limit:{...}. ARGV: the limit, the period in ms. The answer: 0, or ms until there is one.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local limit, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local level, at = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+)$')
level = math.max((tonumber(level) or 0) - math.max(now - (tonumber(at) or now), 0) * limit / period, 0) + 1
-- A thousandth is forgiven: what runs out in parts of a millisecond is not exact.
if level > limit + 0.001 then
	return math.ceil((level - limit) * period / limit)
end
redis.call('SET', KEYS[1], string.format('%.4f %d', level, now), 'PX', math.ceil(level * period / limit) + 1)
return 0
