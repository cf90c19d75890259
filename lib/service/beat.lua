-- A heartbeat and its lifetime, set in one step: a heartbeat without one would show
-- a dead process forever.
-- KEYS[1]: cluster:proc:<id>. ARGV: lifetime in ms, then fields and values.
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
