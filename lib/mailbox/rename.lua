-- A folder with the levels below; INBOX is renamed by the caller.
ensure_account()
local class = CLASS.MAIL
if id then
  if id == 1 then return fail('DENIED INBOX is renamed by its name') end
  if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
  from, class = call('HGET', base .. 'f:' .. id, 'name'), class_of(id)
end
local hash = names_of(class)
id = id or call('HGET', hash, from)
if not id then return fail('NOTFOUND there is no such mailbox') end
if call('HEXISTS', hash, to) == 1 then return fail('EXISTS the mailbox exists already') end
local prefix = from .. '/'
if string.sub(to, 1, #prefix) == prefix then return fail('DENIED a mailbox cannot go below itself') end
local moves = {}
local names = call('HGETALL', hash)
for i = 1, #names, 2 do
  if names[i] == from or string.sub(names[i], 1, #prefix) == prefix then
    local target = to .. string.sub(names[i], #from + 1)
    if call('HEXISTS', hash, target) == 1 then return fail('EXISTS the mailbox exists already') end
    moves[#moves + 1] = {names[i], target, names[i + 1]}
  end
end
local modseq = next_modseq()
create_upper(to, class, modseq)
call('HINCRBY', meta, 'renames', 1)
for _, m in ipairs(moves) do
  call('HDEL', hash, m[1])
  call('HSET', hash, m[2], m[3])
  call('HSET', base .. 'f:' .. m[3], 'name', m[2])
end
log_folder(id, modseq)
publish(id, modseq)
return 1
