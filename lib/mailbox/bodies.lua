-- Cold records of an account that have moved: those of chunks with a greater
-- modseq. Folders that wait to be reaped are included.
local CHUNKS, FOLDERS = 16, 4000
doom_abandoned()
local m = call('HMGET', meta, 'modseq', 'next_folder')
local cold = {}

local function done(next_id, next_chunk)
  return answer{
    modseq = m[1] or '0', folder = next_id, chunk = next_chunk, cold = cold, doomed = call('SMEMBERS', base .. 'doomed'),
  }
end

local last = math.min(tonumber(m[2] or 0), id + FOLDERS - 1)
while id <= last do
  local f = base .. 'f:' .. id
  local modseq = call('HGET', f, 'modseq')
  if modseq and tonumber(modseq) > since then
    for _, n in ipairs(chunks_changed(f, chunk, since)) do
      if #cold == CHUNKS then return done(id, n) end
      cold[#cold + 1] = call('GET', f .. ':c:' .. n) or ''
    end
  end
  id, chunk = id + 1, 0
end
return done(id <= tonumber(m[2] or 0) and id or 0, 0)
