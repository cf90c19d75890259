-- Changes flags.
local f = base .. 'f:' .. id
if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
local previous = call('HGET', f, 'modseq')
local lo, hi = keyword_bits(f, keywords, mode ~= MODE.REMOVE)
if not lo then return fail('LIMIT a mailbox has at most ' .. KEYWORDS .. ' keywords') end
local ranges, state = ranges_of(packed), {1}
local modseq = nil
local all, modified = {}, {}
local unseen, deleted, deleted_bytes = 0, 0, 0
for _, n in ipairs(chunks_of(f, ranges)) do
  local hot = call('GET', f .. ':h:' .. n)
  local changes = {}
  for _, i in ipairs(places_in(hot, ranges, state)) do
    local uid, flags, size, was, email, a, b = struct.unpack(HOT_FORMAT, hot, i * HOT + 1)
    if limit and was > limit then
      modified[#modified + 1] = struct.pack('<I4', uid)
    else
      local nf, na, nb
      if mode == MODE.SET then
        nf, na, nb = bit.bor(bit.band(flags, bit.bnot(mask)), set), lo, hi
      elseif mode == MODE.ADD then
        nf, na, nb = bit.bor(flags, set), unsigned(bit.bor(a, lo)), unsigned(bit.bor(b, hi))
      else
        nf = bit.band(flags, bit.bnot(set))
        na, nb = unsigned(bit.band(a, bit.bnot(lo))), unsigned(bit.band(b, bit.bnot(hi)))
      end
      if nf ~= flags or na ~= a or nb ~= b then
        modseq = modseq or next_modseq()
        was = modseq
        changes[i] = struct.pack(HOT_FORMAT, uid, nf, size, modseq, email, na, nb)
        unseen = unseen + (bit.band(flags, FLAG.SEEN) - bit.band(nf, FLAG.SEEN)) / FLAG.SEEN
        local d = (bit.band(nf, FLAG.DELETED) - bit.band(flags, FLAG.DELETED)) / FLAG.DELETED
        deleted = deleted + d
        deleted_bytes = deleted_bytes + d * size
      end
    end
    all[#all + 1] = changes[i] or string.sub(hot, i * HOT + 1, (i + 1) * HOT)
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
return answer{
  modseq = modseq or 0, hot = table.concat(all), modified = table.concat(modified), keywords = keyword_list(f),
  previous = previous,
}
