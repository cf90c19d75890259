-- Chunks of a folder, and ranges of UIDs in them.

-- Numbers of existing chunks from the first to the last UID, ascending.
local function chunks_between(f, first, last)
  local from, to = math.floor(first / CHUNK), math.floor(last / CHUNK)
  local list = {}
  if to - from < 8 then
    for n = from, to do
      if call('HEXISTS', f .. ':chunks', n) == 1 then list[#list + 1] = n end
    end
    return list
  end
  for _, n in ipairs(call('HKEYS', f .. ':chunks')) do
    n = tonumber(n)
    if n >= from and n <= to then list[#list + 1] = n end
  end
  table.sort(list)
  return list
end

-- Numbers of the chunks from `first` on that changed after the modseq `since`, ascending.
local function chunks_changed(f, first, since)
  local list = {}
  local all = call('HGETALL', f .. ':chunks')
  for i = 1, #all, 2 do
    local n = tonumber(all[i])
    if n >= first and tonumber(string.match(all[i + 1], '%d+$')) > since then list[#list + 1] = n end
  end
  table.sort(list)
  return list
end

-- Packed pairs of u32: first and last UID, ascending.
local function ranges_of(packed)
  local list = {}
  for at = 1, #packed, RANGE do
    local first, last = struct.unpack(RANGE_FORMAT, packed, at)
    list[#list + 1] = {first, last}
  end
  return list
end

-- Chunks that overlap any of the ranges, ascending, each once.
local function chunks_of(f, ranges)
  local list, seen = {}, {}
  for _, r in ipairs(ranges) do
    for _, n in ipairs(chunks_between(f, r[1], r[2])) do
      if not seen[n] then
        seen[n] = true
        list[#list + 1] = n
      end
    end
  end
  table.sort(list)
  return list
end

-- True if uid is in the ranges. Must be called with increasing uids; state is
-- {index}.
local function in_ranges(ranges, state, uid)
  while ranges[state[1]] and ranges[state[1]][2] < uid do state[1] = state[1] + 1 end
  local r = ranges[state[1]]
  return r ~= nil and r[1] <= uid
end

-- Positions (from 0) of a chunk's records that are in the ranges, ascending. The
-- other records are not unpacked, since unpacking is the main cost of a chunk.
-- state: as for in_ranges().
local function places_in(hot, ranges, state)
  local list = {}
  for at = HOT_AT.uid + 1, #hot, HOT do
    if in_ranges(ranges, state, (struct.unpack('<I4', hot, at))) then list[#list + 1] = (at - 1 - HOT_AT.uid) / HOT end
  end
  return list
end

-- From packed, ascending UIDs: the position (from 0) of each by UID, and the chunks
-- that contain them, ascending.
local function wanted_of(uids)
  local wanted, chunks = {}, {}
  for k = 0, #uids / 4 - 1 do
    local uid = struct.unpack('<I4', uids, k * 4 + 1)
    local n = math.floor(uid / CHUNK)
    wanted[uid] = k
    if chunks[#chunks] ~= n then chunks[#chunks + 1] = n end
  end
  return wanted, chunks
end
