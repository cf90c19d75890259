-- The first code of a second factor has been used.
-- KEYS[1]: auth:totp:{a}. ARGV: its step, how long it is known (ms).
redis.call('HSET', KEYS[1], 'step', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.status_reply('OK')
