-- ARGV: from id, ranges, to name, move (1/0), quota bytes, now (unix s), retention (s).
-- Returns {uidvalidity, from uids packed, to uids packed, modseq}. A copy is of
-- those messages only whose bodies the caller has added references to: it
-- compares the UIDs.
local from = ARGV[1]
local f = base .. 'f:' .. from
if not folder_exists(f) then return fail('NOTFOUND there is no such mailbox') end
local to = call('HGET', base .. 'names', ARGV[3])
if not to then return fail('NOTFOUND there is no such mailbox') end
local g = base .. 'f:' .. to
local move, now = ARGV[4] == '1', tonumber(ARGV[6])
local ranges, state = ranges_of(ARGV[2]), {1}
local records, bytes = {}, 0

-- What is to be copied, with keywords by name.
for _, n in ipairs(chunks_of(f, ranges)) do
  local hot, cold = call('GET', f .. ':h:' .. n), call('GET', f .. ':c:' .. n)
  for i = 0, #hot / HOT - 1 do
    local uid, flags, size, _, email, lo, hi = struct.unpack(HOT_FORMAT, hot, i * HOT + 1)
    if in_ranges(ranges, state, uid) then
      records[#records + 1] = {flags, size, 0, email, lo, hi, string.sub(cold, i * COLD + 1, (i + 1) * COLD), uid}
      bytes = bytes + size
    end
  end
end
local quota = tonumber(ARGV[5])
if not move and quota > 0 and tonumber(call('HGET', meta, 'bytes')) + bytes > quota then
  return fail('OVERQUOTA the account holds all that it may')
end
if tonumber(call('HGET', g, 'uidnext')) + #records >= 4294967295 then
  return fail('LIMIT the mailbox has used up its UIDs')
end
-- Bits mean other keywords there.
if from ~= to then
  local names = {}
  for _, v in ipairs(call('HVALS', f .. ':kw')) do
    local b, name = string.match(v, '^(%d+) (.*)$')
    names[tonumber(b)] = name
  end
  local known = {}
  for _, r in ipairs(records) do
    if r[5] ~= 0 or r[6] ~= 0 then
      local key = r[5] .. ' ' .. r[6]
      if not known[key] then
        local list = {}
        for b, name in pairs(names) do
          local half = b < 32 and r[5] or r[6]
          if bit.band(half, bit.lshift(1, b % 32)) ~= 0 then list[#list + 1] = name end
        end
        local lo, hi = keyword_bits(g, table.concat(list, ' '), true)
        if not lo then return fail('LIMIT a mailbox has at most 64 keywords') end
        known[key] = {lo, hi}
      end
      r[5], r[6] = known[key][1], known[key][2]
    end
  end
end
for _, r in ipairs(records) do
  r[7] = string.sub(r[7], 1, 48) .. struct.pack('<I4', now) .. string.sub(r[7], 53)
end
local validity = call('HGET', g, 'uidvalidity')
if #records == 0 then return {validity, '', '', '0'} end
local modseq = next_modseq()
if move then remove_records(from, ranges, modseq, now, tonumber(ARGV[7]), function() return true end) end
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
return {validity, table.concat(from_uids), table.concat(to_uids), tostring(modseq)}
