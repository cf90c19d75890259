-- A failed login more. Count and lifetime are one write: a count without an end
-- would slow its account down for ever.
-- KEYS[1]: auth:fail:{...}. ARGV[1]: for how long it counts, ms.
local count = tonumber(redis.call('GET', KEYS[1])) or 0
redis.call('SET', KEYS[1], string.format('%d', count + 1), 'PX', ARGV[1])
return count + 1
