-- Shared by all mailbox scripts. KEYS[1] is mail:{<address>}:meta. Every other key is built
-- from its prefix, so all have the same hash tag.
--
-- It is preceded by the records (HOT, HOT_FORMAT, HOT_AT, ...), FLAG, MARK, MODE, CLASS,
-- CHUNK, KEYWORDS, FOLDER and mail_keys(), made from tables, and followed by a script's
-- arguments and answer{}, made from scripts.h.
local call = redis.call
local meta = KEYS[1]
local base = string.sub(meta, 1, -5)

-- Flag bits that IMAP does not own.
local MARKS = 65535
for _, flag in pairs(FLAG) do MARKS = MARKS - flag end

local function fail(text) return redis.error_reply(text) end

-- Lua writes minus zero as "-0", which Redis does not accept as a number.
local function add(key, field, amount)
  if amount ~= 0 then call('HINCRBY', key, field, amount) end
end

-- Results recorded under a token, by day. Today and the last so many days are searched.
local ONCE_DAYS = 3
local function today() return math.floor(tonumber(call('TIME')[1]) / 86400) end

-- Keys that die with the account (ACCOUNT), a folder (FOLDER) or a chunk (CHUNK), of
-- the rows of lib/redis/keys_table.h.
local function dying_with(what, folder, chunk)
  local list, parts = {}, {folder = folder, chunk = chunk}
  local last = today()
  mail_keys(function(pattern, dies)
    if dies ~= what then return end
    local tail = string.sub(pattern, #'mail:{<address>}:' + 1)
    local is_daily = string.find(tail, '<day>', 1, true)
    for day = last - (is_daily and ONCE_DAYS + 1 or 0), last do
      parts.day = day
      list[#list + 1] = base .. string.gsub(tail, '<(%w+)>', parts)
    end
  end)
  return list
end

local function publish(id, modseq)
  call('PUBLISH', string.sub(base, 1, -2), id .. ' ' .. modseq)
end

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

-- Numbers of existing chunks from the first to the last UID, ascending.
local function chunks_between(f, first, last)
  local from, to = math.floor(first / CHUNK), math.floor(last / CHUNK)
  local list = {}
  if to - from < 8 then
    for n = from, to do
      if call('HEXISTS', f .. ':chunks', n) == 1 then list[#list + 1] = n end
    end
    return list
  end
  for _, n in ipairs(call('HKEYS', f .. ':chunks')) do
    n = tonumber(n)
    if n >= from and n <= to then list[#list + 1] = n end
  end
  table.sort(list)
  return list
end

-- Numbers of the chunks from `first` on that changed after the modseq `since`, ascending.
local function chunks_changed(f, first, since)
  local list = {}
  local all = call('HGETALL', f .. ':chunks')
  for i = 1, #all, 2 do
    local n = tonumber(all[i])
    if n >= first and tonumber(string.match(all[i + 1], '%d+$')) > since then list[#list + 1] = n end
  end
  table.sort(list)
  return list
end

-- Packed pairs of u32: first and last UID, ascending.
local function ranges_of(packed)
  local list = {}
  for at = 1, #packed, RANGE do
    local first, last = struct.unpack(RANGE_FORMAT, packed, at)
    list[#list + 1] = {first, last}
  end
  return list
end

-- Chunks that overlap any of the ranges, ascending, each once.
local function chunks_of(f, ranges)
  local list, seen = {}, {}
  for _, r in ipairs(ranges) do
    for _, n in ipairs(chunks_between(f, r[1], r[2])) do
      if not seen[n] then
        seen[n] = true
        list[#list + 1] = n
      end
    end
  end
  table.sort(list)
  return list
end

-- True if uid is in the ranges. Must be called with increasing uids; state is
-- {index}.
local function in_ranges(ranges, state, uid)
  while ranges[state[1]] and ranges[state[1]][2] < uid do state[1] = state[1] + 1 end
  local r = ranges[state[1]]
  return r ~= nil and r[1] <= uid
end

-- Positions (from 0) of a chunk's records that are in the ranges, ascending. The
-- other records are not unpacked, since unpacking is the main cost of a chunk.
-- state: as for in_ranges().
local function places_in(hot, ranges, state)
  local list = {}
  for at = HOT_AT.uid + 1, #hot, HOT do
    if in_ranges(ranges, state, (struct.unpack('<I4', hot, at))) then list[#list + 1] = (at - 1 - HOT_AT.uid) / HOT end
  end
  return list
end

-- From packed, ascending UIDs: the position (from 0) of each by UID, and the chunks
-- that contain them, ascending.
local function wanted_of(uids)
  local wanted, chunks = {}, {}
  for k = 0, #uids / 4 - 1 do
    local uid = struct.unpack('<I4', uids, k * 4 + 1)
    local n = math.floor(uid / CHUNK)
    wanted[uid] = k
    if chunks[#chunks] ~= n then chunks[#chunks + 1] = n end
  end
  return wanted, chunks
end

-- The folder's keywords as a list: bit, name, bit, name, ...
local function keyword_list(f)
  local out = {}
  local all = call('HVALS', f .. ':kw')
  for _, v in ipairs(all) do
    local bit_no, name = string.match(v, '^(%d+) (.*)$')
    out[#out + 1] = bit_no
    out[#out + 1] = name
  end
  return out
end

-- Keywords of messages on their way into a folder.
local function staged_keywords(f)
  local lo, hi = 0, 0
  for _, copy in ipairs(call('ZRANGE', base .. 'copies', 0, -1)) do
    local h = call('HMGET', base .. 'f:' .. staged_folder(copy), 'target', 'keywords_low', 'keywords_high')
    if base .. 'f:' .. h[1] == f then lo, hi = bit.bor(lo, tonumber(h[2])), bit.bor(hi, tonumber(h[3])) end
  end
  return lo, hi
end

-- Bits that keyword_bits() has told of in this script, of messages yet to be written;
-- and of which words, by "<folder> <word>": none of them goes while the script runs.
local given_lo, given_hi, given_words = 0, 0, {}

-- Frees the bits that no message uses any more for new keywords. An OR over all
-- chunks shows which bits are in use; even with 100,000 messages the result is
-- only 256 records.
local function reclaim_keywords(f)
  local lo, hi = staged_keywords(f)
  local chunks, all = chunks_between(f, 0, 4294967295), f .. ':h:all'
  lo, hi = bit.bor(lo, given_lo), bit.bor(hi, given_hi)
  -- With up to 16 keys Redis works in words, not in bytes.
  for from = 1, #chunks, 15 do
    local keys = {}
    for i = from, math.min(from + 14, #chunks) do keys[#keys + 1] = f .. ':h:' .. chunks[i] end
    call('BITOP', 'OR', all, all, unpack(keys))
  end
  local hot = call('GET', all) or ''
  call('DEL', all)
  for at = 1, #hot, HOT do
    local a, b = struct.unpack('<I4I4', hot, at + HOT_AT.keywords_low)
    lo, hi = bit.bor(lo, a), bit.bor(hi, b)
  end
  local named = call('HGETALL', f .. ':kw')
  for i = 1, #named, 2 do
    local b = tonumber(string.match(named[i + 1], '^%d+'))
    local half = b < 32 and lo or hi
    if bit.band(half, bit.lshift(1, b % 32)) == 0 then call('HDEL', f .. ':kw', named[i]) end
  end
end

local function free_keyword_bit(f)
  local used = {}
  for _, v in ipairs(call('HVALS', f .. ':kw')) do used[tonumber(string.match(v, '^%d+'))] = true end
  for b = 0, KEYWORDS - 1 do
    if not used[b] then return b end
  end
end

local function unsigned(v) return v < 0 and v + 4294967296 or v end

-- Names separated by spaces as two halves of 32 bits. create: unknown names get
-- a bit; nil if no bit is left.
local function keyword_bits(f, names, create)
  local lo, hi = 0, 0
  for name in string.gmatch(names, '[^ ]+') do
    local key = string.lower(name)
    local b = given_words[f .. ' ' .. key]
    if not b then
      local v = call('HGET', f .. ':kw', key)
      b = v and tonumber(string.match(v, '^%d+'))
    end
    if not b and create then
      b = free_keyword_bit(f)
      if not b then
        reclaim_keywords(f)
        b = free_keyword_bit(f)
      end
      if not b then return nil end
      call('HSET', f .. ':kw', key, b .. ' ' .. name)
    end
    given_words[f .. ' ' .. key] = b
    if b and b < 32 then lo = bit.bor(lo, bit.lshift(1, b)) end
    if b and b >= 32 then hi = bit.bor(hi, bit.lshift(1, b - 32)) end
    given_lo, given_hi = bit.bor(given_lo, lo), bit.bor(given_hi, hi)
  end
  return unsigned(lo), unsigned(hi)
end

-- Translates the bits of one folder to those of another, which gets the keywords
-- it lacks. Returns a function of two halves, which returns nil if no bit is left.
local function keyword_map(f, g)
  if f == g then return function(lo, hi) return lo, hi end end
  local names, known = {}, {}
  for _, v in ipairs(call('HVALS', f .. ':kw')) do
    local b, word = string.match(v, '^(%d+) (.*)$')
    names[tonumber(b)] = word
  end
  return function(lo, hi)
    local key = lo .. ' ' .. hi
    if not known[key] then
      local list = {}
      for b, word in pairs(names) do
        local half = b < 32 and lo or hi
        if bit.band(half, bit.lshift(1, b % 32)) ~= 0 then list[#list + 1] = word end
      end
      known[key] = {keyword_bits(g, table.concat(list, ' '), true)}
    end
    return known[key][1], known[key][2]
  end
end

-- ---- Names of items ----
-- f:u maps 'u' and a key of 12 bytes, or 'h' and a name, to a UID. f:r maps a UID to
-- its key and name; this entry stays until the tombstone is removed, so that clients
-- can be told the name of an item that is gone.
local NO_KEY = string.rep('\0', 12)

local function names_of_item(f, uid)
  local both = call('HGET', f .. ':r', uid) or NO_KEY
  return string.sub(both, 1, #NO_KEY), string.sub(both, #NO_KEY + 1)
end

local function name_item(f, uid, key, name)
  if key ~= NO_KEY then call('HSET', f .. ':u', 'u' .. key, uid) end
  if name ~= '' then call('HSET', f .. ':u', 'h' .. name, uid) end
  if key ~= NO_KEY or name ~= '' then call('HSET', f .. ':r', uid, key .. name) end
end

local function free_names(f, uid)
  local key, name = names_of_item(f, uid)
  if key ~= NO_KEY then call('HDEL', f .. ':u', 'u' .. key) end
  if name ~= '' then call('HDEL', f .. ':u', 'h' .. name) end
end

-- Writes the tombstones (a list of packed strings) and removes old ones.
local function bury(f, stones, now, retention)
  local has_names = call('EXISTS', f .. ':r') == 1
  for from = 1, #stones, 1000 do
    call('RPUSH', f .. ':gone', unpack(stones, from, math.min(from + 999, #stones)))
  end
  for _ = 1, #stones + 10 do
    local oldest = call('LINDEX', f .. ':gone', 0)
    if not oldest then break end
    local modseq, uid, _, buried = struct.unpack(STONE_FORMAT, oldest)
    if buried >= now - retention then break end
    call('LPOP', f .. ':gone')
    if has_names then call('HDEL', f .. ':r', uid) end
    call('HSET', f, 'since', modseq)
  end
end

-- ---- Large reads: in pages, one script each, assembled by lib/mailbox/read.c ----

-- Numbers of chunks with UIDs from first to last that changed after a modseq (0: all),
-- ascending, at most as many as one script should read. Then the UID to continue with;
-- nil: none.
local function changed_chunks(f, first, last, since)
  local CHUNKS_AT_ONCE = 40
  local from, to, list = math.floor(first / CHUNK), math.floor(last / CHUNK), {}
  local function look_at(n, value)
    if value and (since == 0 or tonumber(string.match(value, '%d+$')) > since) then list[#list + 1] = n end
  end
  if to - from < 8 then
    for n = from, to do look_at(n, call('HGET', f .. ':chunks', n)) end
    return list
  end
  local all = call('HGETALL', f .. ':chunks')
  for i = 1, #all, 2 do
    local n = tonumber(all[i])
    if n >= from and n <= to then look_at(n, all[i + 1]) end
  end
  table.sort(list)
  local rest = list[CHUNKS_AT_ONCE + 1]
  for i = #list, CHUNKS_AT_ONCE + 1, -1 do list[i] = nil end
  return list, rest and rest * CHUNK
end

-- True if these were the last chunks and the folder has not changed since the
-- first ones.
local function is_whole(rest, begun, modseq) return not rest and (not begun or begun == tonumber(modseq)) end

-- Packed tombstones newer than a modseq, oldest first; the modseq up to which they
-- go, if there are too many for one script, else 0; and 1 if the log reaches back
-- that far.
local function stones_after(f, since)
  local STONES_AT_ONCE, PIECE, key = 1000, 250, f .. ':gone'
  local complete = since >= tonumber(call('HGET', f, 'since')) and 1 or 0
  local last = call('LINDEX', key, -1)
  if not last or struct.unpack(STONE_FORMAT, last) <= since then return '', 0, complete end
  local low, high = 0, call('LLEN', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if struct.unpack(STONE_FORMAT, call('LINDEX', key, middle)) > since then high = middle else low = middle + 1 end
  end
  local list, newest = {}, 0
  while true do
    local stones = call('LRANGE', key, low, low + PIECE - 1)
    for _, stone in ipairs(stones) do
      local modseq = struct.unpack(STONE_FORMAT, stone)
      if #list >= STONES_AT_ONCE and modseq ~= newest then return table.concat(list), newest, complete end
      newest = modseq
      list[#list + 1] = string.sub(stone, 1, GONE)
    end
    if #stones < PIECE then return table.concat(list), 0, complete end
    low = low + PIECE
  end
end

-- A folder's fields, in the order of FOLDER.
local function folder_fields(id)
  local h = call('HMGET', base .. 'f:' .. id, unpack(FOLDER))
  h[1], h[2] = tostring(id), name_of(id)
  return h
end

-- Claims the messages that arrived since the last claim; call folder_fields()
-- before it to learn which. "recent" is the first UID of them; if it is
-- missing, nothing has arrived.
local function take_recent(f)
  local h = call('HMGET', f, 'recent', 'uidnext')
  if h[1] and tonumber(h[1]) < tonumber(h[2]) then call('HSET', f, 'recent', h[2], 'recent_count', 0) end
end

-- The cold record of a message that is added to its folder now.
local function saved_now(cold, now)
  local from = COLD_AT.save_date
  return string.sub(cold, 1, from) .. struct.pack('<I4', now) .. string.sub(cold, from + 5)
end

-- ---- Once ----
local function body_of(cold) return string.sub(cold, COLD_AT.body + 1, COLD_AT.digest) end

local function once_find(token)
  local last = today()
  for day = last, last - ONCE_DAYS, -1 do
    local was = call('HGET', base .. 'once:' .. day, token)
    if was then
      local folder, uid, modseq, email, body = struct.unpack(ONCE_FORMAT, was)
      return {folder = folder, uid = uid, modseq = modseq, email = email, body = body}
    end
  end
end

local function once_note(token, folder, uid, modseq, email, cold)
  local key = base .. 'once:' .. today()
  call('HSET', key, token, struct.pack(ONCE_FORMAT, folder, uid, modseq, email, body_of(cold)))
  if call('TTL', key) < 0 then call('EXPIRE', key, (ONCE_DAYS + 1) * 86400) end
end

-- ---- Extra data of records ----
local function set_extra(f, uid, extra)
  if extra == '' then
    call('HDEL', f .. ':x', uid)
  else
    call('HSET', f .. ':x', uid, extra)
  end
end

-- Extra data of records that remove_records() removed, by UID: a move takes it along.
local carried = {}

-- A copy takes along the extra data of its records (the eighth element is their UID in
-- f).
local function carry_extras(f, records)
  for _, r in ipairs(records) do
    if bit.band(r[1], MARK.EXTRA) ~= 0 then r.extra = call('HGET', f .. ':x', r[8]) or nil end
  end
end

-- Appends packed records to a folder: {flags, size, modseq, email, lo, hi, cold,
-- source UID or nil, extra = extra data or nil}.
local function append_records(id, records, modseq)
  local f = base .. 'f:' .. id
  local h = call('HMGET', f, 'uidnext', 'uidvalidity', 'recent')
  local uid = tonumber(h[1])
  local first = uid
  local chunk, hot, cold = nil, {}, {}
  local unseen, deleted, bytes, deleted_bytes = 0, 0, 0, 0
  local function flush()
    if not chunk then return end
    call('APPEND', f .. ':h:' .. chunk, table.concat(hot))
    call('APPEND', f .. ':c:' .. chunk, table.concat(cold))
    local old = call('HGET', f .. ':chunks', chunk)
    local had = old and tonumber(string.match(old, '^%d+')) or 0
    call('HSET', f .. ':chunks', chunk, (had + #hot) .. ' ' .. modseq)
    -- A full chunk is stored again, without the spare room that APPEND leaves.
    if uid >= (chunk + 1) * CHUNK then
      call('SET', f .. ':h:' .. chunk, call('GET', f .. ':h:' .. chunk))
      call('SET', f .. ':c:' .. chunk, call('GET', f .. ':c:' .. chunk))
    end
  end
  for _, r in ipairs(records) do
    local n = math.floor(uid / CHUNK)
    if n ~= chunk then
      flush()
      chunk, hot, cold = n, {}, {}
    end
    if bit.band(r[1], MARK.EXTRA) ~= 0 then
      local extra = r.extra or carried[r[8] or 0]
      if extra then
        call('HSET', f .. ':x', uid, extra)
      else
        r[1] = r[1] - MARK.EXTRA
      end
    end
    hot[#hot + 1] = struct.pack(HOT_FORMAT, uid, r[1], r[2], modseq, r[4], r[5], r[6])
    cold[#cold + 1] = r[7]
    bytes = bytes + r[2]
    if bit.band(r[1], FLAG.SEEN) == 0 then unseen = unseen + 1 end
    if bit.band(r[1], FLAG.DELETED) ~= 0 then
      deleted = deleted + 1
      deleted_bytes = deleted_bytes + r[2]
    end
    uid = uid + 1
  end
  flush()
  add(f, 'count', #records)
  add(f, 'bytes', bytes)
  add(f, 'unseen', unseen)
  add(f, 'deleted', deleted)
  add(f, 'deleted_bytes', deleted_bytes)
  add(f, 'recent_count', #records)
  if not h[3] then call('HSET', f, 'recent', first) end
  call('HSET', f, 'uidnext', uid, 'modseq', modseq)
  return first, tonumber(h[2])
end

-- Adds records of a folder to the account's counts. Only mail counts as
-- messages, but everything counts towards the quota.
local function count_records(id, count, bytes)
  add(meta, 'bytes', bytes)
  if class_of(id) == CLASS.MAIL then add(meta, 'messages', count) end
end

-- The hot record of a UID, its chunk and its position in it; nil: there is no such
-- UID.
local function record_of(f, uid)
  local chunk = math.floor(uid / CHUNK)
  local hot = call('GET', f .. ':h:' .. chunk) or ''
  local low, high = 0, #hot / HOT
  while low < high do
    local middle = math.floor((low + high) / 2)
    if struct.unpack('<I4', hot, middle * HOT + HOT_AT.uid + 1) < uid then
      low = middle + 1
    else
      high = middle
    end
  end
  if low * HOT == #hot then return end
  local this, flags, size, modseq, email, lo, hi = struct.unpack(HOT_FORMAT, hot, low * HOT + 1)
  if this ~= uid then return end
  return {uid = uid, flags = flags, size = size, modseq = modseq, email = email, lo = lo, hi = hi, chunk = chunk,
          place = low, chunk_records = #hot / HOT}
end

-- Replaces a record, and counts the difference.
local function set_record(f, old, flags, size, modseq)
  local record = struct.pack(HOT_FORMAT, old.uid, flags, size, modseq, old.email, old.lo, old.hi)
  call('SETRANGE', f .. ':h:' .. old.chunk, old.place * HOT, record)
  call('HSET', f .. ':chunks', old.chunk, old.chunk_records .. ' ' .. modseq)
  local function has(flag, of) return bit.band(of, flag) ~= 0 and 1 or 0 end
  add(f, 'bytes', size - old.size)
  add(f, 'unseen', has(FLAG.SEEN, old.flags) - has(FLAG.SEEN, flags))
  add(f, 'deleted', has(FLAG.DELETED, flags) - has(FLAG.DELETED, old.flags))
  add(f, 'deleted_bytes', has(FLAG.DELETED, flags) * size - has(FLAG.DELETED, old.flags) * old.size)
  call('HSET', f, 'modseq', modseq)
end

-- Removes records in the ranges from a folder; wanted(flags) selects them.
-- Returns a list of {uid, flags, size, modseq, email, lo, hi, cold}.
local function remove_records(id, ranges, modseq, now, retention, wanted)
  local f = base .. 'f:' .. id
  local removed, stones, state = {}, {}, {1}
  local has_names = class_of(id) ~= CLASS.MAIL
  local unseen, deleted, bytes, deleted_bytes = 0, 0, 0, 0
  local recent, recent_from = 0, tonumber(call('HGET', f, 'recent') or 4294967295)
  for _, n in ipairs(chunks_of(f, ranges)) do
    local hot, cold = call('GET', f .. ':h:' .. n), call('GET', f .. ':c:' .. n)
    local keep_hot, keep_cold, before = {}, {}, #removed
    local kept_from, total = 0, #hot / HOT
    local function keep_up_to(to)
      if to == kept_from then return end
      keep_hot[#keep_hot + 1] = string.sub(hot, kept_from * HOT + 1, to * HOT)
      keep_cold[#keep_cold + 1] = string.sub(cold, kept_from * COLD + 1, to * COLD)
    end
    for _, i in ipairs(places_in(hot, ranges, state)) do
      local uid, flags, size, _, email, lo, hi = struct.unpack(HOT_FORMAT, hot, i * HOT + 1)
      if wanted(flags) then
        keep_up_to(i)
        kept_from = i + 1
        local its_cold = string.sub(cold, i * COLD + 1, (i + 1) * COLD)
        removed[#removed + 1] = {uid, flags, size, modseq, email, lo, hi, its_cold}
        stones[#stones + 1] = struct.pack(STONE_FORMAT, modseq, uid, email, now)
        bytes = bytes + size
        if bit.band(flags, MARK.EXTRA) ~= 0 then
          carried[uid] = call('HGET', f .. ':x', uid) or nil
          call('HDEL', f .. ':x', uid)
        end
        if has_names then free_names(f, uid) end
        if uid >= recent_from then recent = recent + 1 end
        if bit.band(flags, FLAG.SEEN) == 0 then unseen = unseen + 1 end
        if bit.band(flags, FLAG.DELETED) ~= 0 then
          deleted = deleted + 1
          deleted_bytes = deleted_bytes + size
        end
      end
    end
    local left = total - (#removed - before)
    keep_up_to(total)
    if left == 0 then
      call('DEL', f .. ':h:' .. n, f .. ':c:' .. n)
      call('HDEL', f .. ':chunks', n)
    elseif #removed > before then
      call('SET', f .. ':h:' .. n, table.concat(keep_hot))
      call('SET', f .. ':c:' .. n, table.concat(keep_cold))
      local old = string.match(call('HGET', f .. ':chunks', n), '%d+$')
      call('HSET', f .. ':chunks', n, left .. ' ' .. old)
    end
  end
  if #removed > 0 then
    add(f, 'count', -#removed)
    add(f, 'bytes', -bytes)
    add(f, 'unseen', -unseen)
    add(f, 'deleted', -deleted)
    add(f, 'deleted_bytes', -deleted_bytes)
    add(f, 'recent_count', -recent)
    call('HSET', f, 'modseq', modseq)
    bury(f, stones, now, retention)
  end
  return removed, bytes
end
