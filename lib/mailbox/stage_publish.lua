-- Adds a complete copy to its folder, all of it in this single step.
--
-- Records are not handled one by one, or 100,000 would take a second. They all lack
-- the same values: the first UID and the modseq. Both are put into a whole chunk at
-- once, by an XOR with a mask of as many records that hold nothing else. The UIDs
-- begin at a multiple of ALIGN, so that one mask serves ALIGN of them; the UIDs in
-- between stay unused.
local ALIGN = 16 * CHUNK
local id = staged_folder(copy)
if not id then return fail('FENCED the copy took too long and was abandoned') end
local s = base .. 'f:' .. id
local h = call('HMGET', s, 'target', 'count', 'bytes', 'unseen', 'deleted', 'deleted_bytes')
local to, records, bytes = h[1], tonumber(h[2]), tonumber(h[3])
local g = base .. 'f:' .. to
if not folder_exists(to) then return fail('NOTFOUND there is no such mailbox') end
-- Must not happen: the caller counts what the scripts report to it.
if records ~= count then return fail('FENCED the copy is not complete') end
if quota > 0 and tonumber(call('HGET', meta, 'bytes')) + bytes > quota then
  return fail('OVERQUOTA the quota of the account would be exceeded')
end
local was = call('HMGET', g, 'uidnext', 'uidvalidity', 'recent')
local first = math.ceil(tonumber(was[1]) / ALIGN) * ALIGN
if first + records >= 4294967295 then return fail('LIMIT the mailbox has used up its UIDs') end

local modseq = next_modseq()
local mask, spent, chunks = s .. ':h:mask', {}, {}
local function set_mask(number, length)
  local one = struct.pack(HOT_FORMAT, bit.bxor(first + number, number) % 4294967296, 0, 0, modseq, 0, 0, 0)
  call('SET', mask, string.rep(one, length))
  -- Memory just freed is still warm and serves the next chunks.
  if #spent > 0 then call('DEL', unpack(spent)) end
  spent = {}
end
for n = 0, math.ceil(records / CHUNK) - 1 do
  local number, target, hot = n * CHUNK, first / CHUNK + n, s .. ':h:' .. n
  local length = math.min(CHUNK, records - number)
  if number % ALIGN == 0 or length < CHUNK then set_mask(number, length) end
  call('BITOP', 'XOR', g .. ':h:' .. target, hot, mask)
  call('RENAME', s .. ':c:' .. n, g .. ':c:' .. target)
  spent[#spent + 1] = hot
  chunks[#chunks + 1] = target
  chunks[#chunks + 1] = length .. ' ' .. modseq
end
call('DEL', mask, unpack(spent))
for from = 1, #chunks, 1000 do call('HSET', g .. ':chunks', unpack(chunks, from, math.min(from + 999, #chunks))) end
-- Extra data of the records; most have none.
local extras = call('HGETALL', s .. ':x')
for i = 1, #extras, 2 do set_extra(g, first + tonumber(extras[i]), extras[i + 1]) end
call('DEL', unpack(dying_with('FOLDER', id)))
call('ZREM', base .. 'copies', copy)

add(g, 'count', records)
add(g, 'recent_count', records)
for i, field in ipairs({'bytes', 'unseen', 'deleted', 'deleted_bytes'}) do add(g, field, tonumber(h[i + 2])) end
if not was[3] then call('HSET', g, 'recent', first) end
call('HSET', g, 'uidnext', first + records, 'modseq', modseq)
add(meta, 'bytes', bytes)
add(meta, 'messages', records)
publish(to, modseq)
return answer{uid_validity = was[2], first_uid = first, modseq = modseq}
