-- Takes one from a limit, if there is one left. GCRA: what is kept is the time at which the limit would be unused
-- again, in microseconds; so nothing has to be counted down, and the key goes by itself when that time is over.
-- KEYS[1]: limit:{...}. ARGV: how many fit into a period, its length in ms. The answer: 0, or ms until there is one.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local period = ARGV[2] * 1000
local free = math.max(tonumber(redis.call('GET', KEYS[1])) or 0, now)
-- The limit or the period may have been changed since.
free = math.min(free, now + period) + period / ARGV[1]
if free - now > period then
	return math.ceil((free - now - period) / 1000)
end
redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000) + 1)
return 0
