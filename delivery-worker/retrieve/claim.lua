-- Claims what is due. A member's score becomes the end of the claim, and is the claim's mark: the due time is
-- written later only over this very score, so that nobody's order in the meantime is lost.
-- KEYS: retrieve:due   ARGV: milliseconds, how many at most
-- Returns members and their new scores, in turn.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
local out = {}
for i, member in ipairs(due) do
	local score = string.format('%.0f', now + ARGV[1] + i % 7)
	redis.call('ZADD', KEYS[1], score, member)
	out[#out + 1] = member
	out[#out + 1] = score
end
return out
