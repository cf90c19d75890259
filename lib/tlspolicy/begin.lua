-- Begins an attempt of a report and returns its plan.
-- KEYS: plan. ARGV: id if it has none, now in ms, expiry (unix s).
redis.call('HSETNX', KEYS[1], 'id', ARGV[1])
redis.call('HSETNX', KEYS[1], 'first', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'tries', 1)
redis.call('EXPIREAT', KEYS[1], ARGV[3])
return redis.call('HGETALL', KEYS[1])
