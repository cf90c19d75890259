-- A hash of settings and its version, read or changed in one step: two operators who
-- change the same hash never overwrite each other unseen.
-- KEYS[1]: settings:<group>[:<domain>]. ARGV[1]: the version that it must have; empty:
-- any. ARGV[2]: how many fields are stored; they follow with their values, then come
-- the names of those that are removed.
-- Answers: 1 if it was changed, the version now, field, value, ... as they were before.
local before = redis.call('HGETALL', KEYS[1])

local function version()
    local flat = redis.call('HGETALL', KEYS[1])
    local pairs_ = {}
    for i = 1, #flat, 2 do
        pairs_[#pairs_ + 1] = redis.sha1hex(flat[i]) .. redis.sha1hex(flat[i + 1])
    end
    table.sort(pairs_)
    return redis.sha1hex(table.concat(pairs_))
end

local now = version()
local count = tonumber(ARGV[2])
local changes = #ARGV > 2
if changes and ARGV[1] ~= '' and ARGV[1] ~= now then
    return {0, now, unpack(before)}
end
for i = 3, 1 + 2 * count, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
for i = 3 + 2 * count, #ARGV do
    redis.call('HDEL', KEYS[1], ARGV[i])
end
return {changes and 1 or 0, changes and version() or now, unpack(before)}
