-- Uses up a recovery code.
-- KEYS[1]: user:{a}. ARGV[1]: its hash. Returns 1: it was one, 0: not.
local left, found = {}, 0
for hash in string.gmatch(redis.call('HGET', KEYS[1], 'totp_recovery') or '', '%S+') do
	if hash == ARGV[1] then
		found = 1
	else
		left[#left + 1] = hash
	end
end
if found == 1 then
	redis.call('HSET', KEYS[1], 'totp_recovery', table.concat(left, ' '))
end
return found
