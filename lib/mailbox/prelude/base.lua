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
