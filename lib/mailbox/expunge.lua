-- ARGV: id, ranges, only deleted (1/0), now (unix s), retention (s).
-- Returns {modseq, uids packed, cold records, the folder's modseq before}.
local id = ARGV[1]
if not folder_exists(base .. 'f:' .. id) then return fail('NOTFOUND there is no such mailbox') end
local previous = call('HGET', base .. 'f:' .. id, 'modseq')
local only = ARGV[3] == '1'
-- The modseq is taken before it is known whether anything goes: a gap is harmless.
local modseq = next_modseq()
local removed, bytes = remove_records(id, ranges_of(ARGV[2]), modseq, tonumber(ARGV[4]), tonumber(ARGV[5]),
  function(flags) return not only or bit.band(flags, 8) ~= 0 end)
local uids, cold = {}, {}
for i, r in ipairs(removed) do
  uids[i] = struct.pack('<I4', r[1])
  cold[i] = r[8]
end
if #removed > 0 then
  add(meta, 'bytes', -bytes)
  add(meta, 'messages', -#removed)
  publish(id, modseq)
end
return {modseq, table.concat(uids), table.concat(cold), previous}
