-- Gives a user a photo, or takes it away. The record tells that there is one, and another with
-- each photo, so that who remembers the record or the book knows when to read it again.
-- KEYS: user:{a}, photo:{a}. ARGV: the address, what the record says of it ('': take it
-- away), the photo
if redis.call('EXISTS', KEYS[1]) == 0 then
	return redis.error_reply('NOTFOUND there is no user ' .. ARGV[1])
end
if ARGV[2] == '' then
	redis.call('HDEL', KEYS[1], 'photo')
	redis.call('UNLINK', KEYS[2])
else
	redis.call('HSET', KEYS[1], 'photo', ARGV[2])
	redis.call('SET', KEYS[2], ARGV[3])
end
return redis.status_reply('OK')
