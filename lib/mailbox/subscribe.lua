-- ARGV: name, 1 or 0.
ensure_account()
local id = call('HGET', base .. 'names', ARGV[1])
if id then
  call('HSET', base .. 'f:' .. id, 'subscribed', ARGV[2])
  call('SREM', base .. 'subs', ARGV[1])
elseif ARGV[2] == '1' then
  return fail('NOTFOUND there is no such mailbox')
else
  call('SREM', base .. 'subs', ARGV[1])
end
return 1
