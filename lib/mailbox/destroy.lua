-- Dooms all folders of an account, and copies in progress. Returns their ids. The caller reaps them and
-- calls again; when none are left, the account's own keys are deleted. The ledgers of what was filed stay
-- until they expire, so that late attempts are refused even if the account is created again.
for _, names in ipairs({base .. 'names', base .. 'items'}) do
  for _, id in ipairs(call('HVALS', names)) do call('SADD', base .. 'doomed', id) end
  call('DEL', names)
end
if call('EXISTS', meta) == 1 then note_names() end
for _, copy in ipairs(call('ZRANGE', base .. 'copies', 0, -1)) do doom_copy(copy) end
local doomed = call('SMEMBERS', base .. 'doomed')
if #doomed == 0 then call('UNLINK', unpack(dying_with('ACCOUNT'))) end
return doomed
