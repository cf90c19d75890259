-- Names of items, and tombstones.

-- ---- Names of items ----
-- f:u maps 'u' and a key of 12 bytes, or 'h' and a name, to a UID. f:r maps a UID to
-- its key and name; this entry stays until the tombstone is removed, so that clients
-- can be told the name of an item that is gone.
local NO_KEY = string.rep('\0', 12)

local function names_of_item(f, uid)
  local both = call('HGET', f .. ':r', uid) or NO_KEY
  return string.sub(both, 1, #NO_KEY), string.sub(both, #NO_KEY + 1)
end

local function name_item(f, uid, key, name)
  if key ~= NO_KEY then call('HSET', f .. ':u', 'u' .. key, uid) end
  if name ~= '' then call('HSET', f .. ':u', 'h' .. name, uid) end
  if key ~= NO_KEY or name ~= '' then call('HSET', f .. ':r', uid, key .. name) end
end

local function free_names(f, uid)
  local key, name = names_of_item(f, uid)
  if key ~= NO_KEY then call('HDEL', f .. ':u', 'u' .. key) end
  if name ~= '' then call('HDEL', f .. ':u', 'h' .. name) end
end

-- Writes the tombstones (a list of packed strings) and removes old ones.
local function bury(f, stones, now, retention)
  local has_names = call('EXISTS', f .. ':r') == 1
  for from = 1, #stones, 1000 do
    call('RPUSH', f .. ':gone', unpack(stones, from, math.min(from + 999, #stones)))
  end
  for _ = 1, #stones + 10 do
    local oldest = call('LINDEX', f .. ':gone', 0)
    if not oldest then break end
    local modseq, uid, _, buried = struct.unpack(STONE_FORMAT, oldest)
    if buried >= now - retention then break end
    call('LPOP', f .. ':gone')
    if has_names then call('HDEL', f .. ':r', uid) end
    call('HSET', f, 'since', modseq)
  end
end
