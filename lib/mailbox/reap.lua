-- Removes some chunks of a folder that was deleted. Returns their cold records;
-- an empty string: nothing of the folder is left. Few at a time: the caller drops two
-- references a record before it asks again.
local f = base .. 'f:' .. id
if call('SISMEMBER', base .. 'doomed', id) == 0 then return '' end
local out = {}
for _, n in ipairs(call('HRANDFIELD', f .. ':chunks', 2)) do
  out[#out + 1] = call('GET', f .. ':c:' .. n) or ''
  call('DEL', unpack(dying_with('CHUNK', id, n)))
  call('HDEL', f .. ':chunks', n)
end
if #out == 0 then
  call('UNLINK', unpack(dying_with('FOLDER', id)))
  call('SREM', base .. 'doomed', id)
end
return table.concat(out)
