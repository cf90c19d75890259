-- Adds a broker's counts to those of its minute, which is forgotten after an hour.
-- KEYS[1]: cluster:minute:<minute>. ARGV: lifetime in ms, the broker's id, messages in
-- its queue, the second; then names and counts.
redis.call('HSET', KEYS[1], 'queue:' .. ARGV[2], ARGV[3] .. ' ' .. ARGV[4])
for i = 5, #ARGV, 2 do
	redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
