-- The maildrop lock.
local key = base .. 'lock'
local owner = call('GET', key)
if verb == 'take' then
  if owner and owner ~= token then return fail('EXISTS the maildrop is in use') end
  call('SET', key, token, 'PX', lease)
  return 1
end
if owner ~= token then return fail('FENCED the maildrop lock was lost') end
if verb == 'renew' then
  call('PEXPIRE', key, lease)
else
  call('DEL', key)
end
return 1
