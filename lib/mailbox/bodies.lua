-- Cold records of an account that changed their place: chunks with a greater modseq.
-- ARGV: since modseq (0: all), folder id to begin with, chunk to begin with in it.
-- Returns {modseq of the account, next folder id or 0: that was all, next chunk,
-- cold chunk, cold chunk, ...}. Folders that wait to be reaped are among them.
local CHUNKS, FOLDERS = 64, 4000
local since, id, chunk = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local m = call('HMGET', meta, 'modseq', 'next_folder')
local out = {m[1] or '0', 0, 0}

local function changed_chunks(f)
  local list = {}
  local all = call('HGETALL', f .. ':chunks')
  for i = 1, #all, 2 do
    local n = tonumber(all[i])
    if n >= chunk and tonumber(string.match(all[i + 1], '%d+$')) > since then list[#list + 1] = n end
  end
  table.sort(list)
  return list
end

local last = math.min(tonumber(m[2] or 0), id + FOLDERS - 1)
while id <= last do
  local f = base .. 'f:' .. id
  local modseq = call('HGET', f, 'modseq')
  if modseq and tonumber(modseq) > since then
    for _, n in ipairs(changed_chunks(f)) do
      if #out == 3 + CHUNKS then
        out[2], out[3] = id, n
        return out
      end
      out[#out + 1] = call('GET', f .. ':c:' .. n) or ''
    end
  end
  id, chunk = id + 1, 0
end
if id <= tonumber(m[2] or 0) then out[2] = id end
return out
