-- Drops one reference each. KEYS[1]: blobrefs:{<pack>}; ARGV: offsets. Returns
-- the positions (from 1) of those that have no reference left.
local last = {}
for i, offset in ipairs(ARGV) do
  local extra = redis.call('HGET', KEYS[1], offset)
  if not extra then
    last[#last + 1] = i
  elseif tonumber(extra) <= 1 then
    redis.call('HDEL', KEYS[1], offset)
  else
    redis.call('HINCRBY', KEYS[1], offset, -1)
  end
end
return last
