-- What changed. ARGV: id, since modseq, 1: what is recent is taken. Returns {modseq, uidnext, uidvalidity,
-- {hot ...}, {}, gone packed (modseq, uid), complete, fields before the taking, keywords}.
local f = base .. 'f:' .. ARGV[1]
local h = call('HMGET', f, 'modseq', 'uidnext', 'uidvalidity', 'since')
if not h[1] then return fail('NOTFOUND there is no such mailbox') end
local since = tonumber(ARGV[2])
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
      local modseq, uid = struct.unpack('<I6I4', stones[i])
      if modseq <= since then
        older = true
        break
      end
      gone[#gone + 1] = struct.pack('<I6I4', modseq, uid)
    end
    if older or #stones < 200 then break end
    last = last - 200
  end
end
local fields = folder_fields(ARGV[1])
if ARGV[3] == '1' then take_recent(f) end
return {h[1], h[2], h[3], hot, {}, table.concat(gone), since >= tonumber(h[4]) and 1 or 0, fields, keyword_list(f)}
