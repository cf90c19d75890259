-- Changes flags. ARGV: id, ranges, mode (0 set, 1 add, 2 remove), flags,
-- keyword names, unchanged since ('' = no condition).
-- Returns {modseq or 0, hot records of all that exist, modified uids, keywords,
-- the folder's modseq before}.
local id = ARGV[1]
local f = base .. 'f:' .. id
if not folder_exists(f) then return fail('NOTFOUND there is no such mailbox') end
local previous = call('HGET', f, 'modseq')
local mode, set = tonumber(ARGV[3]), tonumber(ARGV[4])
local lo, hi = keyword_bits(f, ARGV[5], mode ~= 2)
if not lo then return fail('LIMIT a mailbox has at most 64 keywords') end
local limit = ARGV[6] ~= '' and tonumber(ARGV[6]) or nil
local ranges, state = ranges_of(ARGV[2]), {1}
local modseq = nil
local all, modified = {}, {}
local unseen, deleted, deleted_bytes = 0, 0, 0
for _, n in ipairs(chunks_of(f, ranges)) do
  local hot = call('GET', f .. ':h:' .. n)
  local changes = {}
  for i = 0, #hot / HOT - 1 do
    local uid, flags, size, was, email, a, b = struct.unpack(HOT_FORMAT, hot, i * HOT + 1)
    if in_ranges(ranges, state, uid) then
      if limit and was > limit then
        modified[#modified + 1] = struct.pack('<I4', uid)
      else
        local nf, na, nb
        if mode == 0 then
          nf, na, nb = set, lo, hi
        elseif mode == 1 then
          nf, na, nb = bit.bor(flags, set), unsigned(bit.bor(a, lo)), unsigned(bit.bor(b, hi))
        else
          nf = bit.band(flags, bit.bnot(set))
          na, nb = unsigned(bit.band(a, bit.bnot(lo))), unsigned(bit.band(b, bit.bnot(hi)))
        end
        if nf ~= flags or na ~= a or nb ~= b then
          modseq = modseq or next_modseq()
          was = modseq
          changes[i] = struct.pack(HOT_FORMAT, uid, nf, size, modseq, email, na, nb)
          unseen = unseen + flags % 2 - nf % 2
          local d = (bit.band(nf, 8) - bit.band(flags, 8)) / 8
          deleted = deleted + d
          deleted_bytes = deleted_bytes + d * size
        end
      end
      all[#all + 1] = changes[i] or string.sub(hot, i * HOT + 1, (i + 1) * HOT)
    end
  end
  if next(changes) then
    for i, record in pairs(changes) do call('SETRANGE', f .. ':h:' .. n, i * HOT, record) end
    call('HSET', f .. ':chunks', n, #hot / HOT .. ' ' .. modseq)
  end
end
if modseq then
  call('HSET', f, 'modseq', modseq)
  add(f, 'unseen', unseen)
  add(f, 'deleted', deleted)
  add(f, 'deleted_bytes', deleted_bytes)
  publish(id, modseq)
end
return {modseq or 0, table.concat(all), table.concat(modified), keyword_list(f), previous}
