-- What changed in a folder after a modseq.
local f = base .. 'f:' .. id
local h = call('HMGET', f, 'modseq', 'uidnext', 'uidvalidity', 'since')
if not h[1] then return fail('NOTFOUND there is no such mailbox') end
local hot, gone = {}, {}
if tonumber(h[1]) > since then
  local chunks = call('HGETALL', f .. ':chunks')
  local numbers = {}
  for i = 1, #chunks, 2 do
    if tonumber(string.match(chunks[i + 1], '%d+$')) > since then numbers[#numbers + 1] = tonumber(chunks[i]) end
  end
  table.sort(numbers)
  for _, n in ipairs(numbers) do hot[#hot + 1] = call('GET', f .. ':h:' .. n) end
  local last = -1
  while true do
    local stones = call('LRANGE', f .. ':gone', last - 199, last)
    local older = false
    for i = #stones, 1, -1 do
      local modseq, uid = struct.unpack(STONE_FORMAT, stones[i])
      if modseq <= since then
        older = true
        break
      end
      gone[#gone + 1] = struct.pack(GONE_FORMAT, modseq, uid)
    end
    if older or #stones < 200 then break end
    last = last - 200
  end
end
local fields = folder_fields(id)
if take then take_recent(f) end
return answer{
  modseq = h[1], uid_next = h[2], uid_validity = h[3], hot = hot, gone = table.concat(gone),
  complete = since >= tonumber(h[4]) and 1 or 0, fields = fields, keywords = keyword_list(f),
}
