-- A folder with the levels below; INBOX is renamed by the caller. Where that are more
-- than one script should rename it only says so: they go by steps (rename.c).
ensure_account()
local class = CLASS.MAIL
if id then
  if id == 1 then return fail('DENIED INBOX is renamed by its name') end
  if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
  from, class = name_of(id), class_of(id)
end
local hash = names_of(class)
id = call('HGET', hash, from)
if not id then return fail('NOTFOUND there is no such mailbox') end
if call('HEXISTS', hash, to) == 1 then return fail('EXISTS the mailbox exists already') end
local prefix, taken = from .. '/', to .. '/'
if string.sub(to, 1, #prefix) == prefix then return fail('DENIED a mailbox cannot be moved below itself') end
local moves = {}
local names = call('HGETALL', hash)
for i = 1, #names, 2 do
  local name = names[i]
  if string.sub(name, 1, #taken) == taken then return fail('EXISTS the mailbox exists already') end
  if name == from or string.sub(name, 1, #prefix) == prefix then
    moves[#moves + 1] = {name, to .. string.sub(name, #from + 1), names[i + 1]}
  end
end
if #moves > most then
  return answer{
    id = id, class = class, from = from, tree = call('HGET', meta, 'tree'), unfinished = call('HGET', meta, 'renaming'),
  }
end

local modseq = next_modseq()
create_upper(to, class, modseq)
for _, m in ipairs(moves) do
  call('HDEL', hash, m[1])
  call('HSET', hash, m[2], m[3])
  call('HSET', base .. 'f:' .. m[3], 'name', m[2])
end
note_rename(id, modseq)
return answer{}
