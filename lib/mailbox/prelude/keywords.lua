-- Keywords of a folder: a bit each.

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
