-- Replaces the hash of a password that came from another system, unless it has changed meanwhile.
-- KEYS: user:{a}, web:sessions:{a}.
-- ARGV: the hash that was checked, the new one, a SCRAM verifier, an id of the password
-- Returns 1: replaced, 0: not.
if redis.call('HGET', KEYS[1], 'password') ~= ARGV[1] then
	return 0
end
if redis.call('HEXISTS', KEYS[1], 'password_id') == 0 then
	-- An older version wrote the record: sessions know the password by its hash, and would end.
	if redis.call('EXISTS', KEYS[2]) == 1 then
		return 0
	end
	redis.call('HSET', KEYS[1], 'password_id', ARGV[4])
end
-- Whoever sets the old hash again, sets no new password (lib/directory/user_put.lua). Of both, so that
-- it does not count after a change by an older version, which leaves it.
redis.call('HSET', KEYS[1], 'password', ARGV[2], 'password_from', redis.sha1hex(ARGV[1] .. '\n' .. ARGV[2]))
redis.call('HSETNX', KEYS[1], 'scram_sha256', ARGV[3])
return 1
