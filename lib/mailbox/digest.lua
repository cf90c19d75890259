-- Records the place of a digest that was computed again. Returns the previous
-- one ('' if the message is gone).
local f = base .. 'f:' .. id
local n = math.floor(wanted / CHUNK)
local hot = call('GET', f .. ':h:' .. n)
if not hot then return '' end
for i = 0, #hot / HOT - 1 do
  if struct.unpack(HOT_FORMAT, hot, i * HOT + 1) == wanted then
    local key = f .. ':c:' .. n
    local from = i * COLD + COLD_AT.digest
    local old = call('GETRANGE', key, from, from + #digest - 1)
    call('SETRANGE', key, from, digest)
    return old
  end
end
return ''
