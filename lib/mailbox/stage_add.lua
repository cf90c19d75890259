-- Adds messages to a copy in progress, if they are still where they were. The caller
-- has added references to the bodies of the cold records that it passes.
--
-- A record has neither UID nor modseq yet. In place of the UID it has its number in
-- the copy, from 0, and in place of the modseq zero. stage_publish.lua fills them in.
local id = staged_folder(copy)
if not id then return fail('FENCED the copy took too long and was abandoned') end
local s, f = base .. 'f:' .. id, base .. 'f:' .. from
local h = call('HMGET', s, 'target', 'count', 'bytes', 'keywords_low', 'keywords_high')
local g = base .. 'f:' .. h[1]
if not folder_exists(from) or not folder_exists(h[1]) then
  return fail('NOTFOUND there is no such mailbox')
end

local wanted, chunks = wanted_of(uids)
local keywords = keyword_map(f, g)
local staged, records, colds = {}, {}, {}
local unseen, deleted, bytes, deleted_bytes = 0, 0, 0, 0
local used_lo, used_hi = tonumber(h[4]), tonumber(h[5])
local number = tonumber(h[2])

local function stage(hot, at, k)
  local uid, flags, size, _, email, lo, hi = struct.unpack(HOT_FORMAT, hot, at)
  if lo ~= 0 or hi ~= 0 then
    lo, hi = keywords(lo, hi)
    if not lo then return false end
    used_lo, used_hi = bit.bor(used_lo, lo), bit.bor(used_hi, hi)
  end
  if bit.band(flags, MARK.EXTRA) ~= 0 then
    local extra = call('HGET', f .. ':x', uid)
    if extra then
      set_extra(s, number + #records, extra)
    else
      flags = flags - MARK.EXTRA
    end
  end
  staged[#staged + 1] = struct.pack('<I4', uid)
  records[#records + 1] = struct.pack(HOT_FORMAT, number + #records, flags, size, 0, email, lo, hi)
  colds[#colds + 1] = saved_now(string.sub(cold, k * COLD + 1, (k + 1) * COLD), now)
  bytes = bytes + size
  if bit.band(flags, FLAG.SEEN) == 0 then unseen = unseen + 1 end
  if bit.band(flags, FLAG.DELETED) ~= 0 then
    deleted = deleted + 1
    deleted_bytes = deleted_bytes + size
  end
  return true
end

for _, n in ipairs(chunks) do
  local hot = call('GET', f .. ':h:' .. n) or ''
  for at = 1, #hot, HOT do
    local k = wanted[(struct.unpack('<I4', hot, at + HOT_AT.uid))]
    if k and not stage(hot, at, k) then return fail('LIMIT a mailbox has at most ' .. KEYWORDS .. ' keywords') end
  end
end
if quota > 0 and tonumber(call('HGET', meta, 'bytes')) + tonumber(h[3]) + bytes > quota then
  return fail('OVERQUOTA the quota of the account would be exceeded')
end

local modseq = next_modseq()
local from_here = 1
while from_here <= #records do
  local n = math.floor(number / CHUNK)
  local to_here = math.min(#records, from_here + (n + 1) * CHUNK - number - 1)
  call('APPEND', s .. ':h:' .. n, table.concat(records, '', from_here, to_here))
  call('APPEND', s .. ':c:' .. n, table.concat(colds, '', from_here, to_here))
  number = number + to_here - from_here + 1
  call('HSET', s .. ':chunks', n, number - n * CHUNK .. ' ' .. modseq)
  from_here = to_here + 1
end
add(s, 'unseen', unseen)
add(s, 'deleted', deleted)
add(s, 'bytes', bytes)
add(s, 'deleted_bytes', deleted_bytes)
call('HSET', s, 'count', number, 'modseq', modseq, 'keywords_low', unsigned(used_lo), 'keywords_high', unsigned(used_hi))
call('ZADD', base .. 'copies', now_ms() + lease, copy)
return answer{uids = table.concat(staged)}
