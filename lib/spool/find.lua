-- Finds one message, in the queue or among the finished ones.
-- KEYS: env, state, the hash of finished messages. ARGV: id.
return {
	redis.call('HGET', KEYS[1], ARGV[1]),
	redis.call('HGET', KEYS[2], ARGV[1]),
	redis.call('HGET', KEYS[3], ARGV[1]),
}
