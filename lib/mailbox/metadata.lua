-- Sets and removes annotations.
ensure_account()
local key = base .. 'md'
if id ~= '0' then
  if not folder_exists(id) then return fail('NOTFOUND there is no such mailbox') end
  key = base .. 'f:' .. id .. ':md'
end
local count = call('HLEN', key)
for i = more, #ARGV, 3 do
  local has = call('HEXISTS', key, ARGV[i])
  count = count + tonumber(ARGV[i + 1]) - has
end
if count > most then return fail('LIMIT a mailbox has at most ' .. most .. ' annotations') end
for i = more, #ARGV, 3 do
  if ARGV[i + 1] == '1' then
    call('HSET', key, ARGV[i], ARGV[i + 2])
  else
    call('HDEL', key, ARGV[i])
  end
end
return 1
