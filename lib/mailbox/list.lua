-- A page of an account's folders of some classes, or of the names that are only
-- subscribed to (lib/mailbox/list.c).
ensure_account()

local function wanted(class) return bit.band(classes, bit.lshift(1, class)) ~= 0 end

-- Creates the first folder of each class at the first request for it.
local function make_first(class, name)
  if call('HEXISTS', meta, 'first:' .. class) == 1 then return end
  local free, n = name, 2
  while call('HEXISTS', names_of(class), free) == 1 do
    free, n = name .. ' ' .. n, n + 1
  end
  local modseq = next_modseq()
  local id = new_folder(free, '\\' .. name, class, modseq)
  call('HSET', meta, 'first:' .. class, id)
  publish(id, modseq)
end

local doomed
if cursor == '' then
  doom_abandoned()
  for class = 1, make and #FIRST_NAME or 0 do
    if wanted(class) then make_first(class, FIRST_NAME[class]) end
  end
  cursor, doomed = '0', call('SMEMBERS', base .. 'doomed')
end

-- FOLDER begins with the id and the name, which stand in the hash of names.
local folders, missing, class_at = {}, {}, 5
local last = counts and #FOLDER or class_at
local function add_folder(name, id)
  local h = call('HMGET', base .. 'f:' .. id, unpack(FOLDER, 3, last))
  if wanted(tonumber(h[class_at - 2] or CLASS.MAIL)) then
    folders[#folders + 1] = {id, name, unpack(h, 1, last - 2)}
  end
end

local page
if part == PART.SUBS then
  page = call('SSCAN', base .. 'subs', cursor, 'COUNT', most)
  missing = page[2]
else
  page = call('HSCAN', base .. (part == PART.NAMES and 'names' or 'items'), cursor, 'COUNT', most)
  for i = 1, #page[2], 2 do add_folder(page[2][i], page[2][i + 1]) end
end
return answer{
  renames = call('HGET', meta, 'renames'), next = page[1], folders = folders, missing = missing, doomed = doomed,
}
