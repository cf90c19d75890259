-- The cold records of those messages to copy that exist.
local f = base .. 'f:' .. id
if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
local wanted, chunks = wanted_of(uids)
local there, cold = {}, {}
for _, n in ipairs(chunks) do
  local hot, records = call('GET', f .. ':h:' .. n) or '', nil
  for at = 1, #hot, HOT do
    local uid = struct.unpack('<I4', hot, at + HOT_AT.uid)
    if wanted[uid] then
      local i = (at - 1) / HOT
      records = records or call('GET', f .. ':c:' .. n)
      there[#there + 1] = struct.pack('<I4', uid)
      cold[#cold + 1] = string.sub(records, i * COLD + 1, (i + 1) * COLD)
    end
  end
end
return answer{uids = table.concat(there), cold = table.concat(cold)}
