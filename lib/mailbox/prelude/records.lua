-- Records of messages: added, changed, removed; and the results that are known once only.

-- ---- Once ----
local function body_of(cold) return string.sub(cold, COLD_AT.body + 1, COLD_AT.digest) end

local function once_find(token)
  local last = today()
  for day = last, last - ONCE_DAYS, -1 do
    local was = call('HGET', base .. 'once:' .. day, token)
    if was then
      local folder, uid, modseq, email, body = struct.unpack(ONCE_FORMAT, was)
      return {folder = folder, uid = uid, modseq = modseq, email = email, body = body}
    end
  end
end

local function once_note(token, folder, uid, modseq, email, cold)
  local key = base .. 'once:' .. today()
  call('HSET', key, token, struct.pack(ONCE_FORMAT, folder, uid, modseq, email, body_of(cold)))
  if call('TTL', key) < 0 then call('EXPIRE', key, (ONCE_DAYS + 1) * 86400) end
end

-- ---- Extra data of records ----
local function set_extra(f, uid, extra)
  if extra == '' then
    call('HDEL', f .. ':x', uid)
  else
    call('HSET', f .. ':x', uid, extra)
  end
end

-- Extra data of records that remove_records() removed, by UID: a move takes it along.
local carried = {}

-- A copy takes along the extra data of its records (the eighth element is their UID in
-- f).
local function carry_extras(f, records)
  for _, r in ipairs(records) do
    if bit.band(r[1], MARK.EXTRA) ~= 0 then r.extra = call('HGET', f .. ':x', r[8]) or nil end
  end
end

-- Appends packed records to a folder: {flags, size, modseq, email, lo, hi, cold,
-- source UID or nil, extra = extra data or nil}.
local function append_records(id, records, modseq)
  local f = base .. 'f:' .. id
  local h = call('HMGET', f, 'uidnext', 'uidvalidity', 'recent')
  local uid = tonumber(h[1])
  local first = uid
  local chunk, hot, cold = nil, {}, {}
  local unseen, deleted, bytes, deleted_bytes = 0, 0, 0, 0
  local function flush()
    if not chunk then return end
    call('APPEND', f .. ':h:' .. chunk, table.concat(hot))
    call('APPEND', f .. ':c:' .. chunk, table.concat(cold))
    local old = call('HGET', f .. ':chunks', chunk)
    local had = old and tonumber(string.match(old, '^%d+')) or 0
    call('HSET', f .. ':chunks', chunk, (had + #hot) .. ' ' .. modseq)
    -- A full chunk is stored again, without the spare room that APPEND leaves.
    if uid >= (chunk + 1) * CHUNK then
      call('SET', f .. ':h:' .. chunk, call('GET', f .. ':h:' .. chunk))
      call('SET', f .. ':c:' .. chunk, call('GET', f .. ':c:' .. chunk))
    end
  end
  for _, r in ipairs(records) do
    local n = math.floor(uid / CHUNK)
    if n ~= chunk then
      flush()
      chunk, hot, cold = n, {}, {}
    end
    if bit.band(r[1], MARK.EXTRA) ~= 0 then
      local extra = r.extra or carried[r[8] or 0]
      if extra then
        call('HSET', f .. ':x', uid, extra)
      else
        r[1] = r[1] - MARK.EXTRA
      end
    end
    hot[#hot + 1] = struct.pack(HOT_FORMAT, uid, r[1], r[2], modseq, r[4], r[5], r[6])
    cold[#cold + 1] = r[7]
    bytes = bytes + r[2]
    if bit.band(r[1], FLAG.SEEN) == 0 then unseen = unseen + 1 end
    if bit.band(r[1], FLAG.DELETED) ~= 0 then
      deleted = deleted + 1
      deleted_bytes = deleted_bytes + r[2]
    end
    uid = uid + 1
  end
  flush()
  add(f, 'count', #records)
  add(f, 'bytes', bytes)
  add(f, 'unseen', unseen)
  add(f, 'deleted', deleted)
  add(f, 'deleted_bytes', deleted_bytes)
  add(f, 'recent_count', #records)
  if not h[3] then call('HSET', f, 'recent', first) end
  call('HSET', f, 'uidnext', uid, 'modseq', modseq)
  return first, tonumber(h[2])
end

-- Adds records of a folder to the account's counts. Only mail counts as
-- messages, but everything counts towards the quota.
local function count_records(id, count, bytes)
  add(meta, 'bytes', bytes)
  if class_of(id) == CLASS.MAIL then add(meta, 'messages', count) end
end

-- The hot record of a UID, its chunk and its position in it; nil: there is no such
-- UID.
local function record_of(f, uid)
  local chunk = math.floor(uid / CHUNK)
  local hot = call('GET', f .. ':h:' .. chunk) or ''
  local low, high = 0, #hot / HOT
  while low < high do
    local middle = math.floor((low + high) / 2)
    if struct.unpack('<I4', hot, middle * HOT + HOT_AT.uid + 1) < uid then
      low = middle + 1
    else
      high = middle
    end
  end
  if low * HOT == #hot then return end
  local this, flags, size, modseq, email, lo, hi = struct.unpack(HOT_FORMAT, hot, low * HOT + 1)
  if this ~= uid then return end
  return {uid = uid, flags = flags, size = size, modseq = modseq, email = email, lo = lo, hi = hi, chunk = chunk,
          place = low, chunk_records = #hot / HOT}
end

-- Replaces a record, and counts the difference.
local function set_record(f, old, flags, size, modseq)
  local record = struct.pack(HOT_FORMAT, old.uid, flags, size, modseq, old.email, old.lo, old.hi)
  call('SETRANGE', f .. ':h:' .. old.chunk, old.place * HOT, record)
  call('HSET', f .. ':chunks', old.chunk, old.chunk_records .. ' ' .. modseq)
  local function has(flag, of) return bit.band(of, flag) ~= 0 and 1 or 0 end
  add(f, 'bytes', size - old.size)
  add(f, 'unseen', has(FLAG.SEEN, old.flags) - has(FLAG.SEEN, flags))
  add(f, 'deleted', has(FLAG.DELETED, flags) - has(FLAG.DELETED, old.flags))
  add(f, 'deleted_bytes', has(FLAG.DELETED, flags) * size - has(FLAG.DELETED, old.flags) * old.size)
  call('HSET', f, 'modseq', modseq)
end

-- Removes records in the ranges from a folder; wanted(flags) selects them.
-- Returns a list of {uid, flags, size, modseq, email, lo, hi, cold}.
local function remove_records(id, ranges, modseq, now, retention, wanted)
  local f = base .. 'f:' .. id
  local removed, stones, state = {}, {}, {1}
  local has_names = class_of(id) ~= CLASS.MAIL
  local unseen, deleted, bytes, deleted_bytes = 0, 0, 0, 0
  local recent, recent_from = 0, tonumber(call('HGET', f, 'recent') or 4294967295)
  for _, n in ipairs(chunks_of(f, ranges)) do
    local hot, cold = call('GET', f .. ':h:' .. n), call('GET', f .. ':c:' .. n)
    local keep_hot, keep_cold, before = {}, {}, #removed
    local kept_from, total = 0, #hot / HOT
    local function keep_up_to(to)
      if to == kept_from then return end
      keep_hot[#keep_hot + 1] = string.sub(hot, kept_from * HOT + 1, to * HOT)
      keep_cold[#keep_cold + 1] = string.sub(cold, kept_from * COLD + 1, to * COLD)
    end
    for _, i in ipairs(places_in(hot, ranges, state)) do
      local uid, flags, size, _, email, lo, hi = struct.unpack(HOT_FORMAT, hot, i * HOT + 1)
      if wanted(flags) then
        keep_up_to(i)
        kept_from = i + 1
        local its_cold = string.sub(cold, i * COLD + 1, (i + 1) * COLD)
        removed[#removed + 1] = {uid, flags, size, modseq, email, lo, hi, its_cold}
        stones[#stones + 1] = struct.pack(STONE_FORMAT, modseq, uid, email, now)
        bytes = bytes + size
        if bit.band(flags, MARK.EXTRA) ~= 0 then
          carried[uid] = call('HGET', f .. ':x', uid) or nil
          call('HDEL', f .. ':x', uid)
        end
        if has_names then free_names(f, uid) end
        if uid >= recent_from then recent = recent + 1 end
        if bit.band(flags, FLAG.SEEN) == 0 then unseen = unseen + 1 end
        if bit.band(flags, FLAG.DELETED) ~= 0 then
          deleted = deleted + 1
          deleted_bytes = deleted_bytes + size
        end
      end
    end
    local left = total - (#removed - before)
    keep_up_to(total)
    if left == 0 then
      call('DEL', f .. ':h:' .. n, f .. ':c:' .. n)
      call('HDEL', f .. ':chunks', n)
    elseif #removed > before then
      call('SET', f .. ':h:' .. n, table.concat(keep_hot))
      call('SET', f .. ':c:' .. n, table.concat(keep_cold))
      local old = string.match(call('HGET', f .. ':chunks', n), '%d+$')
      call('HSET', f .. ':chunks', n, left .. ' ' .. old)
    end
  end
  if #removed > 0 then
    add(f, 'count', -#removed)
    add(f, 'bytes', -bytes)
    add(f, 'unseen', -unseen)
    add(f, 'deleted', -deleted)
    add(f, 'deleted_bytes', -deleted_bytes)
    add(f, 'recent_count', -recent)
    call('HSET', f, 'modseq', modseq)
    bury(f, stones, now, retention)
  end
  return removed, bytes
end
