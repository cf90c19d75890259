-- The changes of folders after a modseq, in order, up to the end of this slice.
ensure_account()

local function wanted(class) return bit.band(classes, bit.lshift(1, class)) ~= 0 end

-- Adds folders that are older than this log to it.
local function log_unlogged()
  if call('ZCARD', base .. 'fmod') >= call('HLEN', base .. 'names') + call('HLEN', base .. 'items') then return end
  local modseq = next_modseq()
  for _, names in ipairs({'names', 'items'}) do
    for _, id in ipairs(call('HVALS', base .. names)) do
      if not call('ZSCORE', base .. 'fmod', id) then log_folder(id, modseq) end
    end
  end
end

log_unlogged()
local now_modseq = tonumber(call('HGET', meta, 'modseq'))

-- At most so many entries, plus those with the modseq of the last; and how far they
-- reach.
local function entries(key)
  local list = call('ZRANGEBYSCORE', key, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  if #list < 2 * most then return list, now_modseq end
  local last = list[#list]
  list = call('ZRANGEBYSCORE', key, '(' .. since, last, 'WITHSCORES')
  return list, call('ZCOUNT', key, '(' .. last, '+inf') == 0 and now_modseq or tonumber(last)
end

local changed, changed_reach = entries(base .. 'fmod')
local gone, gone_reach = {}, now_modseq
if since > 0 then gone, gone_reach = entries(base .. 'fgone') end
local reach = math.min(changed_reach, gone_reach)

-- The folder that contains it; 0: none.
local function parent_of(id)
  local upper = string.match(name_of(id), '^(.*)/')
  return upper and tonumber(call('HGET', names_of(class_of(id)), upper) or 0) or 0
end

local folders, modseqs, stones = {}, {}, {}
for i = 1, #changed, 2 do
  if tonumber(changed[i + 1]) <= reach and wanted(class_of(changed[i])) then
    folders[#folders + 1] = folder_fields(changed[i])
    modseqs[#modseqs + 1] = struct.pack('<I8I4', tonumber(changed[i + 1]), parent_of(changed[i]))
  end
end
for i = 1, #gone, 2 do
  local _, class = struct.unpack(FGONE_FORMAT, gone[i])
  if tonumber(gone[i + 1]) <= reach and wanted(class) then
    stones[#stones + 1] = struct.pack('<I8', tonumber(gone[i + 1])) .. gone[i]
  end
end
return answer{
  modseq = reach, more = reach < now_modseq and 1 or 0, folders = folders, changed = table.concat(modseqs),
  gone = table.concat(stones),
  complete = (since == 0 or since >= tonumber(call('HGET', meta, 'folders_since') or 0)) and 1 or 0,
}
