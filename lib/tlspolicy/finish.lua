-- KEYS: due, done. ARGV: domain, outcome, expiry (unix s).
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIREAT', KEYS[2], ARGV[3])
return redis.call('ZREM', KEYS[1], ARGV[1])
