-- Gives a user a second factor, or takes it away.
-- KEYS: user:{a}, alias:{a}. ARGV: the address, the sealed secret (empty: take it away),
-- hashes of recovery codes.
if redis.call('EXISTS', KEYS[1]) == 0 then
	return redis.error_reply('NOTFOUND there is no user ' .. ARGV[1])
end
local exists = redis.call('HEXISTS', KEYS[1], 'totp') == 1
if ARGV[2] == '' then
	if not exists then
		return redis.error_reply('NOTFOUND ' .. ARGV[1] .. ' has no second factor')
	end
	redis.call('HDEL', KEYS[1], 'totp', 'totp_recovery')
elseif exists then
	return redis.error_reply('EXISTS ' .. ARGV[1] .. ' has a second factor already')
else
	redis.call('HSET', KEYS[1], 'totp', ARGV[2], 'totp_recovery', ARGV[3])
end
-- A session of before is not one of after, even if the second factor is given again.
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'totp_changed', now[1] .. '.' .. now[2])
return redis.status_reply('OK')
