-- Folders: their names, their log, their creation; copies on their way into one.

-- ---- Folders ----
-- The names of folders of class MAIL are in one hash, those of all others in
-- another, which no code that serves mail reads.
local function names_of(class) return base .. (class == CLASS.MAIL and 'names' or 'items') end

local function class_of(id) return tonumber(call('HGET', base .. 'f:' .. id, 'class') or CLASS.MAIL) end

-- A deleted folder exists until it is reaped, but its messages no longer count.
local function folder_exists(id)
  return call('EXISTS', base .. 'f:' .. id) == 1 and call('SISMEMBER', base .. 'doomed', id) == 0
end

-- A folder's name, by its id. Behind a rename by steps (rename.c) those in the hashes of
-- folders are put right one after another, and the hash of names alone tells.
local function name_of(id)
  local name = call('HGET', base .. 'f:' .. id, 'name')
  local rename = call('HMGET', meta, 'renaming_from', 'renaming_to')
  local from = rename[1]
  if not name or not from or call('HGET', names_of(class_of(id)), name) == tostring(id) then return name end
  if name ~= from and string.sub(name, 1, #from + 1) ~= from .. '/' then return name end
  return rename[2] .. string.sub(name, #from + 1)
end

-- "tree" grows with whatever is done to the names, and never has a value twice.
local function note_names()
  local time = call('TIME')
  local now, was = tonumber(time[1]) * 1000000 + tonumber(time[2]), tonumber(call('HGET', meta, 'tree') or 0)
  call('HSET', meta, 'tree', string.format('%.0f', math.max(now, was + 1)))
end

local function next_modseq() return call('HINCRBY', meta, 'modseq', 1) end

-- The log of folders has, for each existing folder, the modseq of its own last
-- change (created, renamed, given another class; the folders below do not count as
-- changed), and a record of each deleted folder for as long as other tombstones
-- are kept.
local function log_folder(id, modseq) call('ZADD', base .. 'fmod', modseq, id) end

local function log_no_folder(id, class, modseq, now, retention)
  local gone = base .. 'fgone'
  call('ZREM', base .. 'fmod', id)
  call('ZADD', gone, modseq, struct.pack(FGONE_FORMAT, id, class, now))
  for _ = 1, 10 do
    local oldest = call('ZRANGE', gone, 0, 0, 'WITHSCORES')
    local _, _, buried = struct.unpack(FGONE_FORMAT, oldest[1])
    if buried >= now - retention then break end
    call('ZREM', gone, oldest[1])
    call('HSET', meta, 'folders_since', oldest[2])
  end
end

local function note_rename(id, modseq)
  call('HINCRBY', meta, 'renames', 1)
  note_names()
  log_folder(id, modseq)
  publish(id, modseq)
end

local function new_folder(name, special, class, modseq)
  local id = call('HINCRBY', meta, 'next_folder', 1)
  -- Grows with every folder created, and is never used twice for a name.
  local validity = math.max(tonumber(call('TIME')[1]), tonumber(call('HGET', meta, 'uidvalidity') or 0) + 1)
  call('HSET', meta, 'uidvalidity', validity)
  call('HSET', names_of(class), name, id)
  note_names()
  call('HSET', base .. 'f:' .. id, 'name', name, 'uidvalidity', validity, 'uidnext', 1, 'modseq', 1, 'count', 0,
       'unseen', 0, 'deleted', 0, 'bytes', 0, 'deleted_bytes', 0, 'special', special, 'subscribed', 0, 'since', 0,
       'born', modseq)
  if class ~= CLASS.MAIL then call('HSET', base .. 'f:' .. id, 'class', class) end
  log_folder(id, modseq)
  return id
end

-- Creates the folders that every account has; INBOX gets the id 1.
local function ensure_account()
  if call('HEXISTS', meta, 'next_folder') == 1 then return end
  call('HSET', meta, 'next_folder', 0, 'modseq', 1, 'next_email', 1, 'bytes', 0, 'messages', 0)
  for _, f in ipairs({{'INBOX', ''}, {'Drafts', '\\Drafts'}, {'Sent', '\\Sent'}, {'Trash', '\\Trash'},
                      {'Junk', '\\Junk'}, {'Archive', '\\Archive'}}) do
    call('HSET', base .. 'f:' .. new_folder(f[1], f[2], CLASS.MAIL, 1), 'subscribed', 1)
  end
end

-- Creates the missing levels above a name.
local function create_upper(name, class, modseq)
  local from = 1
  while true do
    local slash = string.find(name, '/', from, true)
    if not slash then break end
    local upper = string.sub(name, 1, slash - 1)
    if call('HEXISTS', names_of(class), upper) == 0 then new_folder(upper, '', class, modseq) end
    from = slash + 1
  end
end

-- Also creates the levels above it. Returns the id, or nil and an error.
local function create_folder(name, special, class, modseq)
  if call('HLEN', names_of(class)) >= 10000 then return nil, 'LIMIT an account has at most 10000 mailboxes' end
  create_upper(name, class, modseq)
  local id = new_folder(name, special, class, modseq)
  if class == CLASS.MAIL and call('SREM', base .. 'subs', name) == 1 then call('HSET', base .. 'f:' .. id, 'subscribed', 1) end
  return id
end

-- Copies in progress (stage_open.lua): "<folder>:<token>", by the end of the lease.
local function now_ms()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The folder in which a copy is made; nil: it was abandoned.
local function staged_folder(copy)
  if call('ZSCORE', base .. 'copies', copy) then return (string.match(copy, '^%d+')) end
end

local function doom_copy(copy)
  call('ZREM', base .. 'copies', copy)
  call('SADD', base .. 'doomed', (string.match(copy, '^%d+')))
end

-- The processes that made these have died, or are too late.
local function doom_abandoned()
  for _, copy in ipairs(call('ZRANGEBYSCORE', base .. 'copies', '-inf', now_ms())) do doom_copy(copy) end
end
