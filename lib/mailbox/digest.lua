-- Notes where a digest computed anew lies. ARGV: id, uid, packed blob id.
-- Returns the one that stood there before ('' when the message is gone).
local f = base .. 'f:' .. ARGV[1]
local uid = tonumber(ARGV[2])
local n = math.floor(uid / 256)
local hot = call('GET', f .. ':h:' .. n)
if not hot then return '' end
for i = 0, #hot / HOT - 1 do
  if struct.unpack('<I4', hot, i * HOT + 1) == uid then
    local key = f .. ':c:' .. n
    local old = call('GETRANGE', key, i * COLD + 20, i * COLD + 39)
    call('SETRANGE', key, i * COLD + 20, ARGV[3])
    return old
  end
end
return ''
