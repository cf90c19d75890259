-- Sets and removes annotations. ARGV: folder id (0: the account), entries at
-- most, then for each: name, 1 or 0 (removed), value.
ensure_account()
local key = base .. 'md'
if ARGV[1] ~= '0' then
  if not folder_exists(base .. 'f:' .. ARGV[1]) then return fail('NOTFOUND there is no such mailbox') end
  key = base .. 'f:' .. ARGV[1] .. ':md'
end
local count = call('HLEN', key)
for i = 3, #ARGV, 3 do
  local has = call('HEXISTS', key, ARGV[i])
  count = count + tonumber(ARGV[i + 1]) - has
end
if count > tonumber(ARGV[2]) then return fail('LIMIT a mailbox has at most ' .. ARGV[2] .. ' annotations') end
for i = 3, #ARGV, 3 do
  if ARGV[i + 1] == '1' then
    call('HSET', key, ARGV[i], ARGV[i + 2])
  else
    call('HDEL', key, ARGV[i])
  end
end
return 1
