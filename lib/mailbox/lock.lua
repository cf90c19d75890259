-- The maildrop lock. ARGV: verb (take, renew, release), token, lease ms.
local key = base .. 'lock'
local owner = call('GET', key)
if ARGV[1] == 'take' then
  if owner and owner ~= ARGV[2] then return fail('EXISTS the maildrop is in use') end
  call('SET', key, ARGV[2], 'PX', ARGV[3])
  return 1
end
if owner ~= ARGV[2] then return fail('FENCED the maildrop lock was lost') end
if ARGV[1] == 'renew' then
  call('PEXPIRE', key, ARGV[3])
else
  call('DEL', key)
end
return 1
