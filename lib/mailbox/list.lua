-- All folders. Returns {folders' fields ..., {subscribed names without a folder}, {ids being removed}}.
ensure_account()
local out = {}
local names = call('HGETALL', base .. 'names')
for i = 2, #names, 2 do out[#out + 1] = folder_fields(names[i]) end
out[#out + 1] = call('SMEMBERS', base .. 'subs')
out[#out + 1] = call('SMEMBERS', base .. 'doomed')
return out
