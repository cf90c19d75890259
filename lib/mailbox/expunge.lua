-- Permanently removes messages.
if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
local previous = call('HGET', base .. 'f:' .. id, 'modseq')
-- The modseq is taken before it is known whether anything is removed: a gap is
-- harmless.
local modseq = next_modseq()
local removed, bytes = remove_records(id, ranges_of(packed), modseq, now, retention,
  function(flags) return not only or bit.band(flags, FLAG.DELETED) ~= 0 end)
local uids, cold = {}, {}
for i, r in ipairs(removed) do
  uids[i] = struct.pack('<I4', r[1])
  cold[i] = r[8]
end
if #removed > 0 then
  count_records(id, -#removed, -bytes)
  publish(id, modseq)
end
return answer{modseq = modseq, uids = table.concat(uids), cold = table.concat(cold), previous = previous}
