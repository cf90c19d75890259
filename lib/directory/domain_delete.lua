-- Deletes a domain, or begins to.
-- KEYS: domain:{d}, its users, its aliases, its DKIM keys.
-- ARGV: "empty" (only if it has no members), "begin" (from now on no member can be
-- added, and it accepts no mail) or "end" (whatever the sets contain), the domain
if redis.call('EXISTS', KEYS[1]) == 0 then
	return redis.error_reply('NOTFOUND there is no domain ' .. ARGV[2])
end
if ARGV[1] == 'begin' then
	redis.call('HSET', KEYS[1], 'disabled', '1', 'deleting', '1')
	return redis.status_reply('OK')
end
local users = redis.call('SCARD', KEYS[2])
local aliases = redis.call('SCARD', KEYS[3])
if ARGV[1] == 'empty' and users + aliases > 0 then
	return redis.error_reply('DENIED the domain ' .. ARGV[2] .. ' has ' .. users .. ' users and '
		.. aliases .. ' aliases; --force deletes them too')
end
-- UNLINK frees sets of 100,000 members in the background.
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return redis.status_reply('OK')
