-- Finds a message or an item by its email id: first in the index of places found
-- recently, then in the folders, some chunks per call, of those that changed
-- after `since`.
local CHUNKS, FOLDERS, INDEXED = 128, 4000, 1024
local index = base .. 'ids'
local wanted = struct.pack('<I6', email)
local looked = 0
local account = call('HMGET', meta, 'modseq', 'next_folder')

-- The UID of the record in a chunk, or nil.
local function look_into(f, n)
  local hot = call('GET', f .. ':h:' .. n) or ''
  local at = string.find(hot, wanted, 1, true)
  while at and (at - 1 - HOT_AT.email_id) % HOT ~= 0 do at = string.find(hot, wanted, at + 1, true) end
  return at and (struct.unpack('<I4', hot, at - HOT_AT.email_id + HOT_AT.uid))
end

local function found(folder, uid) return answer{modseq = account[1], folder = folder, uid = uid, next_folder = 0} end

local function look_up()
  local was = call('HGET', index, email)
  if not was then return end
  local folder, uid = string.match(was, '^(%d+) (%d+)$')
  local n = math.floor(tonumber(uid) / CHUNK)
  if folder_exists(folder) and look_into(base .. 'f:' .. folder, n) == tonumber(uid) then return folder, uid end
  call('HDEL', index, email)
end

local function remember(folder, uid)
  call('HSET', index, email, folder .. ' ' .. uid)
  while call('HLEN', index) > INDEXED do call('HDEL', index, call('HRANDFIELD', index)) end
end

if first then
  local folder, uid = look_up()
  if folder then return found(folder, uid) end
end
local last = math.min(tonumber(account[2] or 0), id + FOLDERS - 1)
while id <= last do
  local f = base .. 'f:' .. id
  local h = call('HMGET', f, 'modseq', 'name')
  if h[1] and h[2] and tonumber(h[1]) > since and folder_exists(id) then
    for _, n in ipairs(chunks_changed(f, chunk, since)) do
      if looked == CHUNKS then return answer{modseq = account[1], folder = 0, next_folder = id, next_chunk = n} end
      looked = looked + 1
      local uid = look_into(f, n)
      if uid then
        remember(id, uid)
        return found(id, uid)
      end
    end
  end
  id, chunk = id + 1, 0
end
return answer{
  modseq = account[1] or '0', folder = 0, next_folder = id <= tonumber(account[2] or 0) and id or 0, next_chunk = 0,
}
