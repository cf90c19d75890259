-- What has changed in a domain's address book since a version.
-- KEYS: book:{d}, its log, its version.
-- ARGV: the version, most changes
-- Returns the version that is reached then, and address, entry ('': removed), ... as they
-- are now; an empty list: the log does not reach back that far.
local now = tonumber(redis.call('GET', KEYS[3]) or '0') or 0
local since, most = tonumber(ARGV[1]), tonumber(ARGV[2])
if now == since then
	return {ARGV[1]}
end
if now < since or now - since > redis.call('LLEN', KEYS[2]) then
	return {}
end
local from = since - now
local to = math.min(from + most - 1, -1)
local changes = redis.call('LRANGE', KEYS[2], from, to)
local result = {''}
for i = 1, #changes do
	local version, address = string.match(changes[i], '^(%d+) (.+)$')
	if tonumber(version) ~= since + i then
		return {}
	end
	result[1] = version
	result[2 * i] = address
	result[2 * i + 1] = redis.call('HGET', KEYS[1], address) or ''
end
return result
