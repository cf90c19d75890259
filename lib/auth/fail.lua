-- Counts another failed login. Count and lifetime are written at once: a count that
-- never expires would slow its account down forever.
-- KEYS[1]: auth:fail:{...}. ARGV[1]: how long it counts, ms.
local count = tonumber(redis.call('GET', KEYS[1])) or 0
redis.call('SET', KEYS[1], string.format('%d', count + 1), 'PX', ARGV[1])
return count + 1
