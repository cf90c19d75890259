if string.find(ARGV[1], '^fine') or ARGV[1] == KEYS[1] then return 'got ' .. ARGV[1] end
return redis.error_reply(ARGV[1])
