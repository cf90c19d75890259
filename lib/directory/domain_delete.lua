-- Deletes a domain, or begins to.
-- KEYS: domain:{d}, its users, its aliases, its DKIM keys; its address book, the book's
-- log, version and state.
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
redis.call('UNLINK', unpack(KEYS))
redis.call('PUBLISH', KEYS[5], '0')
return redis.status_reply('OK')
