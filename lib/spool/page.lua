-- A page of a shard's messages with their states.
-- KEYS: env, state. ARGV: cursor, count. Returns the next cursor, then id, envelope
-- and state for each.
local scan = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found, page = scan[2], { scan[1] }
for i = 1, #found, 2 do
	local at = #page
	page[at + 1] = found[i]
	page[at + 2] = found[i + 1]
	page[at + 3] = redis.call('HGET', KEYS[2], found[i]) or ''
end
return page
