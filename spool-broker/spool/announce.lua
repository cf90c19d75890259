-- What a broker tells of itself, with its lifetime in one step: a key that stayed
-- would show a dead broker for ever.
-- KEYS[1]: cluster:broker:<id>. ARGV: lifetime in ms, then fields and values.
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
