-- Copies or moves messages to another folder. Only messages to whose bodies and
-- digests the caller has added references are copied: the UIDs are compared, and the
-- cold records are the caller's, as a digest may have been replaced since.
local f = base .. 'f:' .. from
if not folder_exists(from) then return fail('NOTFOUND there is no such mailbox') end
if class_of(from) ~= CLASS.MAIL then return fail('DENIED items cannot be copied into mail folders') end
local to = call('HGET', base .. 'names', name)
if not to then return fail('NOTFOUND there is no such mailbox') end
local g = base .. 'f:' .. to
local ranges, state = ranges_of(packed), {1}
local records, bytes = {}, 0
local wanted = not move and wanted_of(uids)

-- The messages to copy, with keywords by name.
for _, n in ipairs(chunks_of(f, ranges)) do
  local hot, colds = call('GET', f .. ':h:' .. n), cold
  if move then colds = call('GET', f .. ':c:' .. n) end
  for _, i in ipairs(places_in(hot, ranges, state)) do
    local uid, flags, size, _, email, lo, hi = struct.unpack(HOT_FORMAT, hot, i * HOT + 1)
    local k = move and i or wanted[uid]
    records[#records + 1] = {flags, size, 0, email, lo, hi, string.sub(colds, k * COLD + 1, (k + 1) * COLD), uid}
    bytes = bytes + size
  end
end
if not move and quota > 0 and tonumber(call('HGET', meta, 'bytes')) + bytes > quota then
  return fail('OVERQUOTA the quota of the account would be exceeded')
end
if tonumber(call('HGET', g, 'uidnext')) + #records >= 4294967295 then
  return fail('LIMIT the mailbox has used up its UIDs')
end
local keywords = keyword_map(f, g)
for _, r in ipairs(records) do
  if r[5] ~= 0 or r[6] ~= 0 then
    r[5], r[6] = keywords(r[5], r[6])
    if not r[5] then return fail('LIMIT a mailbox has at most ' .. KEYWORDS .. ' keywords') end
  end
end
for _, r in ipairs(records) do
  r[7] = saved_now(r[7], now)
end
local validity = call('HGET', g, 'uidvalidity')
if #records == 0 then return answer{uid_validity = validity, from_uids = '', to_uids = '', modseq = '0'} end
local modseq = next_modseq()
if not move then carry_extras(f, records) end
if move then remove_records(from, ranges, modseq, now, retention, function() return true end) end
local first = append_records(to, records, modseq)
local from_uids, to_uids = {}, {}
for i, r in ipairs(records) do
  from_uids[i] = struct.pack('<I4', r[8])
  to_uids[i] = struct.pack('<I4', first + i - 1)
end
if not move then
  add(meta, 'bytes', bytes)
  add(meta, 'messages', #records)
else
  publish(from, modseq)
end
publish(to, modseq)
return answer{
  uid_validity = validity, from_uids = table.concat(from_uids), to_uids = table.concat(to_uids),
  modseq = tostring(modseq),
}
