-- Some names of the hash that is to take the place of the account's (rename.c).
local tree_now = call('HGET', meta, 'tree') or ''
local next_names, prefix = base .. 'rename:' .. token, from .. '/'
if tree_now ~= tree then
  call('UNLINK', next_names)
  return answer{changed = 1}
end
local page = call('HSCAN', names_of(class), cursor, 'COUNT', most)
local pairs_of, names = {}, page[2]
for i = 1, #names, 2 do
  local name = names[i]
  if name == from or string.sub(name, 1, #prefix) == prefix then name = to .. string.sub(name, #from + 1) end
  pairs_of[i], pairs_of[i + 1] = name, names[i + 1]
end
if #pairs_of > 0 then call('HSET', next_names, unpack(pairs_of)) end
call('EXPIRE', next_names, 300)
return answer{changed = 0, next = page[1]}
