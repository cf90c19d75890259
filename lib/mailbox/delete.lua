-- Takes a folder's name away; its records are reaped afterwards. Returns its id.
ensure_account()
local id = call('HGET', base .. 'names', name)
if not id then return fail('NOTFOUND there is no such mailbox') end
if id == '1' then return fail('DENIED INBOX cannot be deleted') end
local prefix = name .. '/'
for _, other in ipairs(call('HKEYS', base .. 'names')) do
  if string.sub(other, 1, #prefix) == prefix then return fail('DENIED the mailbox has mailboxes below it') end
end
local h = call('HMGET', base .. 'f:' .. id, 'bytes', 'count', 'subscribed')
call('HDEL', base .. 'names', name)
call('SADD', base .. 'doomed', id)
add(meta, 'bytes', -tonumber(h[1]))
add(meta, 'messages', -tonumber(h[2]))
-- A subscription outlives its mailbox (RFC 9051, 6.3.7).
if h[3] == '1' then call('SADD', base .. 'subs', name) end
publish(id, next_modseq())
return id
