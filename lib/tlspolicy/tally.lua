-- Adds a worker's batch of counts to those of a domain's day.
-- KEYS: due, done, counts. ARGV: domain, due in ms, the worker's mark, number of
-- its batch, expiry of everything (unix s), maximum of entries; then entry, the
-- same without details, count, ...
local due, done, counts = KEYS[1], KEYS[2], KEYS[3]
local domain, mark, batch = ARGV[1], ARGV[3], tonumber(ARGV[4])

if tonumber(redis.call('HGET', counts, mark) or 0) >= batch then
	return 0 -- it was already added: the answer was lost
end
redis.call('HSET', counts, mark, batch)
local size = redis.call('HLEN', counts)
for i = 7, #ARGV, 3 do
	local entry = ARGV[i]
	if redis.call('HEXISTS', counts, entry) == 0 then
		if size >= tonumber(ARGV[6]) then
			entry = ARGV[i + 1]
		end
		size = size + 1
	end
	redis.call('HINCRBY', counts, entry, ARGV[i + 2])
end
if redis.call('HEXISTS', done, domain) == 0 then
	redis.call('ZADD', due, 'NX', ARGV[2], domain)
end
redis.call('EXPIREAT', due, ARGV[5])
redis.call('EXPIREAT', counts, ARGV[5])
return 1
