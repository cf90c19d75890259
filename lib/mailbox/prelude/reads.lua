-- What reads of a folder have in common.

-- ---- Large reads: in pages, one script each, assembled by lib/mailbox/read.c ----

-- Numbers of chunks with UIDs from first to last that changed after a modseq (0: all),
-- ascending, at most as many as one script should read. Then the UID to continue with;
-- nil: none.
local function changed_chunks(f, first, last, since)
  local CHUNKS_AT_ONCE = 40
  local from, to, list = math.floor(first / CHUNK), math.floor(last / CHUNK), {}
  local function look_at(n, value)
    if value and (since == 0 or tonumber(string.match(value, '%d+$')) > since) then list[#list + 1] = n end
  end
  if to - from < 8 then
    for n = from, to do look_at(n, call('HGET', f .. ':chunks', n)) end
    return list
  end
  local all = call('HGETALL', f .. ':chunks')
  for i = 1, #all, 2 do
    local n = tonumber(all[i])
    if n >= from and n <= to then look_at(n, all[i + 1]) end
  end
  table.sort(list)
  local rest = list[CHUNKS_AT_ONCE + 1]
  for i = #list, CHUNKS_AT_ONCE + 1, -1 do list[i] = nil end
  return list, rest and rest * CHUNK
end

-- True if these were the last chunks and the folder has not changed since the
-- first ones.
local function is_whole(rest, begun, modseq) return not rest and (not begun or begun == tonumber(modseq)) end

-- Packed tombstones newer than a modseq, oldest first; the modseq up to which they
-- go, if there are too many for one script, else 0; and 1 if the log reaches back
-- that far.
local function stones_after(f, since)
  local STONES_AT_ONCE, PIECE, key = 1000, 250, f .. ':gone'
  local complete = since >= tonumber(call('HGET', f, 'since')) and 1 or 0
  local last = call('LINDEX', key, -1)
  if not last or struct.unpack(STONE_FORMAT, last) <= since then return '', 0, complete end
  local low, high = 0, call('LLEN', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if struct.unpack(STONE_FORMAT, call('LINDEX', key, middle)) > since then high = middle else low = middle + 1 end
  end
  local list, newest = {}, 0
  while true do
    local stones = call('LRANGE', key, low, low + PIECE - 1)
    for _, stone in ipairs(stones) do
      local modseq = struct.unpack(STONE_FORMAT, stone)
      if #list >= STONES_AT_ONCE and modseq ~= newest then return table.concat(list), newest, complete end
      newest = modseq
      list[#list + 1] = string.sub(stone, 1, GONE)
    end
    if #stones < PIECE then return table.concat(list), 0, complete end
    low = low + PIECE
  end
end

-- A folder's fields, in the order of FOLDER.
local function folder_fields(id)
  local h = call('HMGET', base .. 'f:' .. id, unpack(FOLDER))
  h[1], h[2] = tostring(id), name_of(id)
  return h
end

-- Claims the messages that arrived since the last claim; call folder_fields()
-- before it to learn which. "recent" is the first UID of them; if it is
-- missing, nothing has arrived.
local function take_recent(f)
  local h = call('HMGET', f, 'recent', 'uidnext')
  if h[1] and tonumber(h[1]) < tonumber(h[2]) then call('HSET', f, 'recent', h[2], 'recent_count', 0) end
end

-- The cold record of a message that is added to its folder now.
local function saved_now(cold, now)
  local from = COLD_AT.save_date
  return string.sub(cold, 1, from) .. struct.pack('<I4', now) .. string.sub(cold, from + 5)
end
