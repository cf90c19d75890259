-- Puts right the names in the hashes of some folders, behind a rename by steps; with the
-- last of them it is finished.
if call('HGET', meta, 'renaming') ~= token then return answer{next = '0'} end
local page = call('HSCAN', names_of(tonumber(call('HGET', meta, 'renaming_class'))), cursor, 'COUNT', most)
for i = 1, #page[2], 2 do call('HSET', base .. 'f:' .. page[2][i + 1], 'name', page[2][i]) end
if page[1] == '0' then call('HDEL', meta, 'renaming', 'renaming_class', 'renaming_from', 'renaming_to') end
return answer{next = page[1]}
