-- Dooms all folders of an account. Returns their ids; reaped by the caller,
-- which then calls again: with none left the account's own keys go.
for _, id in ipairs(call('HVALS', base .. 'names')) do call('SADD', base .. 'doomed', id) end
call('DEL', base .. 'names', base .. 'subs', base .. 'filed', base .. 'md')
local doomed = call('SMEMBERS', base .. 'doomed')
if #doomed == 0 then call('DEL', meta, base .. 'lock') end
return doomed
