-- A folder with the levels below; INBOX is renamed by the caller.
ensure_account()
local id = call('HGET', base .. 'names', from)
if not id then return fail('NOTFOUND there is no such mailbox') end
if call('HEXISTS', base .. 'names', to) == 1 then return fail('EXISTS the mailbox exists already') end
local prefix = from .. '/'
if string.sub(to, 1, #prefix) == prefix then return fail('DENIED a mailbox cannot go below itself') end
local moves = {}
local names = call('HGETALL', base .. 'names')
for i = 1, #names, 2 do
  if names[i] == from or string.sub(names[i], 1, #prefix) == prefix then
    local target = to .. string.sub(names[i], #from + 1)
    if call('HEXISTS', base .. 'names', target) == 1 then return fail('EXISTS the mailbox exists already') end
    moves[#moves + 1] = {names[i], target, names[i + 1]}
  end
end
-- Upper levels of the new name that are missing come into being.
local at = 1
while true do
  local slash = string.find(to, '/', at, true)
  if not slash then break end
  local upper = string.sub(to, 1, slash - 1)
  if call('HEXISTS', base .. 'names', upper) == 0 then new_folder(upper, '') end
  at = slash + 1
end
for _, m in ipairs(moves) do
  call('HDEL', base .. 'names', m[1])
  call('HSET', base .. 'names', m[2], m[3])
  call('HSET', base .. 'f:' .. m[3], 'name', m[2])
end
publish(id, next_modseq())
return 1
