-- All folders.
ensure_account()
doom_abandoned()
local folders = {}
local names = call('HGETALL', base .. 'names')
for i = 2, #names, 2 do folders[#folders + 1] = folder_fields(names[i]) end
return answer{
  folders = folders, missing = call('SMEMBERS', base .. 'subs'), doomed = call('SMEMBERS', base .. 'doomed'),
}
