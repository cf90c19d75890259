-- Notes when a credential was used.
-- KEYS[1]: auth:used:{a}. ARGV: its id, now, how long this is kept (ms).
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.status_reply('OK')
