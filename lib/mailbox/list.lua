-- Folders of some classes.
ensure_account()
doom_abandoned()

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

for class = 1, make and #FIRST_NAME or 0 do
  if wanted(class) then make_first(class, FIRST_NAME[class]) end
end

local folders = {}
for _, id in ipairs(wanted(CLASS.MAIL) and call('HVALS', base .. 'names') or {}) do
  folders[#folders + 1] = folder_fields(id)
end
if classes > bit.lshift(1, CLASS.MAIL) then
  for _, id in ipairs(call('HVALS', base .. 'items')) do
    if wanted(class_of(id)) then folders[#folders + 1] = folder_fields(id) end
  end
end
return answer{
  folders = folders, missing = call('SMEMBERS', base .. 'subs'), doomed = call('SMEMBERS', base .. 'doomed'),
}
