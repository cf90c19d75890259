-- Subscribes to a folder, or unsubscribes.
ensure_account()
local id = call('HGET', base .. 'names', name)
if id then
  call('HSET', base .. 'f:' .. id, 'subscribed', on and 1 or 0)
  call('SREM', base .. 'subs', name)
elseif on then
  return fail('NOTFOUND there is no such mailbox')
else
  call('SREM', base .. 'subs', name)
end
return 1
